"""The figures of `make attack`: what was seen of each attack, and how that is judged. Pure: no clock, no processes."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from distd.report.page import Table
from loadtests.results import goal_row, goal_table, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ATTACKS_GOAL: Final = 20
RATIO_GOAL: Final = 2.0
LOG_IN_GOAL_S: Final = 1.0
MEMORY_GOAL_MB: Final = 100.0
# "Later", and what no HTTP/1.1 server does: 501 to an unknown coding, 505 to who speaks HTTP/2. All others are faults.
REFUSALS: Final = frozenset({"503", "501", "505"})

COLUMNS: Final = (
    "attack",
    "p99 quiet, ms",
    "p99, ms",
    "ratio",
    "log-in, s",
    "memory, MB",
    "… kept",
    "disk, MB",
    "log, kB",
    "tracebacks",
    "5xx",
    "failed",
    "lost",
    "connections",
    "sent, MB",
    "",
)
NOTE: Final = (
    "p99: of the honest client's requests, without and with the attack; medians of the rounds, as the ratio is of the "
    "pairs; a request that fails counts as 10 s. log-in: the slowest one whose password had to be checked. memory: the "
    "most that server and mirror took, beyond the most that they took without the attack; kept: what was left of it. "
    "disk: the catalogue. 5xx: without 503, 501, 505. failed: honest requests. lost: honest packages, computers, "
    "results."
)


@dataclass(frozen=True, slots=True)
class AttackRound:
    """An attack, and the quiet slice before it. Latencies in seconds, in any order.

    `statuses`: all that attacker and honest client saw during the attack. `failures`: the honest client's;
    `quiet_failures`: before it. `memory_bytes`: the most that was taken, beyond the most that was before it.
    `connections`, `sent_bytes`: the attacker's.
    """

    quiet_s: Sequence[float]
    attacked_s: Sequence[float]
    log_ins_s: Sequence[float]
    memory_bytes: int
    kept_bytes: int
    disk_bytes: int
    log_bytes: int
    tracebacks: int
    statuses: Mapping[str, int]
    failures: Mapping[str, int]
    quiet_failures: Mapping[str, int]
    lost: Sequence[str]
    connections: int = 0
    sent_bytes: int = 0

    @property
    def ratio(self) -> float:
        """Of the 99th percentiles."""
        return p99_s(self.attacked_s) / p99_s(self.quiet_s)

    @property
    def faults(self) -> int:
        """Answers of 500 and more that are no refusals."""
        return sum(count for status, count in self.statuses.items() if status[0] == "5" and status not in REFUSALS)


@dataclass(frozen=True, slots=True)
class AttackResult:
    """All rounds of an attack."""

    name: str
    rounds: list[AttackRound] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(each.ratio for each in self.rounds)

    @property
    def log_in_s(self) -> float:
        """The slowest."""
        return max(seconds for each in self.rounds for seconds in each.log_ins_s)

    @property
    def memory_mb(self) -> float:
        """The most of any round."""
        return max(each.memory_bytes for each in self.rounds) / 1e6

    @property
    def faults(self) -> int:
        """Answers of 500 and more that are no refusals."""
        return sum(each.faults for each in self.rounds)

    @property
    def tracebacks(self) -> int:
        """Errors of the server's own that it logged."""
        return sum(each.tracebacks for each in self.rounds)

    @property
    def lost(self) -> list[str]:
        """What was not there any more after the attack."""
        return sorted({what for each in self.rounds for what in each.lost})

    @property
    def failures(self) -> Counter[str]:
        """What the honest client was not served."""
        found: Counter[str] = Counter()
        for each in self.rounds:
            found.update(each.failures)
            found.update({f"before: {what}": count for what, count in each.quiet_failures.items()})
        return found

    @property
    def quiet_failures(self) -> int:
        """What it was not served without an attack: nothing can be compared with that."""
        return sum(sum(each.quiet_failures.values()) for each in self.rounds)

    @property
    def attacked(self) -> bool:
        """Whether the attacker came through to the server in each round."""
        return all(each.connections for each in self.rounds)

    @property
    def met(self) -> bool:
        """Whether each goal of an attack is."""
        return (
            self.ratio <= RATIO_GOAL
            and self.log_in_s <= LOG_IN_GOAL_S
            and self.memory_mb <= MEMORY_GOAL_MB
            and self.attacked
            and not (self.faults or self.tracebacks or self.lost or self.quiet_failures)
        )

    def row(self) -> list[str]:
        """A row of the table."""
        rounds = self.rounds
        return [
            self.name,
            f"{1e3 * statistics.median(p99_s(each.quiet_s) for each in rounds):,.1f}",
            f"{1e3 * statistics.median(p99_s(each.attacked_s) for each in rounds):,.1f}",
            f"{self.ratio:.2f}",
            f"{self.log_in_s:.2f}",
            f"{self.memory_mb:+,.0f}",
            f"{max(each.kept_bytes for each in rounds) / 1e6:+,.0f}",
            f"{sum(each.disk_bytes for each in rounds) / 1e6:+,.1f}",
            f"{sum(each.log_bytes for each in rounds) / 1e3:,.0f}",
            str(self.tracebacks),
            str(self.faults),
            f"{self.failures.total():,}",
            str(len(self.lost)),
            f"{sum(each.connections for each in rounds):,}",
            f"{sum(each.sent_bytes for each in rounds) / 1e6:,.1f}",
            verdict(self.met),
        ]


def p99_s(latencies_s: Sequence[float]) -> float:
    """The 99th percentile; there must be latencies."""
    return sorted(latencies_s)[int(len(latencies_s) * 0.99)]


def tables(results: Sequence[AttackResult], kept_bytes: int) -> list[Table]:
    """What was seen and what is to hold. `kept_bytes`: how much the servers grew from the first attack to the last."""
    return [
        Table("An honest client beside attacks", COLUMNS, [result.row() for result in results], NOTE),
        goal_table("Goals", goal_rows(results, kept_bytes)),
    ]


def goal_rows(results: Sequence[AttackResult], kept_bytes: int) -> list[list[str]]:
    """The goals over all attacks."""
    count = sum(each.attacked for each in results)
    within = {
        "p99 of the honest client at most twice the quiet one": [each.ratio <= RATIO_GOAL for each in results],
        "a log-in within a second": [each.log_in_s <= LOG_IN_GOAL_S for each in results],
        "memory at most 100 MB more": [each.memory_mb <= MEMORY_GOAL_MB for each in results],
        "no 5xx but 503": [not each.faults for each in results],
        "no traceback in the log": [not each.tracebacks for each in results],
        "nothing lost": [not each.lost for each in results],
        "the honest client is served before each attack": [not each.quiet_failures for each in results],
    }
    rows = [goal_row("attacks", str(count), f"≥ {ATTACKS_GOAL}", count >= ATTACKS_GOAL)]
    for what, met in within.items():
        rows.append(goal_row(what, f"{sum(met)} attacks of {len(met)}", "all", bool(met) and all(met)))
    kept_mb = kept_bytes / 1e6
    kept = f"{kept_mb:+,.0f} MB"
    return [*rows, goal_row("memory after all attacks, against before", kept, "≤ 100 MB", kept_mb <= MEMORY_GOAL_MB)]
