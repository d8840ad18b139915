"""What a fleet is told: plain values, which go to other processes and machines as they are."""

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
    POISSON = "poisson"  # so many a second, one independent of the other
    OFFICE = "office"  # in the morning of its site: 0 is the first site's opening
    CLOSED = "closed"  # so many at a time; when one is through, the next one comes


@dataclass(frozen=True, slots=True)
class Arrival:
    """`value`: seconds of the window, agents a second, or agents at a time."""

    kind: Arrivals = Arrivals.AT_ONCE
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Shares:
    """What befalls agents, as shares of them, 0 to 1."""

    vanish: float = 0.0  # goes away for good, at any moment
    sleep: float = 0.0  # sleeps once, at any moment, for about `sleep_s`
    slow: float = 0.0  # takes no more than `slow_bytes_per_s`
    corrupt: float = 0.0  # its disk spoils what it stores
    stale: float = 0.0  # has in its history what the server thinks it needs
    sleep_s: float = HOUR_S
    slow_bytes_per_s: float = 64_000.0


@dataclass(frozen=True, slots=True)
class Order:
    """`agents` are numbered from `first`; this shard emulates every `shards`th, from the `shard`th on.

    What is planned runs `time_scale` times as fast: latencies, the time between contacts, windows, mornings, sleep.
    The network runs as it does. Without `duration_s` each agent ends when nothing is left for it to do; with it all go
    on until then. `verify`: share of the agents that check digests. `keep_alive_s`: a connection is kept over a pause
    shorter than that (before it is scaled). `replayed`: inventories in XML, one after the other for the agents.
    """

    server: str
    ca_pem: str
    agents: int
    dialects: Mapping[Dialect, float] = field(default_factory=lambda: {Dialect.UNIX: 1.0})
    arrival: Arrival = field(default_factory=Arrival)
    shares: Shares = field(default_factory=Shares)
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
        """Of this shard's agents."""
        return range(self.first + self.shard, self.first + self.agents, self.shards)

    @property
    def at_a_time(self) -> int:
        """How many of this shard's agents may be there at once: with `CLOSED` its share of them."""
        if self.arrival.kind is not Arrivals.CLOSED:
            return len(self.numbers)
        each, more = divmod(int(self.arrival.value), self.shards)
        return each + (self.shard < more)

    def shared_out(self, shards: int) -> list[Order]:
        """Over so many shards; over fewer where not even one agent at a time would be left for each."""
        if self.arrival.kind is Arrivals.CLOSED:
            shards = min(shards, int(self.arrival.value))
        return [replace(self, shard=number, shards=shards) for number in range(shards)]

    def check(self) -> None:
        """Raises `BadInput` for times that are none, and for what cannot go together."""
        if not 0 < self.time_scale < float("inf"):
            raise BadInput("--time-scale", "a number above 0", f"{self.time_scale:g}")
        if self.duration_s is None:
            return
        if not 0 < self.duration_s < float("inf"):
            raise BadInput("--duration", "a time above 0", f"{self.duration_s:g}")
        if self.arrival.kind is Arrivals.CLOSED:
            # Then agents come again until the end, and are through never: nobody would make room. To count those that
            # wait for their next contact as through would not do: they come back, and then more are there than that.
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


def read_shares(texts: Sequence[str]) -> Shares:
    """ "vanish=1%", "sleep=5%:2h", "slow=10%:64kB/s", "corrupt=0.1%", "stale=2%". Raises `BadInput`."""
    values: dict[str, float] = {}
    for text in texts:
        name, _, rest = text.partition("=")
        share, colon, more = rest.partition(":")
        values[name] = parse_share(share, "--behaviour") if name in _KNOWN else -1.0
        if values[name] < 0 or (colon and name not in _MORE):
            raise BadInput("--behaviour", f"{', '.join(_KNOWN)}, such as vanish=1%, sleep=5%:2h, slow=10%:64kB/s", text)
        if colon and name == "sleep":
            values["sleep_s"] = parse_duration(more, "--behaviour")
        elif colon:
            values["slow_bytes_per_s"] = parse_rate(more, "--behaviour")
    return Shares(**values)


_KNOWN: Final = ("vanish", "sleep", "slow", "corrupt", "stale")
_MORE: Final = ("sleep", "slow")
