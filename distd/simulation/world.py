"""What is simulated: sites with their agents, lines and mirrors, the packages, and the configuration of the agents.

Times are whole microseconds inside, seconds and hours where people write them. Sizes are bytes, rates bytes a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from distd.domain.bandwidth import Rule, parse
from distd.domain.errors import BadInput
from distd.domain.records import Dialect
from distd.domain.settings import DownloadConfig
from distd.domain.units import DAY_MIN, DAY_S, HOUR_S, WEEK_MIN

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND_US: Final = 1_000_000
NEVER: Final = -1  # a time that does not come
MINUTE_US: Final = 60 * SECOND_US
# Rates are whole kB/s, rounded down, at least one. Up to this limit all the work that a line can do until the horizon
# fits into 64 bits.
MAX_KB_PER_S: Final = 1_250_000
MAX_PER_S: Final = 1_000_000
MAX_AGENTS: Final = 50_000_000
MAX_SITES: Final = 10_000
MAX_PACKAGES: Final = 100
HORIZON_DAYS: Final = 35  # what is not done by then counts as never done
# Of all agents together, in thousandths of a byte, so that sums of it stay within 64 bits.
MAX_WORK: Final = 4 * 10**18
HORIZON_US: Final = HORIZON_DAYS * DAY_MIN * MINUTE_US
MAX_ROUND_TRIP_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Package:
    """A package that all agents get. `lengths`: bytes of each fragment; none: a command without a file."""

    id: str
    priority: int
    lengths: tuple[int, ...]

    @classmethod
    def from_sizes(cls, name: str, priority: int, size_bytes: int, fragment_bytes: int) -> Package:
        """A package in fragments of one size, but for the last."""
        whole, rest = divmod(size_bytes, fragment_bytes)
        return cls(name, priority, (fragment_bytes,) * whole + ((rest,) if rest else ()))


@dataclass(frozen=True, slots=True)
class Line:
    """A network line, whose rate is the lowest of the `rules` that apply at the time; no rules: no limit.

    Rules are as in `domain.bandwidth`; their networks do not count. Those for `each` connection are limits of every
    transfer (`per_transfer`), the others are shared by all of them (`shared`).
    """

    rules: tuple[Rule, ...] = ()

    @classmethod
    def read(cls, text: str, where: str = "line") -> Line:
        """From a text such as `5MB/s; 500kB/s mon-fri 8-18; 64kB/s each`.

        Raises `BadInput` that names `where` it stood, also for a rule with a network: a line is that of its site.
        """
        rules = parse(text, where)
        for rule in rules:
            if rule.network is not None:
                raise BadInput(where, "rules without a network", rule.text)
            if rule.bytes_per_s < 1000:
                raise BadInput(where, "at least 1 kB/s; rates are whole kB/s, rounded down", rule.text)
            if rule.bytes_per_s > MAX_KB_PER_S * 1000:
                raise BadInput(where, "at most 10 Gbit/s; no rule is no limit", rule.text)
        return cls(rules)

    @classmethod
    def of(cls, bytes_per_s: float) -> Line:
        """A line with one rate."""
        return cls((Rule(f"{bytes_per_s:g} B/s", bytes_per_s),))

    @property
    def shared(self) -> Line:
        """The limits that all transfers have together."""
        return Line(tuple(rule for rule in self.rules if not rule.each))

    @property
    def per_transfer(self) -> Line:
        """The limits that each transfer has for itself."""
        return Line(tuple(rule for rule in self.rules if rule.each))

    def kilobytes_per_s(self, minute: int) -> int:
        """Its rate at a minute of the week."""
        day, of_day = divmod(minute % WEEK_MIN, DAY_MIN)
        rates = [rule.bytes_per_s for rule in self.rules if rule.applies(day, of_day)]
        return min(max(int(min(rates)) // 1000, 1), MAX_KB_PER_S) if rates else MAX_KB_PER_S


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror of one site, or of all sites whose mirrors have the same `name`.

    `down`: (from, to) in seconds from the beginning. Then its agents go to the origin, and fetch again there what they
    were fetching from it.
    """

    line: Line = Line()
    down: tuple[tuple[float, float], ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """Agents at one place. `line`: their common line to the origin."""

    name: str
    agents: int
    line: Line = Line()
    mirror: Mirror | None = None


@dataclass(frozen=True, slots=True)
class World:
    """All that a simulation needs to know.

    - `dialects`: how the agents divide among them, as shares of any sum.
    - `contact_s`: the first contacts are spread evenly over so many seconds; None: over PROLOG_FREQ, as those of
      computers that are always on.
    - `contacts_per_s`: how many contacts the origin can answer, one after the other; `requests_per_s`: how many
      requests for fragments it, and each mirror, can answer. 0: any number.
    - `round_trip_s`: from an agent to its server and back.
    - `first_turn_delay_s`: from an agent's contact to its first turn; None: a round trip for PROLOG and each `info`.
    - `shared`: the sites' lines serve all transfers at once, in equal parts; else one after the other.
    - `begins_min`: the beginning in minutes after Monday 0:00, for rules with days and hours.
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
    first_turn_delay_s: float | None = None
    shared: bool = False
    begins_min: int = 0

    @property
    def agents(self) -> int:
        """Of all sites."""
        return sum(site.agents for site in self.sites)

    @property
    def mirrors(self) -> dict[str, Mirror]:
        """By name; a mirror without a name has its site's."""
        return {site.mirror.name or site.name: site.mirror for site in self.sites if site.mirror}

    @property
    def contact_us(self) -> int:
        """The time over which first contacts are spread, at least 1."""
        spread_s = self.prolog_freq_h * HOUR_S if self.contact_s is None else self.contact_s
        return max(round(spread_s * SECOND_US), 1)

    @property
    def round_trip_us(self) -> int:
        """`round_trip_s`, at least 1 µs."""
        return max(round(self.round_trip_s * SECOND_US), 1)

    @property
    def first_turn_delay_us(self) -> int:
        """`first_turn_delay_s`, or its default."""
        if self.first_turn_delay_s is None:
            return self.round_trip_us * (1 + len(self.packages))
        return round(self.first_turn_delay_s * SECOND_US)


def check(world: World) -> None:
    """Raises `BadInput` for what cannot be simulated."""
    if not 1 <= world.agents <= MAX_AGENTS:
        raise BadInput("agents", f"1 to {MAX_AGENTS}", world.agents)
    if len(world.sites) > MAX_SITES:
        raise BadInput("sites", f"at most {MAX_SITES}", len(world.sites))
    if not 1 <= len(world.packages) <= MAX_PACKAGES:
        raise BadInput("packages", f"1 to {MAX_PACKAGES}", len(world.packages))
    if len({site.name for site in world.sites}) < len(world.sites):
        raise BadInput("sites", "names that differ", "the same name twice")
    if len({(site.mirror.name or site.name, site.mirror) for site in world.sites if site.mirror}) > len(world.mirrors):
        raise BadInput("mirrors", "names that differ", "the same name of two mirrors")
    if any(site.agents < 0 for site in world.sites):
        raise BadInput("sites", "no fewer than 0 agents each", min(site.agents for site in world.sites))
    for name in ("contacts_per_s", "requests_per_s"):
        if not 0 <= getattr(world, name) <= MAX_PER_S:
            raise BadInput(name, f"1 to {MAX_PER_S}, or 0 for any number", getattr(world, name))
    if not 0 <= world.round_trip_s <= MAX_ROUND_TRIP_S:
        raise BadInput("round trip", f"0 to {MAX_ROUND_TRIP_S} s", world.round_trip_s)
    if world.contact_s is not None and not 0 <= world.contact_s <= HORIZON_DAYS * DAY_S:
        raise BadInput("window", f"0 to {HORIZON_DAYS} days of first contacts", f"{world.contact_s:.0f} s")
    shares = world.dialects.values()
    if not shares or any(share < 0 for share in shares) or sum(shares) <= 0:
        raise BadInput("dialects", "shares that are not negative, and not all 0", dict(world.dialects))
    _check_work(world)


def _check_work(world: World) -> None:
    size_bytes = sum(sum(package.lengths) for package in world.packages)
    if world.agents * size_bytes * 1000 > MAX_WORK:
        expected = f"at most {MAX_WORK // 10**15} TB for all agents together"
        raise BadInput("packages", expected, f"{world.agents * size_bytes // 10**12} TB")
