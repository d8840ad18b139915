"""A site that answers everything with 404, and remembers what came."""

from __future__ import annotations

import contextlib
import re
import ssl
from typing import TYPE_CHECKING

import trio

from distd.storage import pki
from loadtests.attacks.site import AttackedSite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class RecordingStream(trio.abc.Stream):
    """`came`: all that was received."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.came = bytearray()
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        self.came += data
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class RecordingSite:
    """`came`: by the name of an address, what each connection has sent, as it came and deciphered."""

    def __init__(self, folder: Path) -> None:
        (folder / "keys").mkdir()
        pki.create_keys(folder / "keys", folder / "ca.pem", ["localhost"])
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / "keys/server.pem", folder / "keys/server.key")
        self.came: dict[str, list[bytearray]] = {"http": [], "https": [], "mirror_http": [], "mirror_https": []}
        self._authority = str(folder / "ca.pem")

    def has_seen(self, address: str, pattern: bytes) -> bool:
        """Whether there was a connection on which such bytes came."""
        return any(re.search(pattern, data) for data in self.came[address])

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[AttackedSite]:
        """Serve at all addresses for as long as the block lasts."""
        addresses = {}
        async with trio.open_nursery() as nursery:
            for name in self.came:
                (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
                addresses[name] = "{}:{}".format(*listener.socket.getsockname())
                nursery.start_soon(trio.serve_listeners, self._handler(name), [listener])
            logins = (("admin", "a"), ("operator1", "b"), ("operator2", "c"))
            yield AttackedSite(
                **addresses, package="17", large="18", mirror_key="k", authority=self._authority, logins=logins
            )
            nursery.cancel_scope.cancel()

    def _handler(self, name: str) -> Callable[[trio.SocketStream], Awaitable[None]]:
        async def handle(stream: trio.SocketStream) -> None:
            outer = RecordingStream(stream)
            self.came[name].append(outer.came)
            with contextlib.suppress(trio.BrokenResourceError, ssl.SSLError):
                inner = outer
                if name.endswith("https"):
                    inner = RecordingStream(trio.SSLStream(outer, self._tls, server_side=True))
                    self.came[name].append(inner.came)
                async with inner:
                    while await inner.receive_some(65_536):
                        await inner.send_all(ANSWER)

        return handle
