"""A shard of a fleet: the agents of one process, on one pool of connections."""

from __future__ import annotations

import re
import resource
import time
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio

from agentsim.fleet import computers, recorded_inventories
from agentsim.fleet.arrivals import arrivals
from agentsim.fleet.context import Network
from agentsim.fleet.counters import ShardCounters
from agentsim.fleet.emulated_agent import EmulatedAgent
from agentsim.fleet.exchange import Exchange
from agentsim.fleet.faults import draw_fault
from agentsim.fleet.messages import Transfers
from agentsim.fleet.options import Arrivals
from agentsim.fleet.target import RequestHeads, find_target
from distd.lane.client.pool import ClientPool
from distd.wire import manifest, ocs_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agentsim.fleet.messages import ShardMessage
    from agentsim.fleet.options import FleetOptions
    from agentsim.fleet.target import Target
    from distd.domain.records import Manifest, PrologReply
    from distd.lane.client.link import Caller, Endpoint

REPORT_EVERY_S: Final = 1.0
MAX_PARSED: Final = 256  # infos and manifests that are kept parsed: agents of one package are sent the same
SPARE_FILES: Final = 256  # that are no connections
FIRST_SOURCE: Final = 127 << 24 | 1 << 16  # 127.1.0.0: the address that an agent of loopback has, by its number
SOURCES: Final = 250 << 16


class ShardNetwork(Network, Protocol):
    """What a shard needs of its network beyond what its agents do; a `ClientPool` is one."""

    @property
    def received_bytes(self) -> int:
        """Since the beginning."""

    @property
    def connections(self) -> int:
        """Made since the beginning."""

    @property
    def handshakes(self) -> int:
        """TLS handshakes made since the beginning."""

    @property
    def open_links(self) -> int:
        """Connections that are open."""

    @property
    def busy(self) -> int:
        """Exchanges that are under way, or wait for a connection."""

    def callers(self) -> Sequence[Caller]:
        """Those whose exchanges these are."""

    async def run(self) -> None:
        """Work until cancelled."""


async def run_shard(
    options: FleetOptions, report: Callable[[ShardMessage], None], stop: trio.Event | None = None
) -> None:
    """The life of a shard, as `Shard.run`. Raises `BadInput` and `Unavailable` as `find_target` does."""
    target = find_target(options)
    await Shard(options, target, ClientPool(target.context, _source, _max_links())).run(report, stop)


