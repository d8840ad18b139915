"""Lines and servers as queues: when a transfer arrives, when it is served, when it ends.

Work is counted in thousandths of a byte: a rate of 1 kB/s does one in a microsecond. So all numbers are whole, and the
result does not depend on the way it is computed.

==================  ==================================================================
class               discipline
==================  ==================================================================
`FifoLines`         first come, first served: one transfer after the other
`RequestServers`    first come, first served: each request takes the same time
`PerTransferLines`  no queue: each transfer has the whole rate for itself
`SharedLine`        processor sharing: all transfers at once, in equal parts
==================  ==================================================================
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from distd.domain.units import DAY_MIN, WEEK_MIN
from distd.simulation.world import HORIZON_DAYS, HORIZON_US, MINUTE_US, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Longs = NDArray[np.int64]

WORK_PER_BYTE: Final = 1000
_LARGEST: Final = 2**62
BEYOND_HORIZON_US: Final = HORIZON_US + DAY_MIN * MINUTE_US  # of all that ends after the horizon
_ALWAYS: Final = (frozenset(range(7)), 0, DAY_MIN)


class Capacity:
    """What each of several lines can carry over time: rates that are constant in pieces."""

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self.limited: NDArray[np.bool_] = np.array([bool(line.rules) for line in lines], bool)
        minutes = _changes(lines, begins_min)
        self.starts_us: Longs = np.array(minutes, np.int64) * MINUTE_US
        rates = [[line.kilobytes_per_s(minute + begins_min) for minute in minutes] for line in lines]
        self.rates: Longs = np.array(rates, np.int64).reshape(len(lines), len(minutes))
        # The most work that can be done by the start of each piece.
        done = np.cumsum(self.rates[:, :-1] * np.diff(self.starts_us), axis=1)
        self.done: Longs = np.concatenate([np.zeros((len(lines), 1), np.int64), done], axis=1)
        self.last = len(minutes) - 1

    def work_until(self, line: Longs, at_us: Longs) -> Longs:
        """The most work that each line can have done by each time."""
        if not self.last:
            return np.asarray(at_us * self.rates[line, 0])
        piece = np.searchsorted(self.starts_us, at_us, "right") - 1
        return self.done[line, piece] + (at_us - self.starts_us[piece]) * self.rates[line, piece]

    def time_when_done(self, line: Longs, work: Longs, after_us: Longs) -> Longs:
        """When each line can have done so much work, rounded up. It is later than `after_us`."""
        if not self.last:
            return np.asarray(-(-work // self.rates[line, 0]))
        piece = np.searchsorted(self.starts_us, after_us, "right") - 1
        while True:
            beyond = (piece < self.last) & (work > self.done[line, np.minimum(piece + 1, self.last)])
            if not beyond.any():
                break
            piece = piece + beyond
        return self.starts_us[piece] - (self.done[line, piece] - work) // self.rates[line, piece]


class FifoLines:
    """Lines that serve one transfer after the other. Transfers are to be given in the order of their arrival."""

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self.capacity = Capacity([line.shared for line in lines], begins_min)
        self._free: Longs = np.zeros(len(lines), np.int64)  # the work after which each is idle
        self._free_us: Longs = np.zeros(len(lines), np.int64)

    def serve(self, line: NDArray[Any], at_us: Longs, length: Longs) -> tuple[Longs, Longs]:
        """When each transfer that arrives at `line` at `at_us` (sorted) is first served, and when it ends.

        This is Lindley's recursion, for all transfers at once: a running maximum.
        """
        limited = self.capacity.limited[line]
        if not limited.any():
            return at_us, at_us
        if limited.all():
            return self._serve(line, at_us, length)
        start_us, end_us = at_us.copy(), at_us.copy()
        start_us[limited], end_us[limited] = self._serve(line[limited], at_us[limited], length[limited])
        return start_us, end_us

    def _serve(self, line: NDArray[Any], at_us: Longs, length: Longs) -> tuple[Longs, Longs]:
        order = np.argsort(line, kind="stable")
        line, at_us, work = line[order], at_us[order], length[order] * WORK_PER_BYTE
        first = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
        last = np.append(first[1:], len(line)) - 1
        before = np.cumsum(work) - work
        segment = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(line))))
        before -= before[first][segment]
        earliest = self.capacity.work_until(line, at_us) - before
        earliest[first] = np.maximum(earliest[first], self._free[line[first]])
        through = _running_max(earliest, segment) + before + work
        end_us = np.minimum(self.capacity.time_when_done(line, through, at_us), BEYOND_HORIZON_US)
        start_us = np.concatenate([[0], end_us[:-1]])
        start_us[first] = self._free_us[line[first]]
        self._free[line[last]], self._free_us[line[last]] = through[last], end_us[last]
        asked = np.empty_like(order)
        asked[order] = np.arange(len(order))
        return np.maximum(start_us, at_us)[asked], end_us[asked]

    def clear(self, line: int) -> None:
        """Forget all transfers that wait for the line."""
        self._free[line] = self._free_us[line] = 0


class PerTransferLines:
    """Lines that give every transfer the whole rate: none waits for another."""

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self.capacity = Capacity([line.per_transfer for line in lines], begins_min)

    def serve(self, line: NDArray[Any], at_us: Longs, length: Longs) -> Longs:
        """When each transfer that arrives at `line` at `at_us` ends."""
        limited = self.capacity.limited[line]
        if not limited.any():
            return at_us
        end_us, line, start_us = at_us.copy(), line[limited], at_us[limited]
        work = self.capacity.work_until(line, start_us) + length[limited] * WORK_PER_BYTE
        end_us[limited] = np.minimum(self.capacity.time_when_done(line, work, start_us), BEYOND_HORIZON_US)
        return end_us


class RequestServers:
    """Servers that answer requests one after the other, each `per_s` a second; 0: any number."""

    def __init__(self, per_s: int, servers: int) -> None:
        # A request is to them what a kilobyte is to a line of as many kB/s.
        line = Line.of(per_s * 1000) if per_s else Line()
        self._lines = FifoLines([line] * servers, 0)

    def answer(self, server: NDArray[Any], at_us: Longs) -> Longs:
        """When each request that arrives at `server` at `at_us` (sorted) is answered."""
        return self._lines.serve(server, at_us, np.full_like(at_us, 1000))[1]

    def clear(self, server: int) -> None:
        """Forget all requests that wait for the server."""
        self._lines.clear(server)


def _running_max(values: Longs, segment: Longs) -> Longs:
    """The running maximum of each segment by itself: each segment is lifted above the one before."""
    low = values.min()
    height = int(values.max() - low) + 1
    if height * (int(segment[-1]) + 1) >= _LARGEST:
        parts = np.split(values, np.flatnonzero(np.diff(segment)) + 1)
        return np.concatenate([np.maximum.accumulate(part) for part in parts])
    lift = segment * height
    return np.asarray(np.maximum.accumulate(values - low + lift) - lift + low)


class SharedLine:
    """One line that serves all its transfers at once, in equal parts (processor sharing).

    Virtual time is the work that each transfer present has got; a transfer ends at a virtual time that is known when it
    arrives, so a heap of these is all that is kept. Virtual time advances only when a transfer arrives or ends, so the
    result does not depend on how often it is asked for.
    """

    __slots__ = (
        "_at_us",
        "_busy_periods",
        "_busy_since_us",
        "_bytes",
        "_capacity",
        "_line",
        "_transfers",
        "_virtual_time",
    )

    def __init__(self, capacity: Capacity, line: int) -> None:
        self._capacity = capacity
        self._line = np.array([line], np.int64)
        self._at_us = self._busy_since_us = self._bytes = 0
        self._virtual_time = 0.0
        self._transfers: list[tuple[float, int, int]] = []
        self._busy_periods: list[tuple[int, int, int]] = []  # (start, end, bytes)

    def arrive(self, at_us: int, length: int, agent: int) -> None:
        """A transfer begins. `pop_finished` must have taken all that end by `at_us`."""
        if self._transfers:
            self._virtual_time += (self._work(at_us) - self._work(self._at_us)) / len(self._transfers)
        else:
            self._busy_since_us, self._bytes = at_us, 0
        self._at_us = at_us
        self._bytes += length
        heapq.heappush(self._transfers, (self._virtual_time + length * WORK_PER_BYTE, agent, length))

    def next_end_us(self) -> int:
        """When the next transfer ends, if none arrives before. There must be one."""
        due = self._transfers[0][0]
        return self._time(self._work(self._at_us) + round((due - self._virtual_time) * len(self._transfers)))

    def pop_finished(self, until_us: int) -> list[tuple[int, int, int]]:
        """(end, agent, length) of the transfers that end by `until_us`, in order."""
        found = []
        while self._transfers and (when_us := self.next_end_us()) <= until_us:
            self._virtual_time, agent, length = heapq.heappop(self._transfers)
            self._at_us = when_us
            found.append((when_us, agent, length))
            if not self._transfers:
                self._busy_periods.append((self._busy_since_us, when_us, self._bytes))
        return found

    def busy_periods(self, until_us: int) -> list[tuple[int, int, int]]:
        """(start, end, bytes) of each time in which the line was never idle; the last may not have ended."""
        if not self._transfers:
            return self._busy_periods
        done = (self._work(until_us) - self._work(self._busy_since_us)) // WORK_PER_BYTE
        return [*self._busy_periods, (self._busy_since_us, until_us, min(done, self._bytes))]

    @property
    def is_busy(self) -> bool:
        """Whether there is a transfer on it."""
        return bool(self._transfers)

    def _work(self, at_us: int) -> int:
        if not self._capacity.last:
            return at_us * int(self._capacity.rates[self._line[0], 0])
        return int(self._capacity.work_until(self._line, np.array([at_us], np.int64))[0])

    def _time(self, work: int) -> int:
        if not self._capacity.last:
            found = -(-work // int(self._capacity.rates[self._line[0], 0]))
        else:
            at = np.array([self._at_us], np.int64)
            found = int(self._capacity.time_when_done(self._line, np.array([work], np.int64), at)[0])
        return min(max(found, self._at_us), BEYOND_HORIZON_US)


def _changes(lines: Sequence[Line], begins_min: int) -> list[int]:
    """Minutes from the beginning at which a line changes its rate."""
    marks = {
        day * DAY_MIN + minute
        for rule in {rule for line in lines for rule in line.rules}
        for day in range(7)
        for minute in (0, rule.begin_min, rule.end_min)
        if (rule.days, rule.begin_min, rule.end_min) != _ALWAYS
    }
    weeks = range(-1, HORIZON_DAYS // 7 + 2)
    minutes = {mark + WEEK_MIN * week - begins_min for mark in marks for week in weeks}
    return sorted({0, *(minute for minute in minutes if minute > 0)})
