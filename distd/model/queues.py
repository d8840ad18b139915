"""Lines and mirrors as queues: who asks when, and when its last byte has come.

Work is counted in thousandths of a byte: a rate of 1 kB/s does one in a microsecond. So all is whole numbers, and the
same whichever way it is computed.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from distd.model.world import LAST_DAY, MINUTE_US, WEEK_MIN, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Longs = NDArray[np.int64]

UNIT: Final = 1000
_LARGEST: Final = 2**62
_ALWAYS: Final = (frozenset(range(7)), 0, 1440)


class Capacities:
    """What each of several lines can do over time: piecewise constant rates."""

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self.limited: NDArray[np.bool_] = np.array([bool(line.rules) for line in lines], bool)
        minutes = _changes(lines, begins_min)
        self.starts_us: Longs = np.array(minutes, np.int64) * MINUTE_US
        self.rates: Longs = np.array(
            [[line.kilobytes_per_s(minute + begins_min) for minute in minutes] for line in lines], np.int64
        )
        # The work that could have been done by the start of each piece.
        done = np.cumsum(self.rates[:, :-1] * np.diff(self.starts_us), axis=1)
        self.done: Longs = np.concatenate([np.zeros((len(lines), 1), np.int64), done], axis=1)
        self.last = len(minutes) - 1

    def work_by(self, line: Longs, at_us: Longs) -> Longs:
        """What each line could have done by each time."""
        if not self.last:
            return np.asarray(at_us * self.rates[line, 0])
        piece = np.searchsorted(self.starts_us, at_us, "right") - 1
        return self.done[line, piece] + (at_us - self.starts_us[piece]) * self.rates[line, piece]

    def time_of(self, line: Longs, work: Longs, after_us: Longs) -> Longs:
        """When each line will have done so much, rounded up. It is later than `after_us`."""
        if not self.last:
            return np.asarray(-(-work // self.rates[line, 0]))
        piece = np.searchsorted(self.starts_us, after_us, "right") - 1
        while True:
            beyond = (piece < self.last) & (work > self.done[line, np.minimum(piece + 1, self.last)])
            if not beyond.any():
                break
            piece = piece + beyond
        return self.starts_us[piece] - (self.done[line, piece] - work) // self.rates[line, piece]


class Fifo:
    """Lines that serve one transfer after the other. All times are to be asked in order."""

    def __init__(self, capacities: Capacities) -> None:
        self._capacities = capacities
        self._free: Longs = np.zeros(len(capacities.limited), np.int64)  # the work after which each is free

    def leave(self, line: Longs, at_us: Longs, length: Longs) -> Longs:
        """When each transfer that comes to `line` at `at_us` (sorted) is through: Lindley's recursion, all at once."""
        limited = self._capacities.limited[line]
        if not limited.all():
            left_us = at_us.copy()
            if limited.any():
                left_us[limited] = self._leave(line[limited], at_us[limited], length[limited])
            return left_us
        return self._leave(line, at_us, length) if len(line) else at_us

    def _leave(self, line: Longs, at_us: Longs, length: Longs) -> Longs:
        order = np.argsort(line, kind="stable")
        line, at_us, work = line[order], at_us[order], length[order] * UNIT
        first = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
        before = np.cumsum(work) - work
        segment = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(line))))
        before -= before[first][segment]
        slack = self._capacities.work_by(line, at_us) - before
        slack[first] = np.maximum(slack[first], self._free[line[first]])
        through = _running_max(slack, segment) + before + work
        last = np.append(first[1:], len(line)) - 1
        self._free[line[last]] = through[last]
        left_us = np.empty_like(at_us)
        left_us[order] = self._capacities.time_of(line, through, at_us)
        return left_us


class Own:
    """Lines on which every transfer has the whole rate for itself: none waits for another."""

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self._capacities = Capacities([line.own for line in lines], begins_min)

    def leave(self, line: NDArray[Any], at_us: Longs, length: Longs) -> Longs:
        """When each transfer that comes to `line` at `at_us` is through."""
        limited = self._capacities.limited[line]
        if not limited.any():
            return at_us
        left_us, line, begun_us = at_us.copy(), line[limited], at_us[limited]
        work = self._capacities.work_by(line, begun_us) + length[limited] * UNIT
        left_us[limited] = self._capacities.time_of(line, work, begun_us)
        return left_us