class Shard:
    """What the shard's agents share: their `Context`. `clock`: the network's."""

    def __init__(
        self,
        options: FleetOptions,
        target: Target,
        network: ShardNetwork,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.network = network
        self.counters = ShardCounters(len(options.numbers))
        self.once = options.duration_s is None
        self.time_scale = options.time_scale
        self.keep_alive_s = options.keep_alive_s
        self.server = target.endpoint
        self.read_info = lru_cache(MAX_PARSED)(ocs_info.parse)
        self.read_manifest = lru_cache(MAX_PARSED)(self._read_manifest)
        heads = RequestHeads(target.parts)
        self.location, self.post_heads = heads.location, heads.posts
        self._options = options
        self._ca = target.ca
        self._transfers: dict[Endpoint, Transfers] = {}
        self._active: set[EmulatedAgent] = set()
        self._awaited: deque[tuple[float, int]] = deque()
        self._begun_s = 0.0
        self._over = trio.Event()
        self._stopped = False

    async def run(self, report: Callable[[ShardMessage], None], stop: trio.Event | None = None) -> None:
        """`report` gets a message each second, and the last one when all are through, or soon after `stop` is set."""
        duration_s = self._options.duration_s
        self._begun_s = self.network.now_s = self.clock()
        self._plan_arrivals()
        self._admit()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.network.run)
            nursery.start_soon(self._report_often, report)
            if stop is not None:
                nursery.start_soon(self._end_at, stop)
            with trio.move_on_after(float("inf") if duration_s is None else duration_s):
                await self._over.wait()
            ended_s = self.clock()
            self._close(ended_s)
            nursery.cancel_scope.cancel()
        report(self._message(ended_s, over=True))

    def _plan_arrivals(self) -> None:
        options = self._options
        sites = {}
        if options.arrival.kind is Arrivals.OFFICE:
            sites = {number: self._computer(number).site for number in options.numbers}
        self._awaited.extend(arrivals(options, sites))
        last_s = self._awaited[-1][0] if self._awaited else 0
        self.expect_until(self._begun_s + (options.duration_s or last_s))
        if not self._awaited:  # more processes than agents
            self._over.set()

    async def _end_at(self, stop: trio.Event) -> None:
        await stop.wait()
        self._stopped = True
        self._over.set()

    def _close(self, now_s: float) -> None:
        """The end of the run, for agents that have not ended."""
        self._awaited.clear()  # an agent that leaves now makes room for no other
        for caller in self.network.callers():
            assert isinstance(caller, Exchange)
            self.counters.cut_off(caller.kind, now_s - caller.due_s)
        for agent in list(self._active):
            if self._stopped:
                agent.stop()
            else:
                agent.cut_off(now_s)

    async def _report_often(self, report: Callable[[ShardMessage], None]) -> None:
        while True:
            await trio.sleep(REPORT_EVERY_S)
            report(self._message(self.clock()))

    def _message(self, now_s: float, *, over: bool = False) -> ShardMessage:
        network = self.network
        message = self.counters.message(
            self.elapsed_s(now_s),
            received_bytes=network.received_bytes,
            connections=(network.open_links, network.connections, network.handshakes),
            busy=network.busy,
        )
        message.over, message.stopped, message.memory_bytes = over, self._stopped, _memory_bytes()
        return message

    # --- agents come and go

    def _admit(self) -> None:
        """Let those begin whose time has come."""
        closed = self._options.arrival.kind is Arrivals.CLOSED
        limit = self._options.max_active
        while self._awaited and len(self._active) < limit:
            now_s = self.network.now_s
            due_s = now_s if closed else self._begun_s + self._awaited[0][0]
            if due_s > now_s:
                self.network.at(due_s, self._admit)
                return
            self._begin(self._awaited.popleft()[1], due_s)

    def _begin(self, number: int, due_s: float) -> None:
        computer = self._computer(number)
        fault, verify = draw_fault(self._options, number), self._options.verifies(number)
        device_id = self._device_id(number, computer)
        agent = EmulatedAgent(self, number, device_id, computer.dialect, fault=fault, verify=verify)
        self._active.add(agent)
        agent.begin(due_s)

    def remove(self, agent: Any) -> None:
        """As `Context` says; the next one begins, where only so many may be active."""
        self._active.discard(agent)
        if self._awaited:
            if self._options.arrival.kind is Arrivals.CLOSED:
                self._admit()
        elif not self._active:
            self._over.set()

    # --- what agents ask for

    def elapsed_s(self, now_s: float) -> float:
        """As `Context` says."""
        return now_s - self._begun_s

    def machine_s(self) -> float:
        """As `Context` says."""
        return (self.network.now_s - self._begun_s) * self.time_scale

    def expect_until(self, end_s: float) -> None:
        """As `Context` says; with a duration nothing is expected after its end."""
        latest_s = self._options.duration_s or float("inf")
        self.counters.expected_s = max(self.counters.expected_s, min(self.elapsed_s(end_s), latest_s))

    def transfers(self, endpoint: Endpoint) -> Transfers:
        """As `Context` says."""
        known = self._transfers.get(endpoint)
        if known is None:
            name = f"{endpoint.host}:{endpoint.port}"
            known = self._transfers[endpoint] = self.counters.places.setdefault(name, Transfers())
        return known

    def note_settings(self, reply: PrologReply) -> None:
        """As `Context` says."""
        config = reply.config
        self.counters.settings = {
            "frag_latency_s": config.frag_latency_s,
            "cycle_latency_s": config.cycle_latency_s,
            "period_latency_s": config.period_latency_s,
            "period_length": config.period_length,
            "prolog_freq_h": reply.prolog_freq_h,
        }

    def inventory(self, number: int, history: Iterable[str]) -> bytes:
        """As `Context` says."""
        computer, texts = self._computer(number), self._options.replayed
        if texts:
            return recorded_inventories.request_body(texts[number % len(texts)], self._device_id(number, computer))
        return computers.inventory(self._options.seed, computer, history)

    def _computer(self, number: int) -> computers.EmulatedComputer:
        return computers.computer(self._options.seed, number, self._options.dialects)

    def _device_id(self, number: int, computer: computers.EmulatedComputer) -> str:
        """Replayed inventories keep theirs; when each has been used, with a number behind it."""
        texts = self._options.replayed
        if not texts:
            return computer.device_id
        round_number, which = divmod(number, len(texts))
        known = recorded_inventories.device_id_of(texts[which]) or computer.device_id
        return f"{known}-{round_number}" if round_number else known

    def _read_manifest(self, data: bytes) -> Manifest:
        return manifest.read(data, self._ca)


def _max_links() -> int:
    """Of the files that this process may have open, now that it is allowed all that it can be."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(hard - SPARE_FILES, hard // 2)


def _memory_bytes() -> int:
    """The most that this process has had in memory. Not by getrusage: what it gives counts, over an exec, the memory of
    the process that forked this one."""
    status = Path("/proc/self/status").read_text("ascii", "replace")
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(peak[1]) * 1024 if peak else 0


def _source(caller: Any) -> str:
    """Each agent of loopback has an address of its own, so ports do not run short, and rules for addresses hold."""
    value = FIRST_SOURCE + caller.number % SOURCES
    return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
