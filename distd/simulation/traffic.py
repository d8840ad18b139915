"""Bytes of lines, by the minute in which they went through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from distd.simulation.queues import UNIT
from distd.simulation.world import HORIZON_US, MINUTE_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from distd.simulation.queues import Capacities

    Longs = NDArray[np.int64]

LAST_MINUTE = HORIZON_US // MINUTE_US


class Meter:
    """Of each of several lines. What goes through after the horizon is not counted."""

    def __init__(self, count: int) -> None:
        self._bytes: Longs = np.zeros((count, 1440), np.int64)
        self._minutes = 0

    def add(self, line: NDArray[Any], begun_us: Longs, left_us: Longs, length: Longs, of: Capacities) -> None:
        """Transfers that were served from `begun_us` to `left_us`, at the rates `of` those lines."""
        minute = begun_us // MINUTE_US
        if begun_us is left_us:  # a line without a limit
            self._book(line, minute, length)
            return
        last = left_us // MINUTE_US
        within = minute == last
        self._book(line[within], minute[within], length[within])
        if within.all():
            return
        line, minute, last, begun_us, left_us, length = (
            column[~within] for column in (line, minute, last, begun_us, left_us, length)
        )
        done = np.zeros_like(length)
        while len(line):
            until_us = np.minimum((minute + 1) * MINUTE_US, left_us)
            by_now = (of.work_by(line, until_us) - of.work_by(line, begun_us)) // UNIT
            by_now = np.where(minute == last, length, np.minimum(by_now, length))
            self._book(line, minute, by_now - done)
            go_on = (minute < last) & (minute < LAST_MINUTE)
            minute = minute + 1
            done = by_now
            line, minute, last, begun_us, left_us, length, done = (
                column[go_on] for column in (line, minute, last, begun_us, left_us, length, done)
            )

    def _book(self, line: NDArray[Any], minute: Longs, length: Longs) -> None:
        if not len(line):
            return
        first, last = int(minute.min()), int(minute.max())
        if last >= LAST_MINUTE:
            counted = minute < LAST_MINUTE
            self._book(line[counted], minute[counted], length[counted])
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
        return self._bytes[:, : self._minutes]
