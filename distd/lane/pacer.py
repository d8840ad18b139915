"""Limits of bandwidth: who may send how much now, and who waits until there is more.

Each rule has one token bucket, which all connections that it covers share; a rule with `each` has one for every
connection. A connection sends while none of its buckets is empty, and what it sent is taken out, into debt if need be.
On an empty one it waits in a queue, so that those who share it get slices in turn. A tick looks after the buckets whose
time has come; there is none while nobody waits, and a connection without buckets never comes here.

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
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from distd.domain import token_bucket
from distd.domain.bandwidth import MAX_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distd.domain.bandwidth import Rule
    from distd.lane.reactor import Reactor
    from distd.lane.turn import Turn

TICK_S: Final = 0.01
# What one connection may send in a turn before the others get theirs.
TURN_BYTES: Final = 1_048_576
# The same where a rule holds: the others in the queue do not wait long.
SLICE_BYTES: Final = 65_536
# What a bucket can hold, in seconds of its rate. It bridges a late wake-up, and over 10 s it is 2.5 %.
BURST_S: Final = 0.25
# A bucket with less is as good as empty: no packets of a few bytes.
MIN_SEND_BYTES: Final = 4096
# Buckets that are served before other tasks get their turn.
TICK_BUCKETS: Final = 128
_CELLS: Final = 2  # of a bucket: its level in bytes, and as of when
_BYTES: Final = _CELLS * 8


class Levels:
    """Room for the levels of `buckets` buckets; `fd` is that of memory that several processes share."""

    def __init__(self, buckets: int = MAX_RULES, fd: int | None = None) -> None:
        self._fd = fd
        memory = bytearray(buckets * _BYTES) if fd is None else mmap.mmap(fd, buckets * _BYTES)
        self.cells = memoryview(memory).cast("d")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; threads do not come here."""
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
    """A rule, whether it is in force now, and what follows from its rate.

    Sending goes on at `threshold_bytes`: the other half of a small bucket is for what comes until that is noticed.
    """

    __slots__ = ("bytes_per_s", "capacity_bytes", "is_active", "rule", "threshold_bytes")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.is_active = False
        self.bytes_per_s = rule.bytes_per_s
        self.capacity_bytes = rule.bytes_per_s * BURST_S
        self.threshold_bytes = min(MIN_SEND_BYTES, self.capacity_bytes / 2)


class Sender(Protocol):
    """Who sends under limits: a connection. `paused` is the bucket that it waits for."""

    address: str
    buckets: tuple[Bucket, ...]
    paused: Bucket | None

    def resume(self, waited_s: float) -> None:
        """Send on, after so long a wait."""


class Bucket:
    """What may still be sent under a limit. `waiting`: sender → since when, in the order of their turns."""

    __slots__ = ("_at", "_levels", "is_scheduled", "limit", "waiting")

    def __init__(self, limit: Limit, levels: Levels, index: int) -> None:
        self.limit = limit
        self.is_scheduled = False
        self.waiting: OrderedDict[Sender, float] = OrderedDict()
        self._levels = levels
        self._at = index * _CELLS

    def level(self) -> float:
        """The bytes that are there now."""
        cells, at, limit = self._levels.cells, self._at, self.limit
        with self._levels.locked():
            now_s = monotonic()  # after the wait for the lock, or another process would be ahead
            elapsed_s = now_s - cells[at + 1]
            cells[at] = token_bucket.refill(cells[at], elapsed_s, limit.bytes_per_s, limit.capacity_bytes)
            cells[at + 1] = now_s
            return cells[at]

    def allowance(self) -> int:
        """What may be sent at once; 0: wait."""
        if not self.limit.is_active:
            return TURN_BYTES
        level = self.level()
        return 0 if level < self.limit.threshold_bytes else min(max(int(level), 1), SLICE_BYTES)

    def spend(self, sent_bytes: int) -> None:
        """So much has been sent."""
        if self.limit.is_active:
            with self._levels.locked():
                self._levels.cells[self._at] -= sent_bytes

    def wait_s(self) -> float:
        """How long until something may be sent."""
        if not self.limit.is_active:
            return 0.0
        return token_bucket.wait_s(self.level(), self.limit.threshold_bytes, self.limit.bytes_per_s)


