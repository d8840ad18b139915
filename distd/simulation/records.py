"""What simulations and plans answer, as plain records.

Servers import these for their API, and not numpy with what makes them, which a child process does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from distd.domain.settings import DownloadConfig  # noqa: TC001 - the API looks at the fields

if TYPE_CHECKING:
    from distd.domain.weekly_windows import WeeklyWindow
    from distd.simulation.world import World

SHARES: Final = (50, 90, 95, 99, 100)


@dataclass(frozen=True, slots=True)
class Finish:
    """When agents had a package, or all packages.

    `done`, `never`: numbers of agents. `after_s`: by share of the agents (%), seconds from the beginning; None: never.
    """

    done: int
    never: int
    after_s: dict[int, float | None]


@dataclass(frozen=True, slots=True)
class Load:
    """What a line or a server carried: all bytes, and the peak, which is the highest rate of any minute."""

    name: str
    bytes: int
    peak_bytes_per_s: float
    peak_after_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """`curve`: (seconds, share of agents that have all packages, 0 to 1).

    `contact_wait_s`: how long first contacts wait for their answer, by share of the agents (%).
    """

    agents: int
    contact_wait_s: dict[int, float]
    all: Finish
    packages: dict[str, Finish]
    curve: list[tuple[float, float]]
    origin: Load
    lines: list[Load]
    mirrors: list[Load]

    @property
    def worst_line(self) -> Load | None:
        """The one with the highest peak; None: there are no lines."""
        return max(self.lines, key=lambda line: line.peak_bytes_per_s, default=None)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What several simulations with different random draws have given.

    - `finish_s`: by share of the agents (%), when they have all packages: the lowest, middle and highest of the draws;
      None: in some draw the share was not reached.
    - `curve`: (seconds, and the lowest, middle and highest share of agents that have all packages, 0 to 1).
    - `lines`, `mirrors`, `origin`: those of the draw with the highest peak.
    - One in `one_in` agents was simulated; what lines and servers carry is scaled up to all agents.
    """

    agents: int
    draws: int
    one_in: int
    finish_s: dict[int, tuple[float, float, float] | None]
    curve: list[tuple[float, float, float, float]]
    origin: Load
    lines: list[Load]
    mirrors: list[Load]


@dataclass(frozen=True, slots=True)
class Goal:
    """`share` of the agents, 0 to 1, are to have the package `within_s` after the beginning.

    No site's line may carry more than `max_bytes_per_s` in any minute (inf: no limit).
    """

    share: float
    within_s: float
    max_bytes_per_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Answer:
    """Settings, and what the simulation says of them.

    `contact_s`, `finish_s`: when the goal's share of the agents has made its first contact, and when it has the package
    (None: never). `peak_bytes_per_s`: of `line`, the busiest. Where `is_met` is False no settings were found that meet
    the goal, which does not prove that there are none. One in `one_in` computers was simulated.
    """

    config: DownloadConfig
    priority: int
    fragment_bytes: int
    fragments: int
    contact_s: float
    finish_s: float | None
    peak_bytes_per_s: float
    line: str
    is_met: bool
    one_in: int


@dataclass(frozen=True, slots=True)
class SimulatedWave:
    """A wave opens when `success_percent` of the one before are done, and not before `after_s` seconds since that one
    opened."""

    name: str
    success_percent: int
    after_s: float


@dataclass(frozen=True, slots=True)
class RolloutWorld:
    """What is simulated of a roll-out of one package. `counts`: by site of the world and by wave, how many computers.
    `at_once`: so many have it without a result; None: any number. `windows`: when they are told; none: always."""

    world: World
    counts: tuple[tuple[int, ...], ...]
    waves: tuple[SimulatedWave, ...]
    at_once: int | None = None
    windows: tuple[WeeklyWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class WaveForecast:
    """A wave: `number` from 1; `opens_s` seconds after the beginning; `finish_s`: by share of its computers (%), when
    they have the package. None: not within 35 days."""

    number: int
    name: str
    computers: int
    opens_s: float | None
    finish_s: dict[int, float | None]


@dataclass(frozen=True, slots=True)
class RolloutForecast:
    """A roll-out as it goes where nothing fails. `finish_s`: by share of all computers (%), seconds from the beginning;
    None: not within 35 days. `curve`: (seconds, share of all that have the package, 0 to 1); `band`: the lowest and
    highest share at these times of some draws; empty: there was one draw. `origin`, `lines`, `mirrors`: what they
    carry, and in their busiest minute. One in `one_in` computers was simulated."""

    agents: int
    one_in: int
    waves: list[WaveForecast]
    finish_s: dict[int, float | None]
    curve: list[tuple[float, float]]
    origin: Load
    lines: list[Load]
    mirrors: list[Load]
    band: list[tuple[float, float]] = field(default_factory=list)
