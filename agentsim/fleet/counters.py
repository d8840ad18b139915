"""What a shard of a fleet counts and measures, and the messages in which it tells of it.

Latency counts from when a request was due, not from when it was sent: a pause that ended late counts too. It is that
of every exchange, well or not: one that failed counts until then, and one that the run's end cut off until the end, so
a server that stalls is charged for all whom it kept waiting. A request and where its redirects lead is one exchange.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from hdrh.histogram import HdrHistogram

if TYPE_CHECKING:
    from collections.abc import Sequence

LOWEST_US, HIGHEST_US, DIGITS = 1, 3_600_000_000, 2


class Kind(StrEnum):
    """What an agent asks for."""

    PROLOG = "prolog"
    INFO = "info"
    INVENTORY = "inventory"
    FRAGMENT = "fragment"
    RESULT = "result"


KINDS: Final = tuple(Kind)


class State(IntEnum):
    """Where an agent is."""

    AWAITED = 0  # has made no contact yet
    CONTACT = 1
    DOWNLOADING = 2
    ASLEEP = 3
    IDLE = 4  # waits for its next contact
    DONE = 5  # all that it was given is deployed
    FAILED = 6
    VANISHED = 7


ENDS: Final = (State.DONE, State.FAILED, State.VANISHED)


def histogram() -> HdrHistogram:
    """Of microseconds up to an hour, two digits that count."""
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


@dataclass(slots=True)
class Flow:
    """Fragments that came from a place, or of a priority."""

    fragments: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Deployment:
    """A package, as the agents were told of it. `done_s`: when agents had it assembled; not yet told of."""

    priority: int
    count: int
    listed: int = 0
    good: int = 0
    fragments: int = 0
    bytes: int = 0
    done_s: list[float] = field(default_factory=list)


class Tally:
    """Counts since the beginning, and what came since the last message.

    `requests`: exchanges that came to an end, by kind. `errors`: those of them that failed, by kind and reason.
    `unanswered`: exchanges that the run's end cut off, which are in none of these. `contacts_s`: when first contacts
    were due. That is what the forecast needs: how late they were made is in the latency of PROLOG, which it adds.
    `finished_s`: of agents that ended well, when each had the last of its packages. It is told at the agent's end, when
    nothing can change it any more: with a duration that is the end of the run.
    """

    def __init__(self, agents: int) -> None:
        self.states = [0] * len(State)
        self.states[State.AWAITED] = agents
        self.late_s: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
        self.requests: Counter[str] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        self.results: Counter[str] = Counter()
        self.places: dict[str, Flow] = {}
        self.packages: dict[str, Deployment] = {}
        self.contacts_s: list[float] = []
        self.finished_s: list[float] = []
        self.verified = self.verified_bytes = self.bad = self.unanswered = 0
        self.retries = self.redirects = 0
        self.expected_s = 0.0  # when the last agent will be through, by arrivals and latencies
        self.told: dict[str, Any] = {}

    def move(self, old: State, new: State) -> None:
        self.states[old] -= 1
        self.states[new] += 1

    def cut_off(self, kind: Kind, age_s: float) -> None:
        """An exchange that has no end yet, at the run's."""
        self.late_s[kind].append(age_s)
        self.requests[kind.value] -= 1  # as `message` will count it among those that have
        self.unanswered += 1

    def message(self, at_s: float, bytes_in: int, connections: tuple[int, int, int], busy: int) -> dict[str, Any]:
        """All counts as they are, and what is new since the last one. Values that msgpack carries.

        `connections`: open, made, and shaken hands with.
        """
        late = {kind.value: _encode(values) for kind, values in self.late_s.items() if values}
        for kind, values in self.late_s.items():
            self.requests[kind.value] += len(values)
            values.clear()
        contacts, self.contacts_s = self.contacts_s, []
        finished, self.finished_s = self.finished_s, []
        packages = {}
        for name, one in self.packages.items():
            packages[name] = [one.priority, one.count, one.listed, one.good, one.fragments, one.bytes, one.done_s]
            one.done_s = []
        return {
            "at_s": at_s,
            "states": list(self.states),
            "late": late,
            "requests": dict(self.requests),
            "errors": [[kind, why, count] for (kind, why), count in self.errors.items()],
            "results": dict(self.results),
            "places": {name: [one.fragments, one.bytes] for name, one in self.places.items()},
            "packages": packages,
            "contacts_s": contacts,
            "finished_s": finished,
            "verified": [self.verified, self.verified_bytes, self.bad],
            "unanswered": self.unanswered,
            "retries": self.retries,
            "redirects": self.redirects,
            "bytes_in": bytes_in,
            "connections": list(connections),
            "busy": busy,
            "expected_s": self.expected_s,
            "told": self.told,
        }


def _encode(values_s: Sequence[float]) -> list[list[int]]:
    """Microseconds, to three digits that count, and how often each came: what a histogram is made of."""
    micros = np.clip(np.array(values_s) * 1e6, LOWEST_US, HIGHEST_US)
    digits = np.power(10.0, np.maximum(np.floor(np.log10(micros)) - 2, 0))
    rounded, counts = np.unique((np.round(micros / digits) * digits).astype(np.int64), return_counts=True)
    return [rounded.tolist(), counts.tolist()]


def record(into: HdrHistogram, encoded: Sequence[Sequence[int]]) -> None:
    """Add what `Tally.message` told of one kind."""
    values, counts = encoded
    for value, count in zip(values, counts, strict=True):
        into.record_value(min(value, HIGHEST_US), count)
