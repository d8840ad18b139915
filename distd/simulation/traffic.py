"""How many bytes lines carried in each minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from distd.domain.units import DAY_MIN
from distd.simulation.queues import WORK_PER_BYTE
from distd.simulation.world import HORIZON_US, MINUTE_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from distd.simulation.queues import Capacity

    Longs = NDArray[np.int64]

HORIZON_MIN = HORIZON_US // MINUTE_US


class TrafficCounter:
    """The bytes of several lines, by minute. What goes through after the horizon is not counted."""

    def __init__(self, count: int) -> None:
        self._bytes: Longs = np.zeros((count, DAY_MIN), np.int64)
        self._minutes = 0

    def add(self, line: NDArray[Any], start_us: Longs, end_us: Longs, length: Longs, capacity: Capacity) -> None:
        """Transfers that were served from `start_us` to `end_us`, at the rates that `capacity` gives."""
        minute = start_us // MINUTE_US
        if start_us is end_us:  # a line without a limit
            self._add(line, minute, length)
            return
        last = end_us // MINUTE_US
        within = minute == last
        self._add(line[within], minute[within], length[within])
        if within.all():
            return
        line, minute, last, start_us, end_us, length = (
            column[~within] for column in (line, minute, last, start_us, end_us, length)
        )
        done = np.zeros_like(length)
        while len(line):
            until_us = np.minimum((minute + 1) * MINUTE_US, end_us)
            sent = (capacity.work_until(line, until_us) - capacity.work_until(line, start_us)) // WORK_PER_BYTE
            sent = np.where(minute == last, length, np.minimum(sent, length))
            self._add(line, minute, sent - done)
            go_on = (minute < last) & (minute < HORIZON_MIN)
            minute = minute + 1
            done = sent
            line, minute, last, start_us, end_us, length, done = (
                column[go_on] for column in (line, minute, last, start_us, end_us, length, done)
            )

    def _add(self, line: NDArray[Any], minute: Longs, length: Longs) -> None:
        if not len(line):
            return
        first, last = int(minute.min()), int(minute.max())
        if last >= HORIZON_MIN:
            counted = minute < HORIZON_MIN
            self._add(line[counted], minute[counted], length[counted])
            return
        self._minutes = max(self._minutes, last + 1)
        while last >= self._bytes.shape[1]:
            self._bytes = np.concatenate([self._bytes, np.zeros_like(self._bytes)], axis=1)
        count, span = len(self._bytes), last - first + 1
        if count * span > 4 * len(line):
            np.add.at(self._bytes, (line, minute), length)
        else:
            sums = np.bincount(line * span + (minute - first), length, count * span)
            self._bytes[:, first : last + 1] += sums.reshape(count, span).astype(np.int64)

    def table(self) -> Longs:
        """Bytes by line and minute."""
        return self._bytes[:, : self._minutes]
