"""Who has a turn when."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Longs = NDArray[np.int64]

NOBODY: Final = np.zeros(0, np.int64)


class Agenda:
    """Turns, by slices of time of `width_us`; `cuts_us` divide those slices in which they are."""

    def __init__(self, width_us: int, cuts_us: Iterable[int] = ()) -> None:
        self.width_us = width_us
        self._cuts_us = deque(sorted(set(cuts_us)))
        self._slices: dict[int, list[tuple[Longs, Longs]]] = {}
        self._order: list[int] = []

    def add(self, agents: Longs, at_us: Longs) -> None:
        number = at_us // self.width_us
        if not len(agents):
            return
        order = np.argsort(number, kind="stable")
        agents, at_us, number = agents[order], at_us[order], number[order]
        first = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]))
        bounds = [*first.tolist(), len(number)]
        for low, high, key in zip(bounds, bounds[1:], number[first].tolist(), strict=False):
            if key not in self._slices:
                self._slices[key] = []
                heapq.heappush(self._order, key)
            self._slices[key].append((agents[low:high], at_us[low:high]))

    def next(self, busy_us: int | None) -> tuple[int, int, Longs, Longs] | None:
        """The next slice in which anything happens, or the part of it up to a cut: its beginning, its end, and the
        turns in it by time, then by agent. `busy_us`: when a transfer may end next."""
        keys = [*self._order[:1], *([] if busy_us is None else [busy_us // self.width_us])]
        if not keys:
            return None
        key = min(keys)
        begin_us = key * self.width_us
        end_us = self._end_us(begin_us)
        parts = self._slices.pop(key, [])
        if not parts:
            return begin_us, end_us, NOBODY, NOBODY
        heapq.heappop(self._order)
        agents = np.concatenate([part[0] for part in parts])
        at_us = np.concatenate([part[1] for part in parts])
        order = np.lexsort((agents, at_us))
        agents, at_us = agents[order], at_us[order]
        count = int(np.searchsorted(at_us, end_us))
        self.add(agents[count:], at_us[count:])
        return begin_us, end_us, agents[:count], at_us[:count]

    def _end_us(self, begin_us: int) -> int:
        while self._cuts_us and self._cuts_us[0] <= begin_us:
            self._cuts_us.popleft()
        end_us = begin_us + self.width_us
        return self._cuts_us.popleft() if self._cuts_us and self._cuts_us[0] < end_us else end_us
