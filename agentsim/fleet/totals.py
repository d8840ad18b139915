"""What all shards of a fleet have told, as one picture, and the figures that are read off it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agentsim.fleet.counters import ENDS, KINDS, Deployment, Flow, State, histogram, record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hdrh.histogram import HdrHistogram

MOST_ROWS: Final = 240  # of the course over time; then two become one
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 100.0)
SHARES: Final = (50, 90, 95, 99, 100)
MICRO: Final = 1e-6


@dataclass(slots=True)
class Row:
    """A stretch of the course: exchanges that ended in it, those of them that failed, fragments that came whole."""

    requests: int = 0
    fragments: int = 0
    bytes: int = 0
    errors: int = 0
    late: HdrHistogram = field(default_factory=histogram)

    def add(self, other: Row) -> None:
        self.requests += other.requests
        self.fragments += other.fragments
        self.bytes += other.bytes
        self.errors += other.errors
        self.late.add(other.late)


class Picture:
    """`agents` in all. Shards are told apart by any name; the last word of each counts. `interrupted`: the run, or a
    shard of it, was told to end before it was over."""

    def __init__(self, agents: int) -> None:
        self.agents = agents
        self.late = {kind.value: histogram() for kind in KINDS}
        self.rows: dict[int, Row] = defaultdict(Row)
        self.row_s = 1.0
        self.contacts_s: list[float] = []
        self.finished_s: list[float] = []
        self.packages: dict[str, Deployment] = {}
        self.lost_agents = 0
        self.interrupted = False
        self.lost: list[str] = []
        self._last: dict[str, dict[str, Any]] = {}

    def hear(self, shard: str, message: dict[str, Any]) -> None:
        """What `Tally.message` made."""
        before = self._last.get(shard, _NOTHING)
        row = Row(
            requests=_requests(message) - _requests(before),
            fragments=_fragments(message) - _fragments(before),
            bytes=message["bytes_in"] - before["bytes_in"],
            errors=_errors(message) - _errors(before),
        )
        for kind, encoded in message["late"].items():
            record(self.late[kind], encoded)
            if kind == "fragment":
                record(row.late, encoded)
        self.interrupted |= message["stopped"]
        self._row(message["at_s"]).add(row)
        self.contacts_s += message["contacts_s"]
        self.finished_s += message["finished_s"]
        for name, (priority, count, *_, done_s) in message["packages"].items():
            self.packages.setdefault(name, Deployment(priority, count)).done_s += done_s
        self._last[shard] = message
        self._count_packages()

    def lose(self, shard: str, agents: int, why: str) -> None:
        """A shard will say no more; what its agents had not ended is lost."""
        states = self._last[shard]["states"] if shard in self._last else [0] * len(State)
        ended = [states[state] if state in ENDS else 0 for state in State]
        self.lost_agents += agents - sum(ended)
        if shard in self._last:
            self._last[shard] = self._last[shard] | {"states": ended}
        self.lost.append(f"{shard}: {why}")

    def _row(self, at_s: float) -> Row:
        # A message tells of the time before it.
        while max(at_s - 0.5, 0) // self.row_s >= MOST_ROWS:
            self.row_s *= 2
            old, self.rows = self.rows, defaultdict(Row)
            for number, row in old.items():
                self.rows[number // 2].add(row)
        return self.rows[int(max(at_s - 0.5, 0) // self.row_s)]

    def _count_packages(self) -> None:
        for name, known in self.packages.items():
            told = [last["packages"][name] for last in self._last.values() if name in last["packages"]]
            known.listed, known.good, known.fragments, known.bytes = (
                sum(one[at] for one in told) for at in range(2, 6)
            )

    # --- sums

    def total(self, name: str) -> int:
        """Of a number that each shard counts."""
        return sum(last[name] for last in self._last.values())

    def totals(self, name: str) -> list[int]:
        """Of several numbers in a row."""
        return [sum(column) for column in zip(*(last[name] for last in self._last.values()), strict=True)]

    def counts(self, name: str) -> Counter[str]:
        """Of a mapping to numbers."""
        sums: Counter[str] = Counter()
        for last in self._last.values():
            sums.update(last[name])
        return sums

    @property
    def states(self) -> list[int]:
        states = self.totals("states") or [0] * len(State)
        states[State.AWAITED] = max(self.agents - self.lost_agents - sum(states) + states[State.AWAITED], 0)
        return states

    @property
    def errors(self) -> Counter[str]:
        """By kind and reason."""
        sums: Counter[str] = Counter()
        for last in self._last.values():
            for kind, why, count in last["errors"]:
                sums[f"{kind}: {why}"] += count
        return sums

    @property
    def places(self) -> dict[str, Flow]:
        return self._flows((name, flow) for last in self._last.values() for name, flow in last["places"].items())

    @property
    def priorities(self) -> dict[int, Deployment]:
        """Packages of the same priority together."""
        sums: dict[int, Deployment] = {}
        for one in self.packages.values():
            known = sums.setdefault(one.priority, Deployment(one.priority, 0))
            known.listed, known.good = known.listed + one.listed, known.good + one.good
            known.fragments, known.bytes = known.fragments + one.fragments, known.bytes + one.bytes
            known.done_s = known.done_s + one.done_s
        return dict(sorted(sums.items()))

    def _flows(self, told: Iterable[tuple[str, list[int]]]) -> dict[str, Flow]:
        flows: dict[str, Flow] = {}
        for name, (fragments, size) in told:
            flow = flows.setdefault(name, Flow())
            flow.fragments, flow.bytes = flow.fragments + fragments, flow.bytes + size
        return dict(sorted(flows.items()))

    @property
    def at_s(self) -> float:
        return max((last["at_s"] for last in self._last.values()), default=0.0)

    @property
    def expected_s(self) -> float:
        return max((last["expected_s"] for last in self._last.values()), default=0.0)

    @property
    def told(self) -> dict[str, int]:
        return next((last["told"] for last in self._last.values() if last["told"]), {})

    # --- figures

    def figures(self) -> dict[str, float]:
        """Name → number: what thresholds are set on. Times in seconds, shares from 0 to 1."""
        states = self.states
        stayed = self.agents - states[State.VANISHED]
        requests, errors = sum(self.counts("requests").values()), sum(self.errors.values())
        fragments = sum(one.fragments for one in self.packages.values())
        verified, verified_bytes, bad = self.totals("verified") or (0, 0, 0)
        at_s = max(self.at_s, MICRO)
        figures: dict[str, float] = {
            "agents": self.agents,
            "done": states[State.DONE],
            "failed": states[State.FAILED],
            "vanished": states[State.VANISHED],
            "lost": self.lost_agents,
            "success": states[State.DONE] / stayed if stayed else 0.0,
            "errors": errors / max(requests, 1),
            "requests": requests,
            "unanswered": self.total("unanswered"),
            "fragments": fragments,
            "bytes": sum(one.bytes for one in self.packages.values()),
            "fragments_per_s": fragments / at_s,
            "requests_per_s": requests / at_s,
            "bytes_per_s": sum(one.bytes for one in self.packages.values()) / at_s,
            "duration": self.at_s,
            "verified": verified,
            "verified_bytes": verified_bytes,
            "bad": bad,
            "redirects": self.total("redirects"),
            "memory": self.total("memory_bytes"),
        }
        for kind, late in self.late.items():
            if late.get_total_count():
                for percentile in PERCENTILES:
                    figures[f"{kind}_p{percentile:g}"] = late.get_value_at_percentile(percentile) * MICRO
        finished = sorted(self.finished_s)
        for share in SHARES:
            rank = -(-stayed * share // 100)
            figures[f"finish_p{share}"] = finished[rank - 1] if 0 < rank <= len(finished) else float("inf")
        return figures


_NOTHING: Final[Mapping[str, Any]] = {"bytes_in": 0, "errors": [], "requests": {}, "packages": {}}


def _errors(message: Mapping[str, Any]) -> int:
    return sum(count for _, _, count in message["errors"])


def _requests(message: Mapping[str, Any]) -> int:
    return sum(message["requests"].values())


def _fragments(message: Mapping[str, Any]) -> int:
    return sum(fragments for _, _, _, _, fragments, *_ in message["packages"].values())