class Pacer:
    """The buckets of a lane, and the queue at each."""

    def __init__(self, turn: Turn, reactor: Reactor, levels: Levels | None) -> None:
        self._turn = turn
        self._reactor = reactor
        self._levels = levels or Levels()
        self._limits: list[Limit] = []
        self._buckets: list[Bucket] = []
        self._scheduled: list[tuple[float, int, Bucket]] = []
        self._number = count()
        self._served: Sender | None = None
        self._ticking = False

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Other rules; `assign` must follow for every sender."""
        self._limits = [Limit(rule) for rule in rules]
        shared = [limit for limit in self._limits if not limit.rule.each]
        self._buckets = [Bucket(limit, self._levels, index) for index, limit in enumerate(shared)]
        self.check_hours()

    def assign(self, sender: Sender) -> None:
        """Give a sender its buckets: its own, and those of its address. It waits for none of them then."""
        self._leave_queue(sender)
        covering = [limit for limit in self._limits if limit.rule.covers(sender.address)]
        own = [Bucket(limit, Levels(1), 0) for limit in covering if limit.rule.each]
        sender.buckets = (*own, *(bucket for bucket in self._buckets if bucket.limit in covering))

    def forget(self, sender: Sender) -> None:
        """The sender ends."""
        self._leave_queue(sender)
        sender.buckets = ()

    def _leave_queue(self, sender: Sender) -> None:
        if sender.paused is not None:
            del sender.paused.waiting[sender]
            sender.paused = None
            self._turn.counts.paused -= 1

    def allowance(self, sender: Sender) -> int:
        """What all its buckets allow it to send in this turn; 0: it now waits for one, until `resume`."""
        allowed_bytes = TURN_BYTES
        for bucket in sender.buckets:
            out_of_turn = bucket.waiting and sender is not self._served
            allowed = 0 if out_of_turn else bucket.allowance()
            if not allowed:
                self._pause(sender, bucket)
                return 0
            allowed_bytes = min(allowed_bytes, allowed)
        return allowed_bytes

    def _pause(self, sender: Sender, bucket: Bucket) -> None:
        bucket.waiting[sender] = self._turn.now_s
        sender.paused = bucket
        self._turn.counts.paused += 1
        self._schedule(bucket)
        if not self._ticking:
            self._ticking = True
            self._reactor.at(self._turn.now_s + TICK_S, self._tick)

    def _schedule(self, bucket: Bucket) -> None:
        if not bucket.is_scheduled:
            bucket.is_scheduled = True
            heapq.heappush(self._scheduled, (monotonic() + bucket.wait_s(), next(self._number), bucket))

    def _tick(self) -> None:
        """Resume those whose bucket has something for them again; once more as long as anybody waits."""
        ready = self._pop_ready(monotonic())
        for bucket in ready:
            bucket.is_scheduled = False
            self._serve_queue(bucket)
            if bucket.waiting:
                self._schedule(bucket)
        self._ticking = bool(self._scheduled)
        if self._ticking:
            more = len(ready) == TICK_BUCKETS
            self._reactor.at(self._turn.now_s + (0.0 if more else TICK_S), self._tick)

    def _pop_ready(self, now_s: float) -> list[Bucket]:
        ready: list[Bucket] = []
        while self._scheduled and self._scheduled[0][0] <= now_s and len(ready) < TICK_BUCKETS:
            ready.append(heapq.heappop(self._scheduled)[2])
        return ready

    def _serve_queue(self, bucket: Bucket) -> None:
        """One after the other, once through the queue at the most, while something is there."""
        for _ in range(len(bucket.waiting)):
            if not bucket.allowance():
                return
            sender, since_s = bucket.waiting.popitem(last=False)
            sender.paused = None
            self._turn.counts.paused -= 1
            self._served = sender
            sender.resume(self._turn.now_s - since_s)
            self._served = None

    def check_hours(self) -> None:
        """Which rules are in force now, to be asked every second. Who waits for one that is no more is due at once."""
        now = time.localtime()
        for limit in self._limits:
            limit.is_active = limit.rule.applies(now.tm_wday, now.tm_hour * 60 + now.tm_min)
        if any(not bucket.limit.is_active for _, _, bucket in self._scheduled):
            self._scheduled = [(0.0, number, bucket) for _, number, bucket in self._scheduled]
