"""What is simulated: agents at sites, the lines and mirrors between them and the packages, and what they are told.

Times are whole microseconds inside, seconds and hours where people say them. Sizes are bytes, rates bytes a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from distd.domain.bandwidth import Rule, parse
from distd.domain.errors import BadInput
from distd.domain.records import Dialect, DownloadConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND_US: Final = 1_000_000
NEVER: Final = -1  # a time that does not come
MINUTE_US: Final = 60 * SECOND_US
WEEK_MIN: Final = 7 * 1440
# Rates are kept in kB/s: finer ones are rounded down, to no less than one. With `LAST_DAY`, what a line can do in all
# that time still fits into 64 bits.
MOST_KB_PER_S: Final = 1_250_000
MOST_PER_S: Final = 1_000_000
MOST_AGENTS: Final = 50_000_000
MOST_SITES: Final = 10_000
MOST_PACKAGES: Final = 100
LAST_DAY: Final = 35  # whatever is not through by then never will be
# What a line has to carry in all, in thousandths of a byte, so that sums of it stay within 64 bits.
MOST_WORK: Final = 4 * 10**18
HORIZON_US: Final = LAST_DAY * 1440 * MINUTE_US
LONGEST_ROUND_TRIP_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Package:
    """`lengths`: bytes of each fragment."""

    id: str
    priority: int
    lengths: tuple[int, ...]

    @classmethod
    def cut(cls, name: str, priority: int, size_bytes: int, fragment_bytes: int) -> Package:
        whole, rest = divmod(size_bytes, fragment_bytes)
        return cls(name, priority, (fragment_bytes,) * whole + ((rest,) if rest else ()))


@dataclass(frozen=True, slots=True)
class Line:
    """Its rate is the lowest of the `rules` that hold at the time (see `domain.bandwidth`; their networks do not
    count); none: no limit. Those for `each` connection are its `own`, the others are `shared`."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def read(cls, text: str, where: str = "line") -> Line:
        """From text such as `5MB/s; 500kB/s mon-fri 8-18; 64kB/s each`. Raises `BadInput`, also for a network: whose
        line it is says where it stands."""
        rules = parse(text, where)
        for rule in rules:
            if rule.network is not None:
                raise BadInput(where, "rules without a network", rule.text)
            if rule.bytes_per_s < 1000:
                raise BadInput(where, "at least 1 kB/s; rates are whole kB/s, rounded down", rule.text)
            if rule.bytes_per_s > MOST_KB_PER_S * 1000:
                raise BadInput(where, "at most 10 Gbit/s; no rule is no limit", rule.text)
        return cls(rules)

    @classmethod
    def of(cls, bytes_per_s: float) -> Line:
        return cls((Rule(f"{bytes_per_s:g} B/s", bytes_per_s),))

    @property
    def shared(self) -> Line:
        return Line(tuple(rule for rule in self.rules if not rule.each))

    @property
    def own(self) -> Line:
        return Line(tuple(rule for rule in self.rules if rule.each))

    def kilobytes_per_s(self, minute: int) -> int:
        """Its rate at a minute of the week."""
        day, of_day = divmod(minute % WEEK_MIN, 1440)
        rates = [rule.bytes_per_s for rule in self.rules if rule.applies(day, of_day)]
        return min(max(int(min(rates)) // 1000, 1), MOST_KB_PER_S) if rates else MOST_KB_PER_S


@dataclass(frozen=True, slots=True)
class Mirror:
    """Of a site, or of all sites whose mirrors have its name. `down`: from when to when, in seconds from the
    beginning, it is dead: its agents go to the origin, and what they were fetching from it they fetch again there."""

    line: Line = Line()
    down: tuple[tuple[float, float], ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """`line`: what its agents share towards the origin."""

    name: str
    agents: int
    line: Line = Line()
    mirror: Mirror | None = None


@dataclass(frozen=True, slots=True)
class World:
    """`dialects`: shares of the agents. `contact_s`: the first contacts are spread evenly over so many seconds; None:
    over PROLOG_FREQ, as those of computers that are always on. `contacts_per_s`: so many of them can the origin answer,
    one after the other; `requests_per_s`: for so many fragments can it, and each mirror; 0: any number.
    `round_trip_s`: from an agent to its server and back.
    `greeting_s`: from its first contact to its first turn; None: a round trip for PROLOG and for each `info`.
    `shared`: sites' lines serve all transfers at once, in equal parts; else one after the other.
    `begins_min`: minutes after Monday 0:00 of the beginning, for rules with days and hours.
    """

    packages: tuple[Package, ...]
    sites: tuple[Site, ...]
    config: DownloadConfig = field(default_factory=DownloadConfig)
    prolog_freq_h: int = 24
    dialects: Mapping[Dialect, float] = field(default_factory=lambda: {Dialect.UNIX: 1.0})
    contact_s: float | None = None
    origin: Line = Line()
    contacts_per_s: int = 0
    requests_per_s: int = 0
    round_trip_s: float = 0.005
    greeting_s: float | None = None
    shared: bool = False
    begins_min: int = 0

    @property
    def agents(self) -> int:
        return sum(site.agents for site in self.sites)

    @property
    def mirrors(self) -> dict[str, Mirror]:
        """By name; one without has its site's."""
        return {site.mirror.name or site.name: site.mirror for site in self.sites if site.mirror}

    @property
    def contact_us(self) -> int:
        spread_s = self.prolog_freq_h * 3600 if self.contact_s is None else self.contact_s
        return max(round(spread_s * SECOND_US), 1)

    @property
    def round_trip_us(self) -> int:
        return max(round(self.round_trip_s * SECOND_US), 1)

    @property
    def greeting_us(self) -> int:
        if self.greeting_s is None:
            return self.round_trip_us * (1 + len(self.packages))
        return round(self.greeting_s * SECOND_US)


def check(world: World) -> None:
    """Raises `BadInput` for what cannot be simulated."""
    if not 1 <= world.agents <= MOST_AGENTS:
        raise BadInput("agents", f"1 to {MOST_AGENTS}", world.agents)
    if len(world.sites) > MOST_SITES:
        raise BadInput("sites", f"at most {MOST_SITES}", len(world.sites))
    if not 1 <= len(world.packages) <= MOST_PACKAGES:
        raise BadInput("packages", f"1 to {MOST_PACKAGES}", len(world.packages))
    if len({one.name for one in world.sites}) < len(world.sites):
        raise BadInput("sites", "names that differ", "the same name twice")
    if len({(one.mirror.name or one.name, one.mirror) for one in world.sites if one.mirror}) > len(world.mirrors):
        raise BadInput("mirrors", "names that differ", "the same name of two mirrors")
    if any(one.agents < 0 for one in world.sites):
        raise BadInput("sites", "no fewer than 0 agents each", min(one.agents for one in world.sites))
    for name in ("contacts_per_s", "requests_per_s"):
        if not 0 <= getattr(world, name) <= MOST_PER_S:
            raise BadInput(name, f"1 to {MOST_PER_S}, or 0 for any number", getattr(world, name))
    if not 0 <= world.round_trip_s <= LONGEST_ROUND_TRIP_S:
        raise BadInput("round trip", f"0 to {LONGEST_ROUND_TRIP_S} s", world.round_trip_s)
    if world.contact_s is not None and not 0 <= world.contact_s <= LAST_DAY * 86_400:
        raise BadInput("window", f"0 to {LAST_DAY} days of first contacts", f"{world.contact_s:.0f} s")
    shares = world.dialects.values()
    if not shares or any(share < 0 for share in shares) or sum(shares) <= 0:
        raise BadInput("dialects", "shares that are not negative, and not all 0", dict(world.dialects))
    _check_work(world)


def _check_work(world: World) -> None:
    size_bytes = sum(sum(one.lengths) for one in world.packages)
    if world.agents * size_bytes * 1000 > MOST_WORK:
        expected = f"at most {MOST_WORK // 10**15} TB for all agents together"
        raise BadInput("packages", expected, f"{world.agents * size_bytes // 10**12} TB")
