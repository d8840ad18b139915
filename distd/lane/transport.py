"""Bytes in and out of one socket, plain or under TLS, without waiting.

A transport knows sockets, files and TLS, and nothing of HTTP or of whom it serves. What is to be sent is `pending`,
then `file_left_bytes` of `file` from `offset`, then `parts`, the last one first.

Error handling: a broken connection is an `OSError`, which an `ssl.SSLError` is too; a file that is shorter than it was
is `FileTruncated`. After any of them the transport can only be closed.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from socket import MSG_MORE, MSG_PEEK, SHUT_WR
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

    from distd.lane.file_cache import OpenFile, Part
    from distd.lane.turn import Turn

RECEIVE_BYTES: Final = 65_536
# A larger file is copied through the turn's scratch buffer: what sendfile() lends the socket has left the processor's
# cache again before the peer reads.
SENDFILE_MAX_BYTES: Final = 4_194_304
# Bigger TLS pieces cost fewer calls and more memory: 1 MiB was 7 % faster than 256 KiB at 1 MiB fragments.
PIECE_BYTES: Final = 262_144
# The first piece of a short answer when no other connection is ready: the peer decrypts it while we encrypt the rest.
FIRST_PIECE_BYTES: Final = 32_768


class FileTruncated(OSError):
    """The file is shorter than was promised: the only honest end is to break the connection."""

    def __init__(self) -> None:
        super().__init__("a file shrank while it was being sent")


class Transport:
    """A plain one. `sent` counts the bytes that have gone to the kernel; whoever accounts for them sets it to 0."""

    __slots__ = ("fd", "file", "file_left_bytes", "offset", "parts", "pending", "sent", "sock", "turn")
    scheme = "http"

    def __init__(self, sock: socket.socket, turn: Turn) -> None:
        """`sock` does not block, and is the transport's from here on."""
        self.sock = sock
        self.fd = sock.fileno()
        self.turn = turn
        self.pending = b""
        self.file: OpenFile | None = None
        self.offset = 0
        self.file_left_bytes = 0
        self.parts: list[Part] | None = None
        self.sent = 0

    def receive(self) -> bytes | None:
        """What came, b"" at the end, None when there is nothing now."""
        try:
            return self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None

    def check(self) -> None:
        """Raise the fault of a connection that has broken; what it has received stays where it is."""
        with contextlib.suppress(BlockingIOError):
            self.sock.recv(1, MSG_PEEK)

    def transmit(self, budget_bytes: int) -> bool:
        """True: all is sent. False: the peer takes no more now, or the budget is used up."""
        try:
            while self.pending or self.file_left_bytes or (self.parts and self.next_part()):
                if budget_bytes <= 0:
                    return False
                if self.pending:
                    sent = self.sock.send(self.pending[:budget_bytes], MSG_MORE if self.file_left_bytes else 0)
                    self.pending = self.pending[sent:]
                else:
                    sent = self._send_file(min(self.file_left_bytes, budget_bytes))
                    self.offset += sent
                    self.file_left_bytes -= sent
                if not sent:
                    raise FileTruncated
                budget_bytes -= sent
                self.sent += sent
            return True
        except BlockingIOError:
            return False

    def _send_file(self, max_bytes: int) -> int:
        """Send up to so many bytes of the file from the offset; 0 at its end."""
        assert self.file is not None
        if self.file.size <= SENDFILE_MAX_BYTES:
            return os.sendfile(self.fd, self.file.fd, self.offset, max_bytes)
        scratch = self.turn.scratch
        size = os.preadv(self.file.fd, [scratch[:max_bytes]], self.offset)
        return self.sock.send(scratch[:size])

    def next_part(self) -> bool:
        """Make the next part the one to be sent: bytes go behind `pending`. False: there is none."""
        if not self.parts:
            return False
        part = self.parts.pop()
        if isinstance(part, bytes):
            self.pending += part
        else:
            self.offset, stop = part
            self.file_left_bytes = stop - self.offset
        return True

    def end_output(self) -> None:
        """Tell the peer that nothing more comes."""
        self.sock.shutdown(SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


class TlsTransport(Transport):
    """The same over an `ssl.SSLObject` and two memory BIOs.

    `encrypted` is what is not yet sent of it. Until the handshake is done nothing is received.
    """

    __slots__ = ("encrypted", "handshake_done", "incoming", "outgoing", "tls")
    scheme = "https"

    def __init__(self, sock: socket.socket, turn: Turn, context: ssl.SSLContext) -> None:
        super().__init__(sock, turn)
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.encrypted = memoryview(b"")
        self.handshake_done = False

    def receive(self) -> bytes | None:
        """As `Transport.receive`. When the turn has no handshake left, epoll will tell of the bytes again."""
        if not self.handshake_done and not self.turn.take_handshake():
            return None
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        try:
            if not self.handshake_done:
                self.tls.do_handshake()
                self.handshake_done = True
                self.turn.counts.handshakes += 1
            return self._decrypt(ended=not data)
        except ssl.SSLWantReadError:
            return None if data else b""
        finally:
            self._flush()

    def _decrypt(self, *, ended: bool) -> bytes | None:
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
        """As `Transport.transmit`; the budget is for bytes before they are encrypted."""
        piece_bytes = FIRST_PIECE_BYTES if self.turn.alone and self.file_left_bytes < PIECE_BYTES else PIECE_BYTES
        while True:
            if not self._flush():
                return False
            if not (self.pending or self.file_left_bytes or (self.parts and self.next_part())):
                return True
            if budget_bytes <= 0:
                return False
            size = self._encrypt(min(budget_bytes, piece_bytes))
            if not size:
                raise FileTruncated
            piece_bytes = PIECE_BYTES
            budget_bytes -= size

    def _encrypt(self, max_bytes: int) -> int:
        """Encrypt some of what is next; 0 when the file is shorter than it was."""
        piece, self.pending = self.pending[:max_bytes], self.pending[max_bytes:]
        size = len(piece)
        if piece:
            self.tls.write(piece)
        if self.file_left_bytes and size < max_bytes:
            assert self.file is not None
            room = self.turn.scratch[: min(self.file_left_bytes, max_bytes - size)]
            read = os.preadv(self.file.fd, [room], self.offset)
            if read:
                self.tls.write(room[:read])
            self.offset += read
            self.file_left_bytes -= read
            size += read
        return size

    def _flush(self) -> bool:
        """Send what is encrypted. False: the peer takes no more now."""
        while True:
            if not self.encrypted:
                if not self.outgoing.pending:
                    return True
                self.encrypted = memoryview(self.outgoing.read())
            try:
                sent = self.sock.send(self.encrypted)
            except BlockingIOError:
                return False
            self.encrypted = self.encrypted[sent:]
            self.sent += sent

    def end_output(self) -> None:
        """close_notify, and the end of the plain connection."""
        self._send_close_notify()
        super().end_output()

    def close(self) -> None:
        """Close the socket, with close_notify unless something is cut off."""
        if self.handshake_done and not self.encrypted:
            with contextlib.suppress(OSError):
                self._send_close_notify()
        super().close()

    def _send_close_notify(self) -> None:
        """As far as it can be sent at once: it tells the peer that nothing was cut off."""
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        self._flush()
