"""A connection that the lane hands over, as a trio stream that first gives again what the lane has read."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from typing import TYPE_CHECKING

import trio

from distd.lane.transport import TlsTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.lane.transport import Transport

PIECE_BYTES = 65_536


def _nothing() -> None:
    """Nobody wants to know."""


class PlainStream(trio.abc.Stream):
    """`socket` as trio knows it; `idle_timeout_s` bounds each wait for a peer that takes nothing.

    `address`: the peer's. `last_heard_s` is when the peer last sent something, on trio's clock; `broken`: a send to it
    has failed.
    """

    is_encrypted = False

    def __init__(
        self,
        sock: socket.socket,
        replay: bytes,
        idle_timeout_s: float,
        address: str = "",
        on_close: Callable[[], None] = _nothing,
    ) -> None:
        """`on_close` is called once, when it is closed, whoever closes it and however."""
        self.socket = trio.socket.from_stdlib_socket(sock)
        self.address = address
        self._on_close = on_close
        self.last_heard_s = trio.current_time()
        self.broken = False
        self.idle_timeout_s = idle_timeout_s
        self.unsent = False
        self._stream = trio.SocketStream(self.socket)
        self._replay = replay

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As `trio.abc.ReceiveStream` has it."""
        if self._replay:
            await trio.lowlevel.checkpoint()
            size = max_bytes or len(self._replay)
            data, self._replay = self._replay[:size], self._replay[size:]
            return data
        data = bytes(await self._stream.receive_some(max_bytes))
        self.last_heard_s = trio.current_time()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send in pieces, each of which the peer must take within the time-out; else `BrokenResourceError`."""
        view = memoryview(data)
        for start in range(0, len(view), PIECE_BYTES):
            try:
                with trio.fail_after(self.idle_timeout_s):
                    await self._stream.send_all(view[start : start + PIECE_BYTES])
            except trio.BrokenResourceError:
                self.broken = True
                raise
            except trio.TooSlowError:
                self.broken = True
                raise trio.BrokenResourceError("the peer takes no bytes") from None

    def send_nowait(self, data: bytes) -> bytes:
        """Send what the kernel takes at once; gives the rest. Raises `BrokenResourceError`. Not beside `send_all`."""
        try:
            return data[os.write(self.socket.fileno(), data) :]
        except BlockingIOError:
            return data
        except OSError as error:
            self.broken = True
            raise trio.BrokenResourceError(str(error)) from error

    async def wait_send_all_might_not_block(self) -> None:
        """As `trio.abc.SendStream` has it."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Send no more; what the peer sends is still received. A `send_all` beside it finds the stream closed:
        hypercorn may end a connection while an application answers."""
        await trio.lowlevel.checkpoint()
        with contextlib.suppress(OSError):  # it is closed
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket at once, whatever is on its way. Closing again does nothing."""
        self.socket.close()
        on_close, self._on_close = self._on_close, _nothing
        on_close()

    async def aclose(self) -> None:
        """Close the socket."""
        try:
            await self._stream.aclose()
        finally:
            self.close()


class TlsStream(trio.abc.Stream):
    """The same under TLS: the lane has made the handshake, and its SSL object goes on here.

    `do_handshake`, `selected_alpn_protocol` and `transport_stream` are there because hypercorn asks for them.
    """

    is_encrypted = True

    def __init__(
        self,
        transport: TlsTransport,
        replay: bytes,
        idle_timeout_s: float,
        address: str = "",
        on_close: Callable[[], None] = _nothing,
    ) -> None:
        """As `PlainStream`."""
        self.transport_stream = PlainStream(transport.sock, b"", idle_timeout_s, address, on_close)
        self._tls = transport.tls
        self._incoming = transport.incoming
        self._outgoing = transport.outgoing
        self._encrypted = bytes(transport.encrypted)
        self._replay = replay
        self._sending = trio.Lock()

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket below TLS."""
        return self.transport_stream.socket

    @property
    def address(self) -> str:
        """As `PlainStream` has it."""
        return self.transport_stream.address

    @property
    def last_heard_s(self) -> float:
        """As `PlainStream` has it."""
        return self.transport_stream.last_heard_s

    @property
    def broken(self) -> bool:
        """As `PlainStream` has it."""
        return self.transport_stream.broken

    @property
    def idle_timeout_s(self) -> float:
        """As `PlainStream` has it."""
        return self.transport_stream.idle_timeout_s

    @property
    def unsent(self) -> bool:
        """Whether something that `send_nowait` took has not gone yet: the next `send_all` sends it, of b"" too."""
        return bool(self._encrypted)

    async def do_handshake(self) -> None:
        """Nothing: it is done."""
        await trio.lowlevel.checkpoint()

    def selected_alpn_protocol(self) -> str | None:
        """What was agreed on in the handshake."""
        return self._tls.selected_alpn_protocol()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As `trio.abc.ReceiveStream` has it; a fault of TLS is `BrokenResourceError`."""
        await trio.lowlevel.checkpoint()
        size = max_bytes or PIECE_BYTES
        if self._replay:
            data, self._replay = self._replay[:size], self._replay[size:]
            return data
        while True:
            # The SSL object first: it may hold bytes that the socket will not tell of again.
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                await self._flush()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise trio.BrokenResourceError(f"TLS: {error.reason}") from error
            received = await self.transport_stream.receive_some(PIECE_BYTES)
            if received:
                self._incoming.write(received)
            else:
                self._incoming.write_eof()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """As `PlainStream.send_all`; what `send_nowait` has left goes too."""
        await trio.lowlevel.checkpoint()
        view = memoryview(data)
        for start in range(0, len(view), PIECE_BYTES):
            try:
                self._tls.write(view[start : start + PIECE_BYTES])
            except ssl.SSLError as error:
                raise trio.BrokenResourceError(f"TLS: {error.reason}") from error
            await self._flush()
        if self._encrypted:
            await self._flush()

    def send_nowait(self, data: bytes) -> bytes:
        """As `PlainStream.send_nowait`, but all is taken: what the kernel does not take waits (`unsent`)."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise trio.BrokenResourceError(f"TLS: {error.reason}") from error
        self._encrypted = self.transport_stream.send_nowait(self._encrypted + self._outgoing.read())
        return b""

    async def _flush(self) -> None:
        async with self._sending:
            encrypted, self._encrypted = self._encrypted + self._outgoing.read(), b""
            if encrypted:
                await self.transport_stream.send_all(encrypted)

    async def wait_send_all_might_not_block(self) -> None:
        """As `trio.abc.SendStream` has it."""
        await self.transport_stream.wait_send_all_might_not_block()

    def close(self) -> None:
        """As `PlainStream.close`, without close_notify."""
        self.transport_stream.close()

    async def aclose(self) -> None:
        """Say close_notify, as far as the peer takes it at once, and close."""
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        with trio.move_on_after(1, shield=True):
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._flush()
        await self.transport_stream.aclose()


def open_stream(
    transport: Transport, replay: bytes, idle_timeout_s: float, address: str, on_close: Callable[[], None]
) -> PlainStream | TlsStream:
    """The stream that goes on where a transport, which is not used any more, has come to; `replay` comes first."""
    if isinstance(transport, TlsTransport):
        return TlsStream(transport, replay, idle_timeout_s, address, on_close)
    return PlainStream(transport.sock, replay, idle_timeout_s, address, on_close)
