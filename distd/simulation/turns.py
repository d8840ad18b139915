"""The turns of an agent, one after the other, in the order of its dialect's scheduler.

The pauses between them do not depend on how long fetches take. So all agents of a dialect with the same packages take
the same turns in the same order, and the progress of an agent is a single number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from distd.domain.schedule import Reason, Turn, gets_no_turn, turns
from distd.domain.units import DAY_S
from distd.simulation.world import HORIZON_DAYS, NEVER, SECOND_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from distd.domain.records import Dialect
    from distd.domain.settings import DownloadConfig
    from distd.simulation.world import Package

ASSEMBLY: Final = 0
MAX_PAUSES: Final = 100_000  # after so many without a turn there will never be one


class _Row(NamedTuple):
    package: int
    number: int
    length: int
    pause_s: int
    since_period_s: int
    contact: bool


@dataclass(frozen=True, slots=True)
class TurnTable:
    """Columns by turn, from 0.

    - `package`: its place in the world's packages; `number`: the fragment's, or `ASSEMBLY`; `length`: the fragment's.
    - `pause_us`: the pause before the turn.
    - `since_period_us`: how long before the turn a period began, if one began in that pause, else `NEVER`.
    - `contact`: the pause begins with the agent's next contact, in which it is first told of the package.
    """

    package: NDArray[np.int16]
    number: NDArray[np.int32]
    length: NDArray[np.int64]
    pause_us: NDArray[np.int64]
    since_period_us: NDArray[np.int64]
    contact: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.package)


def list_turns(dialect: Dialect, config: DownloadConfig, packages: Sequence[Package]) -> TurnTable:
    """All turns until every package is assembled, or no other one can have a turn within `HORIZON_DAYS` days."""
    rows: list[_Row] = []
    left = [len(package.lengths) + 1 for package in packages]
    for listed in _contacts(packages):
        # A stock agent's process may die while packages are left; its next contact starts it anew.
        while any(left[place] for place in listed) and (
            found := list(_lifetime(dialect, config, packages, left, listed))
        ):
            rows += [found[0]._replace(contact=bool(rows)), *found[1:]]
    columns: list[NDArray[Any]] = list(np.array(rows, np.int64).reshape(-1, 6).T)
    package, number, length, pause_s, since_period_s, contact = columns
    return TurnTable(
        package.astype(np.int16),
        number.astype(np.int32),
        length.copy(),
        pause_s * SECOND_US,
        np.where(since_period_s < 0, NEVER, since_period_s * SECOND_US),
        contact.astype(np.bool_),
    )


def _contacts(packages: Sequence[Package]) -> list[list[int]]:
    """The places of the packages that a contact lists: each package of priority 0 alone, then all others."""
    alone = [[place] for place, package in enumerate(packages) if package.priority == 0]
    return [*alone, [place for place, package in enumerate(packages) if package.priority]]


def _lifetime(
    dialect: Dialect, config: DownloadConfig, packages: Sequence[Package], left: list[int], listed: Sequence[int]
) -> Iterator[_Row]:
    """The turns of the listed packages until all are assembled or the agent's process ends.

    `left`: how many turns each package still needs, counted down.
    """
    live = {str(place): packages[place].priority for place in listed if left[place]}
    unreachable = {place for place, priority in live.items() if gets_no_turn(priority, config)}
    pause_s = total_s = pauses = 0
    since_period_s = NEVER
    for step in turns(dialect, config, live):
        if isinstance(step, Turn):
            place = int(step.package_id)
            lengths = packages[place].lengths
            number = len(lengths) + 1 - left[place]
            left[place] -= 1
            if left[place]:
                yield _Row(place, number + 1, lengths[number], pause_s, since_period_s, contact=False)
            else:
                yield _Row(place, ASSEMBLY, 0, pause_s, since_period_s, contact=False)
                del live[step.package_id]
            pause_s, pauses, since_period_s = 0, 0, NEVER
            continue
        pause_s, total_s, pauses = pause_s + step.seconds, total_s + step.seconds, pauses + 1
        if step.reason is Reason.PERIOD:
            since_period_s = 0
        elif since_period_s != NEVER:
            since_period_s += step.seconds
        if total_s > HORIZON_DAYS * DAY_S or pauses > MAX_PAUSES or live.keys() <= unreachable:
            return
