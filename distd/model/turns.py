"""The turns of an agent, one after the other, as its dialect's scheduler takes them.

The pauses between them do not depend on how long fetches take. So all agents of a dialect that have the same packages
take the same turns in the same order, and where one of them stands is a single number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from distd.core.schedule import Turn, never, turns
from distd.model.world import LAST_DAY, SECOND_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from distd.core.records import Dialect, DownloadConfig
    from distd.model.world import Package

ASSEMBLY = 0


@dataclass(frozen=True, slots=True)
class Turns:
    """By turn, from 0: the place of its package, the fragment's number (0: it is assembled), its bytes, and the pause
    before it, in µs."""

    package: NDArray[np.int16]
    number: NDArray[np.int32]
    length: NDArray[np.int64]
    pause_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.package)


def list_turns(dialect: Dialect, config: DownloadConfig, packages: Sequence[Package]) -> Turns:
    """All turns until every package is through, or none of those that are left can have one within `LAST_DAY` days."""
    rows: list[tuple[int, int, int, int]] = []
    live = {str(place): one.priority for place, one in enumerate(packages)}
    fetched = dict.fromkeys(live, 0)
    hopeless = {place for place, priority in live.items() if never(priority, config)}
    pause_s = total_s = 0
    for step in turns(dialect, config, live):
        if not isinstance(step, Turn):
            pause_s += step.seconds
            total_s += step.seconds
            if total_s > LAST_DAY * 86_400 or live.keys() <= hopeless:
                break
            continue
        place, lengths = step.package_id, packages[int(step.package_id)].lengths
        done = fetched[place]
        if done < len(lengths):
            rows.append((int(place), done + 1, lengths[done], pause_s * SECOND_US))
            fetched[place] += 1
        else:
            rows.append((int(place), ASSEMBLY, 0, pause_s * SECOND_US))
            del live[place]
        pause_s = 0
    table: NDArray[Any] = np.array(rows, np.int64).reshape(-1, 4)
    return Turns(table[:, 0].astype(np.int16), table[:, 1].astype(np.int32), table[:, 2].copy(), table[:, 3].copy())
