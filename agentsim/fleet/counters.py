"""What a shard of a fleet counts and measures.

Latency counts from when a request was due, not from when it was sent: a pause that ended late counts too. Every
exchange has one, successful or not: one that failed counts until then, and one that the run's end cut off until the
end, so a server that stalls is charged for every agent that it kept waiting. A request and where its redirects lead is
one exchange.
"""

from __future__ import annotations

from collections import Counter
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram

from agentsim.fleet.messages import ShardMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsim.fleet.messages import PackageCounters, Transfers

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


FINAL_STATES: Final = (State.DONE, State.FAILED, State.VANISHED)


def histogram() -> HdrHistogram:
    """Of microseconds up to an hour, to two significant digits."""
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


class ShardCounters:
    """Counts since the beginning, and what came since the last message.

    `requests`: exchanges that have ended, by kind. `errors`: those of them that failed, by kind and reason.
    `unanswered`: exchanges that the run's end cut off, which are in none of these. `contacts_s`: when first contacts
    were due. That is what the forecast needs: how late they were made is in the latency of PROLOG, which it adds.
    `finished_s`: of agents that ended well, when each had the last of its packages. It is reported at the agent's end,
    when nothing can change it any more: with a duration that is the end of the run.
    """

    def __init__(self, agents: int) -> None:
        self.states = [0] * len(State)
        self.states[State.AWAITED] = agents
        self.latencies_s: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
        self.requests: Counter[str] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        self.results: Counter[str] = Counter()
        self.places: dict[str, Transfers] = {}
        self.packages: dict[str, PackageCounters] = {}
        self.contacts_s: list[float] = []
        self.finished_s: list[float] = []
        self.verified = self.verified_bytes = self.bad = self.unanswered = 0
        self.retries = self.redirects = 0
        self.expected_s = 0.0  # when the last agent will be through, by arrivals and latencies
        self.settings: dict[str, int] = {}

    def move(self, old: State, new: State) -> None:
        """An agent has left a state for another one."""
        self.states[old] -= 1
        self.states[new] += 1

    def cut_off(self, kind: Kind, age_s: float) -> None:
        """An exchange that has no end yet, at the run's."""
        self.latencies_s[kind].append(age_s)
        self.requests[kind.value] -= 1  # as `message` will count it among those that have
        self.unanswered += 1

    def message(
        self, at_s: float, *, received_bytes: int = 0, connections: tuple[int, int, int] = (0, 0, 0), busy: int = 0
    ) -> ShardMessage:
        """All counts as they are, and what is new since the last message.

        `connections`: open now, made in all, TLS handshakes made. `busy`: exchanges that are under way.
        """
        latencies = {kind.value: _encode(values) for kind, values in self.latencies_s.items() if values}
        for kind, values in self.latencies_s.items():
            self.requests[kind.value] += len(values)
            values.clear()
        contacts_s, self.contacts_s = self.contacts_s, []
        finished_s, self.finished_s = self.finished_s, []
        packages = {}
        for name, package in self.packages.items():
            packages[name] = msgspec.structs.replace(package)
            package.done_s = []
        open_connections, made, handshakes = connections
        return ShardMessage(
            at_s=at_s,
            states=list(self.states),
            latencies=latencies,
            requests=dict(self.requests),
            errors=[(kind, why, count) for (kind, why), count in self.errors.items()],
            results=dict(self.results),
            places={name: msgspec.structs.replace(transfers) for name, transfers in self.places.items()},
            packages=packages,
            contacts_s=contacts_s,
            finished_s=finished_s,
            verified=self.verified,
            verified_bytes=self.verified_bytes,
            bad=self.bad,
            unanswered=self.unanswered,
            retries=self.retries,
            redirects=self.redirects,
            received_bytes=received_bytes,
            open_connections=open_connections,
            connections=made,
            handshakes=handshakes,
            busy=busy,
            expected_s=self.expected_s,
            settings=self.settings,
        )


def _encode(values_s: Sequence[float]) -> tuple[list[int], list[int]]:
    """Microseconds, to three significant digits, and how often each came: what a histogram is made of."""
    micros = np.clip(np.array(values_s) * 1e6, LOWEST_US, HIGHEST_US)
    digits = np.power(10.0, np.maximum(np.floor(np.log10(micros)) - 2, 0))
    rounded, counts = np.unique((np.round(micros / digits) * digits).astype(np.int64), return_counts=True)
    return rounded.tolist(), counts.tolist()


def record(into: HdrHistogram, encoded: tuple[Sequence[int], Sequence[int]]) -> None:
    """Add the latencies of one kind, as a message has them."""
    values, counts = encoded
    for value, count in zip(values, counts, strict=True):
        into.record_value(min(value, HIGHEST_US), count)
