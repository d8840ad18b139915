"""What an attacker has: connections from an address of its own, and counts of what it sent and what came back.

A server that closes, resets, refuses or does not answer is what an attacker expects: none of it is an error here.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from loadtests.attacks.site import AttackedSite

ADDRESS: Final = "127.66.0.2"  # not the honest client's: limits by address must be able to tell them apart
ANSWER_S: Final = 5.0  # for how long an answer is waited for
RECEIVE_BYTES: Final = 65_536
CONNECTS: Final = 50  # connections that are opened at the same time

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) ")
_STATUS_BYTES: Final = len("HTTP/1.1 200 ")
_GONE: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError)


class Attacker:
    """One attack's connections. `share`: of the numbers of an attack so much is done, to try it out.

    `statuses`: of all answers; `failed`: connections that could not be made; `sent_bytes`: as given to the kernel.
    """

    def __init__(self, site: AttackedSite, share: float = 1.0) -> None:
        self.site = site
        self.connected = self.failed = self.sent_bytes = 0
        self.statuses: Counter[str] = Counter()
        self._share = share
        self._connecting = trio.CapacityLimiter(CONNECTS)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def many(self, number: int) -> int:
        """So many, or the share of it."""
        return max(int(number * self._share), 1)

    @contextlib.asynccontextmanager
    async def connection(
        self, address: str, *, tls: bool = False, buffer_bytes: int = 0
    ) -> AsyncIterator[trio.abc.Stream]:
        """A connection to "host:port"; `buffer_bytes`: how little the kernel may receive for it, 0: as usual.

        Raises what trio raises where there is none.
        """
        host, _, port = address.rpartition(":")
        with trio.socket.socket() as sock:
            if buffer_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            stream: trio.abc.Stream
            try:
                async with self._connecting:
                    with trio.fail_after(ANSWER_S):
                        await sock.bind((ADDRESS, 0))
                        await sock.connect((host, int(port)))
                        stream = trio.SocketStream(sock)
                        if tls:
                            stream = trio.SSLStream(stream, self._tls, https_compatible=True)
                            await stream.do_handshake()
            except (*_GONE, trio.TooSlowError):
                self.failed += 1
                raise
            self.connected += 1
            yield stream

    async def send(self, stream: trio.abc.Stream, data: bytes) -> None:
        """Send all of it, and count it."""
        await stream.send_all(data)
        self.sent_bytes += len(data)

    async def receive(self, stream: trio.abc.Stream, limit_s: float = ANSWER_S) -> None:
        """Count the statuses of all answers until the server closes, or nothing has come for `limit_s`."""
        kept = b""
        while True:
            with trio.move_on_after(limit_s) as scope:
                data = kept + await stream.receive_some(RECEIVE_BYTES)
            if scope.cancelled_caught or len(data) == len(kept):
                return
            self.statuses.update(found.decode() for found in _STATUS.findall(data))
            kept = data[-_STATUS_BYTES + 1 :]  # may be the beginning of a status line, and cannot be a whole one

    async def exchange(self, address: str, *pieces: bytes, tls: bool = False) -> None:
        """A connection on which all is sent, and answers are awaited."""
        with contextlib.suppress(*_GONE, trio.TooSlowError):
            async with self.connection(address, tls=tls) as stream:
                try:
                    for piece in pieces:
                        await self.send(stream, piece)
                except _GONE:
                    pass  # an answer may have come nevertheless
                await self.receive(stream)

    async def flood(self, count: int, at_once: int, one: Callable[[int], Awaitable[object]]) -> None:
        """Await `one(number)` `count` times (a share of it), `at_once` at a time."""
        numbers = iter(range(self.many(count)))

        async def work() -> None:
            for number in numbers:
                await one(number)

        async with trio.open_nursery() as nursery:
            for _ in range(min(at_once, self.many(count))):
                nursery.start_soon(work)

    async def hold(self, count: int, address: str, data: bytes = b"", *, tls: bool = False, read: bool = True) -> None:
        """So many connections (a share of them) that send `data` and are kept, for ever; `read`: count answers.

        One that the server closes is opened again, at most once a second.
        """

        async def keep() -> None:
            while True:
                with contextlib.suppress(*_GONE, trio.TooSlowError):
                    async with self.connection(address, tls=tls, buffer_bytes=0 if read else 4096) as stream:
                        await self.send(stream, data)
                        if not read:
                            await trio.sleep_forever()
                        await self.receive(stream, float("inf"))
                await trio.sleep(1)

        await self._in_parallel([keep] * self.many(count))

    async def drip(self, count: int, address: str, data: bytes, *, at: int, pause_s: float) -> None:
        """So many connections that send `data` up to the byte `at` and then byte by byte, a byte in `pause_s`, for
        ever; one that the server closes is opened again."""

        async def keep() -> None:
            while True:
                with contextlib.suppress(*_GONE, trio.TooSlowError):
                    async with self.connection(address) as stream:
                        await self.send(stream, data[:at])
                        async with trio.open_nursery() as nursery:
                            nursery.start_soon(self._drip, stream, data[at:], pause_s)
                            await self.receive(stream, float("inf"))
                            nursery.cancel_scope.cancel()
                await trio.sleep(1)

        await self._in_parallel([keep] * self.many(count))

    async def _drip(self, stream: trio.abc.Stream, data: bytes, pause_s: float) -> None:
        with contextlib.suppress(*_GONE):
            for number in range(len(data)):
                await trio.sleep(pause_s)
                await self.send(stream, data[number : number + 1])

    async def _in_parallel(self, tasks: Sequence[Callable[[], Awaitable[Any]]]) -> None:
        async with trio.open_nursery() as nursery:
            for task in tasks:
                nursery.start_soon(task)

    def counts(self) -> dict[str, Any]:
        """All that was counted, for JSON."""
        return {
            "connected": self.connected,
            "failed": self.failed,
            "sent_bytes": self.sent_bytes,
            "statuses": dict(self.statuses),
        }
