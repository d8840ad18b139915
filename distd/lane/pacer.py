"""Limits of bandwidth: who may send how much now, and who waits until there is more.

Each rule has one bucket, which all connections that it covers share; a rule with `each` has one for every connection.
A connection sends while none of its buckets is empty, and pays what it sent into their debt. On an empty one it waits
in line, so that those who share it get slices in turn. A tick looks after the buckets whose time has come; there is
none while nobody waits, and a connection without buckets never comes here.

The processes of one server share the buckets' levels in mapped memory (`Levels`).
"""

from __future__ import annotations

import fcntl
import heapq
import mmap
import os
import time
from collections import OrderedDict
from contextlib import contextmanager
from itertools import count
from select import EPOLLOUT
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.bandwidth import MAX_RULES, least, refill, wait_s
from distd.lane.connection import TURN_BYTES, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distd.domain.bandwidth import Rule
    from distd.lane.connection import Connection
    from distd.lane.server import Lane

TICK_S: Final = 0.01
# Nobody gets more at once, so that the others in the line do not wait long.
SLICE_BYTES: Final = 65_536
_CELLS: Final = 2  # of a bucket: its level in bytes, and as of when
# Buckets that are served before other tasks get their turn.
TICK_BUCKETS: Final = 128
_BYTES: Final = _CELLS * 8


class Levels:
    """Room for the levels of `buckets` buckets; `fd` is that of memory that several processes share."""

    def __init__(self, buckets: int = MAX_RULES, fd: int | None = None) -> None:
        self._fd = fd
        memory = bytearray(buckets * _BYTES) if fd is None else mmap.mmap(fd, buckets * _BYTES)
        self.cells = memoryview(memory).cast("d")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out. Threads are none of this module's."""
        if self._fd is None:
            yield
            return
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)


def make_shared() -> int:
    """The descriptor of memory for `Levels`, to be passed to the processes that share them."""
    fd = os.memfd_create("distd-bandwidth", 0)
    os.ftruncate(fd, MAX_RULES * _BYTES)
    return fd


class Limit:
    """A rule, and whether it is in force now."""

    __slots__ = ("on", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.on = False


class Bucket:
    """What may still be sent under a limit. `waiting`: connection → since when, in the order of their turns."""

    __slots__ = ("_at", "_levels", "due", "limit", "waiting")

    def __init__(self, limit: Limit, levels: Levels, index: int) -> None:
        self.limit = limit
        self.due = False
        self.waiting: OrderedDict[Connection, float] = OrderedDict()
        self._levels = levels
        self._at = index * _CELLS

    def level(self) -> float:
        """The bytes that are there now."""
        cells, at = self._levels.cells, self._at
        with self._levels.locked():
            now_s = time.monotonic()  # after the wait for the lock, or another process would be ahead
            cells[at] = refill(cells[at], now_s - cells[at + 1], self.limit.rule.bytes_per_s)
            cells[at + 1] = now_s
            return cells[at]

    def allowance(self) -> int:
        """What may be sent at once; 0: wait."""
        if not self.limit.on:
            return TURN_BYTES
        level = self.level()
        return 0 if level < least(self.limit.rule.bytes_per_s) else min(max(int(level), 1), SLICE_BYTES)

    def spend(self, sent_bytes: int) -> None:
        if self.limit.on:
            with self._levels.locked():
                self._levels.cells[self._at] -= sent_bytes

    def wait_s(self) -> float:
        return wait_s(self.level(), self.limit.rule.bytes_per_s) if self.limit.on else 0.0


class Pacer:
    """The buckets of a lane, and the line at each."""

    def __init__(self, lane: Lane, levels: Levels | None) -> None:
        self._lane = lane
        self._levels = levels or Levels()
        self._limits: list[Limit] = []
        self._buckets: list[Bucket] = []
        self._due: list[tuple[float, int, Bucket]] = []
        self._number = count()
        self._served: Connection | None = None
        self._someone = trio.Event()

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Other rules; `assign` must follow for every connection."""
        self._limits = [Limit(rule) for rule in rules]
        shared = [limit for limit in self._limits if not limit.rule.each]
        self._buckets = [Bucket(limit, self._levels, index) for index, limit in enumerate(shared)]
        self.look_at_clock()

    def assign(self, connection: Connection) -> None:
        """Give a connection its buckets: its own, and those of its address."""
        self._leave_line(connection)
        covering = [limit for limit in self._limits if limit.rule.covers(connection.address)]
        own = [Bucket(limit, Levels(1), 0) for limit in covering if limit.rule.each]
        connection.buckets = (*own, *(bucket for bucket in self._buckets if bucket.limit in covering))
        if connection.state is State.WRITING:
            connection.want(EPOLLOUT)

    def forget(self, connection: Connection) -> None:
        self._leave_line(connection)
        connection.buckets = ()

    def _leave_line(self, connection: Connection) -> None:
        if connection.paused is not None:
            del connection.paused.waiting[connection]
            connection.paused = None
            self._lane.counts.paused -= 1

    def transmit(self, connection: Connection) -> bool:
        """As `Connection.transmit`, as far as all its buckets allow; on an empty one it waits in line."""
        budget_bytes = TURN_BYTES
        for bucket in connection.buckets:
            out_of_turn = bucket.waiting and connection is not self._served
            allowed = 0 if out_of_turn else bucket.allowance()
            if not allowed:
                self._pause(connection, bucket)
                return False
            budget_bytes = min(budget_bytes, allowed)
        return connection.transmit(budget_bytes)

    def _pause(self, connection: Connection, bucket: Bucket) -> None:
        bucket.waiting[connection] = self._lane.now_s
        connection.paused = bucket
        self._lane.counts.paused += 1
        self._note_due(bucket)
        self._someone.set()

    def _note_due(self, bucket: Bucket) -> None:
        if not bucket.due:
            bucket.due = True
            heapq.heappush(self._due, (time.monotonic() + bucket.wait_s(), next(self._number), bucket))

    async def run(self) -> None:
        """Wake those whose bucket has something for them again, for ever."""
        while True:
            await self._someone.wait()
            await trio.sleep(TICK_S)
            self._lane.tell_time()
            while self._tick():
                await trio.lowlevel.checkpoint()
            if not self._due:
                self._someone = trio.Event()

    def _tick(self) -> bool:
        """True: more is due already."""
        now_s = time.monotonic()
        ready: list[Bucket] = []
        while self._due and self._due[0][0] <= now_s and len(ready) < TICK_BUCKETS:
            ready.append(heapq.heappop(self._due)[2])
        for bucket in ready:
            bucket.due = False
            self._serve_line(bucket)
            if bucket.waiting:
                self._note_due(bucket)
        return len(ready) == TICK_BUCKETS

    def _serve_line(self, bucket: Bucket) -> None:
        """One after the other, once round the line at the most, while something is there."""
        for _ in range(len(bucket.waiting)):
            if not bucket.allowance():
                return
            connection, since_s = bucket.waiting.popitem(last=False)
            connection.paused = None
            self._lane.counts.paused -= 1
            connection.deadline_s += self._lane.now_s - since_s  # this wait was none of the peer's
            self._served = connection
            self._lane.wake(connection)
            self._served = None

    def look_at_clock(self) -> None:
        """Which rules are in force now, to be asked every second. Who waits for one that is no more is due at once."""
        now = time.localtime()
        for limit in self._limits:
            limit.on = limit.rule.applies(now.tm_wday, now.tm_hour * 60 + now.tm_min)
        if any(not bucket.limit.on for _, _, bucket in self._due):
            self._due = [(0.0, number, bucket) for _, number, bucket in self._due]
