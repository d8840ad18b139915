"""What all shards of a fleet have reported, summed up, and the figures that are computed from it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agentsim.fleet.counters import FINAL_STATES, KINDS, State, histogram, record
from agentsim.fleet.messages import PackageCounters, Transfers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hdrh.histogram import HdrHistogram

    from agentsim.fleet.messages import ShardMessage

MAX_INTERVALS: Final = 240  # then two become one
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 100.0)
SHARES: Final = (50, 90, 95, 99, 100)
MICRO: Final = 1e-6


@dataclass(slots=True)
class Interval:
    """Exchanges that ended in it, those of them that failed, and fragments that came whole."""

    requests: int = 0
    fragments: int = 0
    bytes: int = 0
    errors: int = 0
    latency: HdrHistogram = field(default_factory=histogram)

    def add(self, other: Interval) -> None:
        """Take in what another interval counted."""
        self.requests += other.requests
        self.fragments += other.fragments
        self.bytes += other.bytes
        self.errors += other.errors
        self.latency.add(other.latency)


def interval_length_s(duration_s: float) -> float:
    """How long each interval of a run of that duration is: as short as `MAX_INTERVALS` allow, a power of two."""
    length_s = 1.0
    while max(duration_s - 0.5, 0) // length_s >= MAX_INTERVALS:
        length_s *= 2
    return length_s


class FleetTotals:
    """`agents` in all. Shards are known by any name; the last message of each counts.

    `latency`: by kind of request. `intervals`: by number, each of `interval_s` seconds. `interrupted`: the run, or a
    shard of it, was told to end before it was over.
    """

    def __init__(self, agents: int) -> None:
        self.agents = agents
        self.latency = {kind.value: histogram() for kind in KINDS}
        self.intervals: dict[int, Interval] = defaultdict(Interval)
        self.interval_s = 1.0
        self.contacts_s: list[float] = []
        self.finished_s: list[float] = []
        self.packages: dict[str, PackageCounters] = {}
        self.lost_agents = 0
        self.interrupted = False
        self.lost: list[str] = []
        self._last: dict[str, ShardMessage] = {}

    def add(self, shard: str, message: ShardMessage) -> None:
        """Take in a shard's message."""
        before = self._last.get(shard)
        interval = Interval(
            requests=_requests(message) - _requests(before),
            fragments=_fragments(message) - _fragments(before),
            bytes=message.received_bytes - (before.received_bytes if before else 0),
            errors=_errors(message) - _errors(before),
        )
        for kind, encoded in message.latencies.items():
            record(self.latency[kind], encoded)
            if kind == "fragment":
                record(interval.latency, encoded)
        self.interrupted |= message.stopped
        self._interval_at(message.at_s).add(interval)
        self.contacts_s += message.contacts_s
        self.finished_s += message.finished_s
        for name, package in message.packages.items():
            known = self.packages.setdefault(name, PackageCounters(package.priority, package.count))
            known.done_s += package.done_s
        self._last[shard] = message
        self._count_packages()

    def lose(self, shard: str, agents: int, why: str) -> None:
        """A shard will report no more; those of its agents that had not ended are lost."""
        last = self._last.get(shard)
        ended = [0] * len(State)
        if last is not None:
            for state in FINAL_STATES:
                ended[state] = last.states[state]
            last.states = ended
        self.lost_agents += agents - sum(ended)
        self.lost.append(f"{shard}: {why}")

    def _interval_at(self, at_s: float) -> Interval:
        # A message is about the time before it.
        while self.interval_s < interval_length_s(at_s):
            self.interval_s *= 2
            old, self.intervals = self.intervals, defaultdict(Interval)
            for number, interval in old.items():
                self.intervals[number // 2].add(interval)
        return self.intervals[int(max(at_s - 0.5, 0) // self.interval_s)]

    def _count_packages(self) -> None:
        for name, known in self.packages.items():
            counters = [last.packages[name] for last in self._last.values() if name in last.packages]
            known.listed = sum(package.listed for package in counters)
            known.good = sum(package.good for package in counters)
            known.fragments = sum(package.fragments for package in counters)
            known.bytes = sum(package.bytes for package in counters)

    # --- sums

    def total(self, count: Callable[[ShardMessage], int]) -> int:
        """Of a number in the last message of each shard."""
        return sum(map(count, self._last.values()))

    @property
    def requests(self) -> Counter[str]:
        """Exchanges that have ended, by kind."""
        return _sum(last.requests for last in self._last.values())

    @property
    def results(self) -> Counter[str]:
        """Results that were reported to the server, by code."""
        return _sum(last.results for last in self._last.values())

    @property
    def errors(self) -> Counter[str]:
        """By kind and reason."""
        return _sum({f"{kind}: {why}": count} for last in self._last.values() for kind, why, count in last.errors)

    @property
    def states(self) -> list[int]:
        """How many agents are in each, in the order of `State`; those not yet heard of are awaited."""
        states = [sum(column) for column in zip(*(last.states for last in self._last.values()), strict=True)]
        states = states or [0] * len(State)
        states[State.AWAITED] = max(self.agents - self.lost_agents - sum(states) + states[State.AWAITED], 0)
        return states

    @property
    def places(self) -> dict[str, Transfers]:
        """What came from each "host:port", sorted."""
        sums: dict[str, Transfers] = {}
        for last in self._last.values():
            for name, transfers in last.places.items():
                known = sums.setdefault(name, Transfers())
                known.fragments, known.bytes = known.fragments + transfers.fragments, known.bytes + transfers.bytes
        return dict(sorted(sums.items()))

    @property
    def priorities(self) -> dict[int, PackageCounters]:
        """Packages of the same priority together."""
        sums: dict[int, PackageCounters] = {}
        for package in self.packages.values():
            known = sums.setdefault(package.priority, PackageCounters(package.priority, 0))
            known.listed, known.good = known.listed + package.listed, known.good + package.good
            known.fragments, known.bytes = known.fragments + package.fragments, known.bytes + package.bytes
            known.done_s = known.done_s + package.done_s
        return dict(sorted(sums.items()))

    @property
    def at_s(self) -> float:
        """When the latest message was sent, in seconds from the beginning."""
        return max((last.at_s for last in self._last.values()), default=0.0)

    @property
    def expected_s(self) -> float:
        """When the last agent will be through, as far as it is known, in seconds from the beginning."""
        return max((last.expected_s for last in self._last.values()), default=0.0)

    @property
    def settings(self) -> dict[str, int]:
        """Latencies and times that agents were told."""
        return next((last.settings for last in self._last.values() if last.settings), {})

    # --- figures

    def figures(self) -> dict[str, float]:
        """Name → number: what thresholds are set on. Times in seconds, shares from 0 to 1."""
        at_s = max(self.at_s, MICRO)
        requests, errors = self.requests.total(), self.errors.total()
        fragments = sum(package.fragments for package in self.packages.values())
        size_bytes = sum(package.bytes for package in self.packages.values())
        return {
            **self._agent_figures(),
            "errors": errors / max(requests, 1),
            "requests": requests,
            "unanswered": self.total(lambda last: last.unanswered),
            "fragments": fragments,
            "bytes": size_bytes,
            "fragments_per_s": fragments / at_s,
            "requests_per_s": requests / at_s,
            "bytes_per_s": size_bytes / at_s,
            "duration": self.at_s,
            "verified": self.total(lambda last: last.verified),
            "verified_bytes": self.total(lambda last: last.verified_bytes),
            "bad": self.total(lambda last: last.bad),
            "redirects": self.total(lambda last: last.redirects),
            "memory": self.total(lambda last: last.memory_bytes),
            **self._latency_figures(),
            **self._finish_figures(),
        }

    def _agent_figures(self) -> dict[str, float]:
        states = self.states
        stayed = self.agents - states[State.VANISHED]
        return {
            "agents": self.agents,
            "done": states[State.DONE],
            "failed": states[State.FAILED],
            "vanished": states[State.VANISHED],
            "lost": self.lost_agents,
            "success": states[State.DONE] / stayed if stayed else 0.0,
        }

    def _latency_figures(self) -> dict[str, float]:
        return {
            f"{kind}_p{percentile:g}": latency.get_value_at_percentile(percentile) * MICRO
            for kind, latency in self.latency.items()
            if latency.get_total_count()
            for percentile in PERCENTILES
        }

    def _finish_figures(self) -> dict[str, float]:
        """When so many percent of the agents that have not vanished had the last of their packages."""
        stayed = self.agents - self.states[State.VANISHED]
        finished_s = sorted(self.finished_s)
        ranks = {share: -(-stayed * share // 100) for share in SHARES}
        return {
            f"finish_p{share}": finished_s[rank - 1] if 0 < rank <= len(finished_s) else float("inf")
            for share, rank in ranks.items()
        }


def _errors(message: ShardMessage | None) -> int:
    return sum(count for _, _, count in message.errors) if message else 0


def _requests(message: ShardMessage | None) -> int:
    return sum(message.requests.values()) if message else 0


def _fragments(message: ShardMessage | None) -> int:
    return sum(package.fragments for package in message.packages.values()) if message else 0


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for count in counts:
        sums.update(count)
    return sums