class Desk:
    """Servers that answer requests one after the other, each so many a second; 0: any number."""

    def __init__(self, per_s: int, servers: int) -> None:
        # A request is to them what a kilobyte is to a line of as many kB/s.
        line = Line.of(per_s * 1000) if per_s else Line()
        self._fifo = Fifo(Capacities([line] * servers, 0))

    def answer(self, server: Longs, at_us: Longs) -> Longs:
        """When each request that comes to `server` at `at_us` (sorted) is answered."""
        return self._fifo.leave(server, at_us, np.full_like(at_us, 1000))


def _running_max(values: Longs, segment: Longs) -> Longs:
    """Of each segment by itself: each is lifted above the one before."""
    low = values.min()
    height = int(values.max() - low) + 1
    if height * (int(segment[-1]) + 1) >= _LARGEST:
        parts = np.split(values, np.flatnonzero(np.diff(segment)) + 1)
        return np.concatenate([np.maximum.accumulate(part) for part in parts])
    lift = segment * height
    return np.asarray(np.maximum.accumulate(values - low + lift) - lift + low)


class Shared:
    """One line that serves all its transfers at once, in equal parts.

    Each transfer is due at a mark of work done for everyone; a heap of marks is all that is kept. It is moved on only
    when a transfer comes or ends, so the outcome does not hang on how often it is asked.
    """

    __slots__ = ("_at_us", "_capacities", "_line", "_mark", "_waiting")

    def __init__(self, capacities: Capacities, line: int) -> None:
        self._capacities = capacities
        self._line = np.array([line], np.int64)
        self._at_us = 0
        self._mark = 0.0
        self._waiting: list[tuple[float, int, int]] = []

    def come(self, at_us: int, length: int, who: int) -> None:
        """Everything up to `at_us` must have been taken by `ended`."""
        if self._waiting:
            self._mark += (self._work(at_us) - self._work(self._at_us)) / len(self._waiting)
        self._at_us = at_us
        heapq.heappush(self._waiting, (self._mark + length * UNIT, who, length))

    def next_us(self) -> int:
        """When the next transfer ends, if none comes before. There must be one."""
        mark = self._waiting[0][0]
        return self._time(self._work(self._at_us) + round((mark - self._mark) * len(self._waiting)))

    def ended(self, until_us: int) -> list[tuple[int, int, int]]:
        """(when, who, length) of the transfers that end by `until_us`, in order."""
        found = []
        while self._waiting and (when_us := self.next_us()) <= until_us:
            self._mark, who, length = heapq.heappop(self._waiting)
            self._at_us = when_us
            found.append((when_us, who, length))
        return found

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting)

    def _work(self, at_us: int) -> int:
        if not self._capacities.last:
            return at_us * int(self._capacities.rates[self._line[0], 0])
        return int(self._capacities.work_by(self._line, np.array([at_us], np.int64))[0])

    def _time(self, work: int) -> int:
        if not self._capacities.last:
            return max(-(-work // int(self._capacities.rates[self._line[0], 0])), self._at_us)
        at = np.array([self._at_us], np.int64)
        return max(int(self._capacities.time_of(self._line, np.array([work], np.int64), at)[0]), self._at_us)


def _changes(lines: Sequence[Line], begins_min: int) -> list[int]:
    """Minutes from the beginning at which any line changes its rate."""
    marks = {
        day * 1440 + minute
        for rule in {rule for line in lines for rule in line.rules}
        for day in range(7)
        for minute in (0, rule.begin_min, rule.end_min)
        if (rule.days, rule.begin_min, rule.end_min) != _ALWAYS
    }
    weeks = range(-1, LAST_DAY // 7 + 2)
    minutes = {mark + WEEK_MIN * week - begins_min for mark in marks for week in weeks}
    return sorted({0, *(minute for minute in minutes if minute > 0)})
