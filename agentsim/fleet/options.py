"""The options of a fleet: plain values, which go to other processes and machines as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.domain.records import Dialect
from distd.domain.units import parse_duration, parse_rate, parse_share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOUR_S: Final = 3600.0


class Arrivals(StrEnum):
    """When agents make their first contact."""

    AT_ONCE = "at-once"
    WINDOW = "window"  # evenly over so many seconds
    POISSON = "poisson"  # so many a second on average, independent of each other
    OFFICE = "office"  # in the morning of its site: 0 is when the first site opens
    CLOSED = "closed"  # so many at a time; when one ends, the next one begins


@dataclass(frozen=True, slots=True)
class Arrival:
    """`value`: seconds of the window, agents a second, or agents at a time."""

    kind: Arrivals = Arrivals.AT_ONCE
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultShares:
    """The share of agents, 0 to 1, that have each fault."""

    vanish: float = 0.0  # disappears for good, at any moment
    sleep: float = 0.0  # sleeps once, at any moment, for about `sleep_s`
    slow: float = 0.0  # receives no more than `slow_bytes_per_s`
    corrupt: float = 0.0  # its disk spoils what it stores
    stale: float = 0.0  # has in its history what the server gives it
    sleep_s: float = HOUR_S
    slow_bytes_per_s: float = 64_000.0


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """`agents` are numbered from `first`; this shard emulates each `shards`th of them, beginning with number `shard`.

    `time_scale`: latencies, the time between contacts, windows, mornings and sleep pass so many times as fast; the
    network does not. Without `duration_s` each agent ends when nothing is left for it to do; with it all go on until
    then. `verify`: share of the agents that check digests. `keep_alive_s`: a connection is kept over a pause shorter
    than that (before it is scaled). `replayed`: inventories in XML, which the agents send in turn.
    """

    server: str
    ca_pem: str
    agents: int
    dialects: Mapping[Dialect, float] = field(default_factory=lambda: {Dialect.UNIX: 1.0})
    arrival: Arrival = field(default_factory=Arrival)
    shares: FaultShares = field(default_factory=FaultShares)
    time_scale: float = 1.0
    duration_s: float | None = None
    verify: float = 0.01
    keep_alive_s: float = 75.0
    seed: int = 0
    first: int = 0
    shard: int = 0
    shards: int = 1
    replayed: tuple[str, ...] = ()

    @property
    def numbers(self) -> range:
        """Numbers of this shard's agents."""
        return range(self.first + self.shard, self.first + self.agents, self.shards)

    @property
    def max_active(self) -> int:
        """How many of this shard's agents may be active at once: with `CLOSED` its share of them."""
        if self.arrival.kind is not Arrivals.CLOSED:
            return len(self.numbers)
        each, more = divmod(int(self.arrival.value), self.shards)
        return each + (self.shard < more)

    def split(self, shards: int) -> list[FleetOptions]:
        """The options of so many shards; of fewer where not even one agent at a time would be left for each."""
        if self.arrival.kind is Arrivals.CLOSED:
            shards = min(shards, int(self.arrival.value))
        return [replace(self, shard=number, shards=shards) for number in range(shards)]

    def verifies(self, number: int) -> bool:
        """Whether that agent checks digests: each so-manyth does, and so the same share of any numbers in a row."""
        return int((number + 1) * self.verify) > int(number * self.verify)

    def check(self) -> None:
        """Raises `BadInput` for invalid times, and for options that exclude each other."""
        if not 0 < self.time_scale < float("inf"):
            raise BadInput("--time-scale", "a number above 0", f"{self.time_scale:g}")
        if self.duration_s is None:
            return
        if not 0 < self.duration_s < float("inf"):
            raise BadInput("--duration", "a time above 0", f"{self.duration_s:g}")
        if self.arrival.kind is Arrivals.CLOSED:
            # Then agents come again until the end and never end before it, so none would make room for the next one.
            # Those that wait for their next contact cannot count as ended: they come back, and there would be too many.
            raise BadInput("--arrival", "at-once, window, poisson or office beside --duration", "closed")


_ARRIVAL: Final = re.compile(r"([a-z-]+)(?:=(.+))?")
_PER_S: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)/s")


def read_arrival(text: str) -> Arrival:
    """ "at-once", "window=10min", "poisson=50/s", "office", "closed=100". Raises `BadInput`."""
    match = _ARRIVAL.fullmatch(text)
    name, value = (match[1], match[2]) if match else ("", None)
    if name in (Arrivals.AT_ONCE, Arrivals.OFFICE) and value is None:
        return Arrival(Arrivals(name))
    if name == Arrivals.WINDOW and value:
        return Arrival(Arrivals.WINDOW, parse_duration(value, "--arrival"))
    if name == Arrivals.POISSON and value and (rate := _PER_S.fullmatch(value)) and float(rate[1]) > 0:
        return Arrival(Arrivals.POISSON, float(rate[1]))
    if name == Arrivals.CLOSED and value and value.isdecimal() and 0 < len(value) < 9 and int(value):
        return Arrival(Arrivals.CLOSED, float(value))
    raise BadInput("--arrival", "at-once, window=10min, poisson=50/s, office or closed=100", text)


def read_shares(texts: Sequence[str]) -> FaultShares:
    """ "vanish=1%", "sleep=5%:2h", "slow=10%:64kB/s", "corrupt=0.1%", "stale=2%". Raises `BadInput`."""
    values: dict[str, float] = {}
    for text in texts:
        name, _, rest = text.partition("=")
        share, colon, more = rest.partition(":")
        values[name] = parse_share(share, "--behaviour") if name in _FAULTS else -1.0
        if values[name] < 0 or (colon and name not in _WITH_VALUE):
            raise BadInput(
                "--behaviour", f"{', '.join(_FAULTS)}, such as vanish=1%, sleep=5%:2h, slow=10%:64kB/s", text
            )
        if colon and name == "sleep":
            values["sleep_s"] = parse_duration(more, "--behaviour")
        elif colon:
            values["slow_bytes_per_s"] = parse_rate(more, "--behaviour")
    return FaultShares(**values)


_FAULTS: Final = ("vanish", "sleep", "slow", "corrupt", "stale")
_WITH_VALUE: Final = ("sleep", "slow")
