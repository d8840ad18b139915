"""A connection under TLS: the same callbacks over an `ssl.SSLObject` and two memory BIOs."""

from __future__ import annotations

import contextlib
import os
import ssl
from typing import TYPE_CHECKING, Final

from distd.lane.connection import RECEIVE_BYTES, Connection, State

if TYPE_CHECKING:
    import socket

    from distd.lane.server import Lane

# Bigger pieces cost fewer calls and more memory: 1 MiB was 7 % faster than 256 KiB at 1 MiB fragments.
PIECE_BYTES: Final = 262_144
# The first piece of a short answer when nobody else wants anything: the peer deciphers it while we encipher the rest.
FIRST_BYTES: Final = 32_768


class TlsConnection(Connection):
    """`sealed` is what is encrypted and not yet sent. Until the handshake is done the lane sees no byte of it."""

    __slots__ = ("incoming", "outgoing", "sealed", "shaken", "tls")
    scheme = "https"

    def __init__(self, lane: Lane, sock: socket.socket, address: str, context: ssl.SSLContext) -> None:
        super().__init__(lane, sock, address)
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.sealed = memoryview(b"")
        self.shaken = False

    def ready(self) -> None:
        # A handshake costs most of a millisecond, so only a few are made in a turn; epoll tells of the others again.
        if not self.shaken and not self.lane.may_shake_hands():
            return
        super().ready()

    def receive(self) -> bytes | None:
        data = super().receive()
        if data is None:
            return None
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        try:
            if not self.shaken:
                self.tls.do_handshake()
                self.shaken = True
                self.lane.counts.handshakes += 1
            return self.decrypt(ended=not data)
        except ssl.SSLWantReadError:
            return None if data else b""
        except ssl.SSLError as error:
            self.lane.log.info("%s: TLS: %s", self.address, error.reason or error)
            return b""
        finally:
            self.flush()

    def decrypt(self, *, ended: bool) -> bytes | None:
        """All that can be decrypted now: nothing may stay in the SSL object, for epoll would not tell of it."""
        pieces = []
        try:
            while piece := self.tls.read(RECEIVE_BYTES):
                pieces.append(piece)
                if not (self.incoming.pending or self.tls.pending()):
                    break  # the next read would only raise, which takes longer
            else:
                ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            ended = True
        if pieces:
            return b"".join(pieces)
        return b"" if ended else None

    def transmit(self, budget_bytes: int) -> bool:
        piece_bytes = FIRST_BYTES if self.lane.alone and self.left < PIECE_BYTES else PIECE_BYTES
        while True:
            waiting = len(self.sealed) + self.outgoing.pending
            flushed = self.flush()
            sent = waiting - len(self.sealed) - self.outgoing.pending
            if sent:
                self.progress(sent)
            if not flushed:
                return False
            if not (self.out or self.left or self.next_part()):
                return True
            if budget_bytes <= 0:
                return False
            sealed = self.seal(min(budget_bytes, piece_bytes))
            piece_bytes = PIECE_BYTES
            if not sealed:
                return self.cut_short()
            budget_bytes -= sealed

    def seal(self, most_bytes: int) -> int:
        """Encrypt some of what is next; 0 when the file is shorter than it was."""
        piece, self.out = self.out[:most_bytes], self.out[most_bytes:]
        size = len(piece)
        if piece:
            self.tls.write(piece)
        if self.left and size < most_bytes:
            assert self.file is not None
            room = self.lane.scratch[: min(self.left, most_bytes - size)]
            read = os.preadv(self.file.fd, [room], self.offset)
            if read:
                self.tls.write(room[:read])
            self.offset += read
            self.left -= read
            size += read
        return size

    def flush(self) -> bool:
        """Send what is encrypted. False: the peer is full."""
        while True:
            if not self.sealed:
                if not self.outgoing.pending:
                    return True
                self.sealed = memoryview(self.outgoing.read())
            try:
                sent = self.sock.send(self.sealed)
            except BlockingIOError:
                return False
            self.sealed = self.sealed[sent:]

    def end_output(self) -> None:
        self.say_goodbye()
        super().end_output()

    def close(self) -> None:
        if self.state is not State.GONE and self.shaken and not self.sealed:
            with contextlib.suppress(OSError):
                self.say_goodbye()
        super().close()

    def say_goodbye(self) -> None:
        """close_notify, as far as it can be sent at once: it tells the peer that nothing was cut off."""
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        self.flush()
