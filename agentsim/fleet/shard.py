"""A shard of a fleet: the agents of one process, on one swarm."""

from __future__ import annotations

import resource
import ssl
import time
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import trio
from cryptography import x509

from agentsim.fleet import computers
from agentsim.fleet.arrivals import arrivals
from agentsim.fleet.counters import Flow, Tally
from agentsim.fleet.emulated import Emulated
from agentsim.fleet.faults import draw_fate
from agentsim.fleet.options import Arrivals
from distd.domain.errors import BadInput, Unavailable
from distd.domain.records import Dialect
from distd.lane.client.link import Place, reason
from distd.lane.client.pool import ClientPool, look_up
from distd.wire import manifest as manifest_format
from distd.wire import ocs_info as info_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from urllib.parse import SplitResult

    from agentsim.fleet.asking import Asking
    from agentsim.fleet.options import Order
    from distd.domain.records import Manifest, PrologReply

TELL_S: Final = 1.0
KNOWN_TEXTS: Final = 256  # parsed infos and manifests: agents of one package are told the same
KNOWN_FOLDERS: Final = 1024
SPARE_FILES: Final = 256  # that are no connections
FIRST_SOURCE: Final = 127 << 24 | 1 << 16  # 127.1.0.0: what an agent of loopback comes from, by its number
SOURCES: Final = 250 << 16
_PORTS: Final = {"http": 80, "https": 443}


class Shard:
    """What the shard's agents share. `run` until all are through."""

    def __init__(self, order: Order) -> None:
        """Raises `BadInput` and `Unavailable` as `check` does."""
        self.order = order
        parts, self.server, self._ca, context = check(order)
        self.swarm = ClientPool(context, _source, _most_links())
        self.tally = Tally(len(order.numbers))
        self.post_heads: dict[Dialect, bytes] = {}
        self._get_tails: dict[Dialect, str] = {}
        for dialect in Dialect:
            name = f"User-Agent: {computers.user_agent(dialect)}\r\nTE: deflate,gzip;q=0.3\r\nConnection: TE\r\n"
            self.post_heads[dialect] = (
                f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n{name}"
                "Content-Type: application/x-compress\r\nContent-Length: "
            ).replace("%", "%%").encode() + b"%d\r\n\r\n"
            self._get_tails[dialect] = f"{name}\r\n"
        self._flows: dict[Place, Flow] = {}
        self._alive: set[Emulated] = set()
        self._waiting: deque[tuple[float, int]] = deque()
        self._begun_s = 0.0
        self._over = trio.Event()
        self._stopped = False
        self.read_info = lru_cache(KNOWN_TEXTS)(info_format.parse)
        self.folder = lru_cache(KNOWN_FOLDERS)(self._folder)
        self.read_manifest = lru_cache(KNOWN_TEXTS)(self._read_manifest)

    async def run(self, tell: Callable[[dict[str, Any]], None], stop: trio.Event | None = None) -> None:
        """`tell` gets a message now and then, and the last one when all are through, or soon after `stop` is set."""
        self._begun_s = self.swarm.now_s = time.monotonic()
        sites = {}
        if self.order.arrival.kind is Arrivals.OFFICE:
            sites = {number: self._computer(number).site for number in self.order.numbers}
        self._waiting.extend(arrivals(self.order, sites))
        last_s = self._waiting[-1][0] if self._waiting else 0
        self.expect(self._begun_s + (self.order.duration_s or last_s))
        if not self._waiting:  # more processes than agents
            self._over.set()
        self._admit()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.swarm.run)
            nursery.start_soon(self._tell_often, tell)
            if stop is not None:
                nursery.start_soon(self._end_at, stop)
            with trio.move_on_after(self.order.duration_s or float("inf")):
                await self._over.wait()
            ended_s = time.monotonic()
            self._close(ended_s)
            nursery.cancel_scope.cancel()
        tell(self._message(ended_s, over=True))

    async def _end_at(self, stop: trio.Event) -> None:
        await stop.wait()
        self._stopped = True
        self._over.set()

    def _close(self, now_s: float) -> None:
        """The end of the run, for those who have not come to theirs."""
        self._waiting.clear()  # who leaves makes room for nobody
        for caller in self.swarm.callers():
            assert isinstance(caller, Emulated)
            caller.charge(now_s)
        for agent in list(self._alive):
            if self._stopped:
                agent.let_go()
            else:
                agent.cut_off()

    async def _tell_often(self, tell: Callable[[dict[str, Any]], None]) -> None:
        while True:
            await trio.sleep(TELL_S)
            tell(self._message(time.monotonic()))

    def _message(self, now_s: float, *, over: bool = False) -> dict[str, Any]:
        swarm = self.swarm
        links = (swarm.open_links, swarm.connections, swarm.handshakes)
        counted = self.tally.message(self.since_s(now_s), swarm.received_bytes, links, swarm.busy)
        own = {"over": over, "stopped": self._stopped, "memory_bytes": _memory_bytes()}
        return counted | own

    # --- coming and going

    def _admit(self) -> None:
        """Those whose time has come."""
        closed = self.order.arrival.kind is Arrivals.CLOSED
        most = self.order.at_a_time
        while self._waiting and len(self._alive) < most:
            due_s = self.swarm.now_s if closed else self._begun_s + self._waiting[0][0]
            if due_s > self.swarm.now_s:
                self.swarm.at(due_s, self._admit)
                return
            self._arrive(self._waiting.popleft()[1], due_s)

    def _arrive(self, number: int, due_s: float) -> None:
        one = self._computer(number)
        agent = Emulated(self, number, self._device_id(number, one), one.dialect, draw_fate(self.order, number))
        self._alive.add(agent)
        agent.begin(due_s)

    def left(self, agent: Asking) -> None:
        self._alive.discard(agent)
        if self._waiting:
            if self.order.arrival.kind is Arrivals.CLOSED:
                self._admit()
        elif not self._alive:
            self._over.set()

    # --- what agents ask for

    def expect(self, end_s: float) -> None:
        """That an agent will be at it until then, unless the order's time is over before."""
        latest_s = self.order.duration_s or float("inf")
        self.tally.expected_s = max(self.tally.expected_s, min(self.since_s(end_s), latest_s))

    def since_s(self, now_s: float) -> float:
        """Seconds from the beginning, as they really pass."""
        return now_s - self._begun_s

    def machine_s(self) -> float:
        """The time of the machines, for which days pass as fast as latencies."""
        return (self.swarm.now_s - self._begun_s) * self.order.time_scale

    def verifies(self, number: int) -> bool:
        """Every so manyth, and so a share, of any numbers in a row."""
        share = self.order.verify
        return int((number + 1) * share) > int(number * share)

    def _folder(self, scheme: str, folder: str, dialect: Dialect) -> tuple[Place, str, str]:
        """Of "name:port/path": where to connect to, and what stands before and behind a name in a GET.

        Raises nothing: what is no address is a place of port 0, where connecting fails."""
        host, slash, path = folder.partition("/")
        try:
            place = _place(scheme, urlsplit(f"//{host}"))
        except ValueError:
            place = Place(host, 0, scheme == "https")
        return place, f"GET {slash}{path}/", f"Host: {host}\r\n{self._get_tails[dialect]}"

    def flow(self, place: Place) -> Flow:
        found = self._flows.get(place)
        if found is None:
            found = self._flows[place] = self.tally.places.setdefault(f"{place.host}:{place.port}", Flow())
        return found

    def hear(self, reply: PrologReply) -> None:
        """What agents were told, for the forecast."""
        config = reply.config
        self.tally.told = {
            "frag_latency_s": config.frag_latency_s,
            "cycle_latency_s": config.cycle_latency_s,
            "period_latency_s": config.period_latency_s,
            "period_length": config.period_length,
            "prolog_freq_h": reply.prolog_freq_h,
        }

    def inventory(self, number: int, history: Iterable[str]) -> bytes:
        one, texts = self._computer(number), self.order.replayed
        if texts:
            return computers.replayed(texts[number % len(texts)], self._device_id(number, one))
        return computers.inventory(self.order.seed, one, history)

    def _computer(self, number: int) -> computers.Computer:
        return computers.computer(self.order.seed, number, self.order.dialects)

    def _device_id(self, number: int, one: computers.Computer) -> str:
        """Replayed inventories keep theirs; when they come round again, with a number behind it."""
        texts = self.order.replayed
        if not texts:
            return one.device_id
        again, which = divmod(number, len(texts))
        known = computers.replayed_id(texts[which]) or one.device_id
        return f"{known}-{again}" if again else known

    def _read_manifest(self, data: bytes) -> Manifest:
        return manifest_format.read(data, self._ca)


