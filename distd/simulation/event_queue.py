"""The event queue: which agent has a turn when, in slices of time."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Longs = NDArray[np.int64]

NO_AGENTS: Final = np.zeros(0, np.int64)


class EventQueue:
    """Turns, by slices of `slice_us`. A slice with one of `boundaries_us` within it is taken in two parts."""

    def __init__(self, slice_us: int, boundaries_us: Iterable[int] = ()) -> None:
        self._slice_us = slice_us
        self._boundaries_us = deque(sorted(set(boundaries_us)))
        self._slices: dict[int, list[tuple[Longs, Longs]]] = {}
        self._numbers: list[int] = []  # a heap: of the slices that have turns

    def add(self, agents: Longs, at_us: Longs) -> None:
        """Turns of `agents` at `at_us`, in any order."""
        number = at_us // self._slice_us
        if not len(agents):
            return
        order = np.argsort(number, kind="stable")
        agents, at_us, number = agents[order], at_us[order], number[order]
        first = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]))
        bounds = [*first.tolist(), len(number)]
        for low, high, key in zip(bounds, bounds[1:], number[first].tolist(), strict=False):
            if key not in self._slices:
                self._slices[key] = []
                heapq.heappush(self._numbers, key)
            self._slices[key].append((agents[low:high], at_us[low:high]))

    def next(self, transfer_end_us: int | None) -> tuple[int, int, Longs, Longs] | None:
        """The next slice in which anything happens, or its part up to a boundary; None: nothing happens any more.

        (start, end, agents, times): the turns in it by time, then by agent. `transfer_end_us`: when a transfer may end
        next, which counts as something that happens.
        """
        keys = [*self._numbers[:1], *([] if transfer_end_us is None else [transfer_end_us // self._slice_us])]
        if not keys:
            return None
        key = min(keys)
        start_us = key * self._slice_us
        end_us = self._end_us(start_us)
        parts = self._slices.pop(key, [])
        if not parts:
            return start_us, end_us, NO_AGENTS, NO_AGENTS
        heapq.heappop(self._numbers)
        agents = np.concatenate([agents for agents, _ in parts])
        at_us = np.concatenate([times for _, times in parts])
        order = np.lexsort((agents, at_us))
        agents, at_us = agents[order], at_us[order]
        count = int(np.searchsorted(at_us, end_us))
        self.add(agents[count:], at_us[count:])
        return start_us, end_us, agents[:count], at_us[:count]

    def _end_us(self, start_us: int) -> int:
        while self._boundaries_us and self._boundaries_us[0] <= start_us:
            self._boundaries_us.popleft()
        end_us = start_us + self._slice_us
        if self._boundaries_us and self._boundaries_us[0] < end_us:
            return self._boundaries_us.popleft()
        return end_us
