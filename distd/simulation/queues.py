"""Lines and mirrors as queues: who asks when, and when its last byte has come.

Work is counted in thousandths of a byte: a rate of 1 kB/s does one in a microsecond. So all is whole numbers, and the
same whichever way it is computed.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from distd.simulation.world import HORIZON_US, LAST_DAY, MINUTE_US, WEEK_MIN, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Longs = NDArray[np.int64]

UNIT: Final = 1000
_LARGEST: Final = 2**62
FAR_US: Final = HORIZON_US + 1440 * MINUTE_US  # whatever comes after the horizon comes then
_ALWAYS: Final = (frozenset(range(7)), 0, 1440)


class Capacities:
    """What each of several lines can do over time: piecewise constant rates."""

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self.limited: NDArray[np.bool_] = np.array([bool(line.rules) for line in lines], bool)
        minutes = _changes(lines, begins_min)
        self.starts_us: Longs = np.array(minutes, np.int64) * MINUTE_US
        rates = [[line.kilobytes_per_s(minute + begins_min) for minute in minutes] for line in lines]
        self.rates: Longs = np.array(rates, np.int64).reshape(len(lines), len(minutes))
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

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self.capacities = Capacities([line.shared for line in lines], begins_min)
        self._free: Longs = np.zeros(len(lines), np.int64)  # the work after which each is free
        self._free_us: Longs = np.zeros(len(lines), np.int64)

    def leave(self, line: NDArray[Any], at_us: Longs, length: Longs) -> tuple[Longs, Longs]:
        """When each transfer that comes to `line` at `at_us` (sorted) is first served, and when it is through:
        Lindley's recursion, all at once."""
        limited = self.capacities.limited[line]
        if not limited.any():
            return at_us, at_us
        if limited.all():
            return self._leave(line, at_us, length)
        begun_us, left_us = at_us.copy(), at_us.copy()
        begun_us[limited], left_us[limited] = self._leave(line[limited], at_us[limited], length[limited])
        return begun_us, left_us

    def _leave(self, line: NDArray[Any], at_us: Longs, length: Longs) -> tuple[Longs, Longs]:
        order = np.argsort(line, kind="stable")
        line, at_us, work = line[order], at_us[order], length[order] * UNIT
        first = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
        last = np.append(first[1:], len(line)) - 1
        before = np.cumsum(work) - work
        segment = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(line))))
        before -= before[first][segment]
        slack = self.capacities.work_by(line, at_us) - before
        slack[first] = np.maximum(slack[first], self._free[line[first]])
        through = _running_max(slack, segment) + before + work
        left_us = np.minimum(self.capacities.time_of(line, through, at_us), FAR_US)
        begun_us = np.concatenate([[0], left_us[:-1]])
        begun_us[first] = self._free_us[line[first]]
        self._free[line[last]], self._free_us[line[last]] = through[last], left_us[last]
        asked = np.empty_like(order)
        asked[order] = np.arange(len(order))
        return np.maximum(begun_us, at_us)[asked], left_us[asked]

    def drop(self, line: int) -> None:
        """Whoever waits at it is sent away."""
        self._free[line] = self._free_us[line] = 0


class Own:
    """Lines on which every transfer has the whole rate for itself: none waits for another."""

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self.capacities = Capacities([line.own for line in lines], begins_min)

    def leave(self, line: NDArray[Any], at_us: Longs, length: Longs) -> Longs:
        """When each transfer that comes to `line` at `at_us` is through."""
        limited = self.capacities.limited[line]
        if not limited.any():
            return at_us
        left_us, line, begun_us = at_us.copy(), line[limited], at_us[limited]
        work = self.capacities.work_by(line, begun_us) + length[limited] * UNIT
        left_us[limited] = np.minimum(self.capacities.time_of(line, work, begun_us), FAR_US)
        return left_us


class Desk:
    """Servers that answer requests one after the other, each so many a second; 0: any number."""

    def __init__(self, per_s: int, servers: int) -> None:
        # A request is to them what a kilobyte is to a line of as many kB/s.
        line = Line.of(per_s * 1000) if per_s else Line()
        self._fifo = Fifo([line] * servers, 0)

    def answer(self, server: NDArray[Any], at_us: Longs) -> Longs:
        """When each request that comes to `server` at `at_us` (sorted) is answered."""
        return self._fifo.leave(server, at_us, np.full_like(at_us, 1000))[1]

    def drop(self, server: int) -> None:
        """Whoever waits at it is sent away."""
        self._fifo.drop(server)


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

    __slots__ = ("_at_us", "_begun_us", "_bytes", "_capacities", "_line", "_mark", "_spells", "_waiting")

    def __init__(self, capacities: Capacities, line: int) -> None:
        self._capacities = capacities
        self._line = np.array([line], np.int64)
        self._at_us = self._begun_us = self._bytes = 0
        self._mark = 0.0
        self._waiting: list[tuple[float, int, int]] = []
        self._spells: list[tuple[int, int, int]] = []  # (begin, end, bytes) of each time in which it was never idle

    def come(self, at_us: int, length: int, who: int) -> None:
        """Everything up to `at_us` must have been taken by `ended`."""
        if self._waiting:
            self._mark += (self._work(at_us) - self._work(self._at_us)) / len(self._waiting)
        else:
            self._begun_us, self._bytes = at_us, 0
        self._at_us = at_us
        self._bytes += length
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
            if not self._waiting:
                self._spells.append((self._begun_us, when_us, self._bytes))
        return found

    def all_spells(self, until_us: int) -> list[tuple[int, int, int]]:
        """Also of the one that is not over."""
        if not self._waiting:
            return self._spells
        done = (self._work(until_us) - self._work(self._begun_us)) // UNIT
        return [*self._spells, (self._begun_us, until_us, min(done, self._bytes))]

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting)

    def _work(self, at_us: int) -> int:
        if not self._capacities.last:
            return at_us * int(self._capacities.rates[self._line[0], 0])
        return int(self._capacities.work_by(self._line, np.array([at_us], np.int64))[0])

    def _time(self, work: int) -> int:
        if not self._capacities.last:
            found = -(-work // int(self._capacities.rates[self._line[0], 0]))
        else:
            at = np.array([self._at_us], np.int64)
            found = int(self._capacities.time_of(self._line, np.array([work], np.int64), at)[0])
        return min(max(found, self._at_us), FAR_US)


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