class Checked(NamedTuple):
    """The server's URL in parts and where to connect to for it, its CA, the context that trusts it."""

    parts: SplitResult
    server: Place
    ca: x509.Certificate
    context: ssl.SSLContext


def check(order: Order) -> Checked:
    """Raises `BadInput` for what cannot be used, `Unavailable` where the server's host is not found."""
    order.check()
    try:
        parts = urlsplit(order.server)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"expected http or https and a host, got {order.server}")
        server = _place(parts.scheme, parts)
        look_up(server)
    except ValueError:
        raise BadInput("--server", "http://host[:port]/ocsinventory or https://…", order.server) from None
    except OSError as error:
        raise Unavailable(f"--server {order.server}", reason(error)) from None
    try:
        ca = x509.load_pem_x509_certificate(order.ca_pem.encode())
        return Checked(parts, server, ca, ssl.create_default_context(cadata=order.ca_pem))
    except (ValueError, ssl.SSLError):
        raise BadInput("--ca", "a certificate in PEM form", "something else") from None


def _place(scheme: str, parts: SplitResult) -> Place:
    """Raises `ValueError` for a port that is none."""
    port = parts.port
    return Place(parts.hostname or "", _PORTS[scheme] if port is None else port, scheme == "https")


def _most_links() -> int:
    """Of the files that this process may have open, now that it is allowed all that it can be."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(hard - SPARE_FILES, hard // 2)


def _memory_bytes() -> int:
    """The most that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _source(agent: Any) -> str:
    """Each agent of loopback has an address of its own, so ports do not run short, and rules for addresses hold."""
    value = FIRST_SOURCE + agent.number % SOURCES
    return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
