"""The network of a shard in memory and in virtual time: connections to a server without sockets.

Every exchange takes `ROUND_TRIP_S`, and whatever its server waits: nothing takes no time, so no retry is endless.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import trio
from trio.testing import MockClock, memory_stream_pair

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from distd.lane.client.link import Caller, Endpoint, Link
    from tests.agentsim.faulty_server import FaultyServer

HTTP, HTTPS = "server.test:80", "server.test:443"
ROUND_TRIP_S: Final = 0.001


def run_in_virtual_time(
    main: Callable[[], Awaitable[Any]], *, clock: trio.abc.Clock | None, instruments: Sequence[trio.abc.Instrument]
) -> Any:
    """A runner for `pytest.mark.trio(run=…)`: all time of such a test is virtual."""
    return trio.run(main, clock=clock or MockClock(autojump_threshold=0), instruments=instruments)


class _Request(NamedTuple):
    caller: Caller
    endpoint: Endpoint
    data: bytes
    keep: bool
    digest: Any


class VirtualLink:
    """A connection over a stream in memory: what callers see of a `Link`."""

    def __init__(self, network: VirtualNetwork, caller: Caller, endpoint: Endpoint, stream: trio.abc.Stream) -> None:
        self._network = network
        self._stream = stream
        self._scope = trio.CancelScope()
        self.caller: Caller | None = caller
        self.endpoint = endpoint
        self.busy = False
        self.status = self.length = 0
        self.body = b""
        self.fields: dict[str, str] = {}

    def field(self, name: bytes) -> str:
        return self.fields.get(name.decode(), "")

    def close(self) -> None:
        if self.caller is not None:
            self.caller.link = None
            self.caller = None
            self._scope.cancel()
            self._network.forget(self)

    async def exchange(self, request: _Request) -> None:
        """One request and its answer."""
        self.status, self.length, self.body, self.fields = 0, 0, b"", {}
        caller, this = request.caller, cast("Link", self)
        self._scope = trio.CancelScope()
        with self._scope:
            try:
                await self._stream.send_all(request.data)
                await trio.sleep(ROUND_TRIP_S)
                problem = await self._receive(request)
            except trio.BrokenResourceError:
                problem = "closed before an answer"
            self.busy = False
            self._network.now_s = trio.current_time()
            if problem or self.fields.get("connection") == "close":
                self.close()
            if problem:
                caller.failed(problem, this)
            else:
                caller.answered(this)

    async def _receive(self, request: _Request) -> str:
        """Why there is no whole answer, or empty."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (chunk := bytes(await self._stream.receive_some(65_536))):
                return "closed before an answer"
            data += chunk
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.length = left = int(self.fields["content-length"])
        while data or left:
            if not data and not (data := bytes(await self._stream.receive_some(65_536))):
                return "closed within a body"
            left -= len(data)
            self._network.received_bytes += len(data)
            if request.digest is not None:
                request.digest.update(memoryview(data))
            if request.keep:
                self.body += data
            data = b""
        return ""


class VirtualNetwork:
    """Connections to `server` at `HTTP` and `HTTPS`; all others, and those in `refused`, are refused."""

    def __init__(self, server: FaultyServer, max_links: int = 1000) -> None:
        self.now_s = trio.current_time()
        self.received_bytes = self.connections = self.handshakes = 0
        self.refused: set[str] = set()
        self._server = server
        self._max_links = max_links
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._links: set[VirtualLink] = set()
        self._waiting: deque[_Request] = deque()
        self._changed = trio.Event()

    def ask(
        self,
        caller: Caller,
        endpoint: Endpoint,
        request: bytes,
        *,
        keep: bool = False,
        digest: Any = None,
        limit_bytes_per_s: float = 0.0,
    ) -> None:
        del limit_bytes_per_s
        if caller.link is not None and caller.link.endpoint != endpoint:
            caller.link.close()
        self._waiting.append(_Request(caller, endpoint, request, keep, digest))
        self._changed.set()

    def at(self, due_s: float, call: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._timers, (due_s, self._serial, call))
        self._changed.set()

    @property
    def open_links(self) -> int:
        return len(self._links)

    @property
    def busy(self) -> int:
        return len(self.callers())

    def callers(self) -> list[Caller]:
        asking = [link.caller for link in self._links if link.busy and link.caller is not None]
        return asking + [request.caller for request in self._waiting]

    def forget(self, link: VirtualLink) -> None:
        self._links.discard(link)
        self._changed.set()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                self._changed = trio.Event()
                self.now_s = trio.current_time()
                due = []
                while self._timers and self._timers[0][0] <= self.now_s:
                    due.append(heapq.heappop(self._timers)[2])
                for call in due:
                    call()
                self._begin(nursery)
                with trio.move_on_at(self._timers[0][0] if self._timers else float("inf")):
                    await self._changed.wait()

    def _begin(self, nursery: trio.Nursery) -> None:
        """Start the requests that there is room for."""
        for _ in range(len(self._waiting)):
            request = self._waiting.popleft()
            link = cast("VirtualLink | None", request.caller.link)
            if link is None and len(self._links) >= self._max_links:
                self._waiting.append(request)
                continue
            if link is None and not (link := self._connect(request, nursery)):
                continue
            link.busy = True
            nursery.start_soon(link.exchange, request)

    def _connect(self, request: _Request, nursery: trio.Nursery) -> VirtualLink | None:
        caller, endpoint = request.caller, request.endpoint
        name = f"{endpoint.host}:{endpoint.port}"
        if name not in (HTTP, HTTPS) or name in self.refused:
            self.at(self.now_s + ROUND_TRIP_S, lambda: caller.failed("connection refused", None))
            return None
        ours, theirs = memory_stream_pair()
        nursery.start_soon(self._server.handle, theirs)
        link = VirtualLink(self, caller, endpoint, ours)
        caller.link = cast("Link", link)
        self._links.add(link)
        self.connections += 1
        return link
