"""The turns of an agent, one after the other, as its dialect's scheduler takes them.

The pauses between them do not depend on how long fetches take. So all agents of a dialect that have the same packages
take the same turns in the same order, and where one of them stands is a single number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from distd.domain.schedule import Reason, Turn, never, turns
from distd.simulation.world import LAST_DAY, NEVER, SECOND_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from distd.domain.records import Dialect, DownloadConfig
    from distd.simulation.world import Package

ASSEMBLY: Final = 0
MOST_PAUSES: Final = 100_000  # one after the other: then no turn will ever come


class _Row(NamedTuple):
    package: int
    number: int
    length: int
    pause_s: int
    into_period_s: int
    contact: bool


@dataclass(frozen=True, slots=True)
class Turns:
    """By turn, from 0: the place of its package, the fragment's number (0: it is assembled), its bytes, and the pause
    before it, in µs. `into_period_us`: how long before it a period began, where one began in that pause, else `NEVER`.
    `contact`: the pause begins with the agent's next contact, in which it was first told of the package."""

    package: NDArray[np.int16]
    number: NDArray[np.int32]
    length: NDArray[np.int64]
    pause_us: NDArray[np.int64]
    into_period_us: NDArray[np.int64]
    contact: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.package)


def list_turns(dialect: Dialect, config: DownloadConfig, packages: Sequence[Package]) -> Turns:
    """All turns until every package is through, or none of those that are left can have one within `LAST_DAY` days."""
    rows: list[_Row] = []
    left = [len(one.lengths) + 1 for one in packages]
    for listed in _listings(packages):
        # A stock agent's process may die while packages are left; its next contact starts it anew.
        while any(left[place] for place in listed) and (
            found := list(_lifetime(dialect, config, packages, left, listed))
        ):
            rows += [found[0]._replace(contact=bool(rows)), *found[1:]]
    columns: list[NDArray[Any]] = list(np.array(rows, np.int64).reshape(-1, 6).T)
    package, number, length, pause_s, into_period_s, contact = columns
    return Turns(
        package.astype(np.int16),
        number.astype(np.int32),
        length.copy(),
        pause_s * SECOND_US,
        np.where(into_period_s < 0, NEVER, into_period_s * SECOND_US),
        contact.astype(np.bool_),
    )


def _listings(packages: Sequence[Package]) -> list[list[int]]:
    """The places of the packages that the server lists together: one of priority 0 alone (`origin.listing`)."""
    alone = [[place] for place, one in enumerate(packages) if one.priority == 0]
    return [*alone, [place for place, one in enumerate(packages) if one.priority]]


def _lifetime(
    dialect: Dialect, config: DownloadConfig, packages: Sequence[Package], left: list[int], listed: Sequence[int]
) -> Iterator[_Row]:
    """The turns of the listed packages until all are through or the agent's process ends. `left`: the turns that each
    has still to take, counted down."""
    live = {str(place): packages[place].priority for place in listed if left[place]}
    hopeless = {place for place, priority in live.items() if never(priority, config)}
    pause_s = total_s = pauses = 0
    into_period_s = NEVER
    for step in turns(dialect, config, live):
        if isinstance(step, Turn):
            place = int(step.package_id)
            lengths = packages[place].lengths
            number = len(lengths) + 1 - left[place]
            left[place] -= 1
            if left[place]:
                yield _Row(place, number + 1, lengths[number], pause_s, into_period_s, contact=False)
            else:
                yield _Row(place, ASSEMBLY, 0, pause_s, into_period_s, contact=False)
                del live[step.package_id]
            pause_s, pauses, into_period_s = 0, 0, NEVER
            continue
        pause_s, total_s, pauses = pause_s + step.seconds, total_s + step.seconds, pauses + 1
        if step.reason is Reason.PERIOD:
            into_period_s = 0
        elif into_period_s != NEVER:
            into_period_s += step.seconds
        if total_s > LAST_DAY * 86_400 or pauses > MOST_PAUSES or live.keys() <= hopeless:
            return
