"""The loop: one trio task that serves very many sockets by plain callbacks, as a server or as a client.

It owns a private epoll set, and trio waits for that set's own descriptor. So trio wakes it once for a whole batch of
ready sockets: no task switch and no re-arming for each of them. How long it holds the thread is bounded, so that the
process's other tasks get their turns: while they have work, it takes no more time than they do. Timers are a heap;
trio's deadline is moved only when the earliest timer is another one.

Resource handling: `close` closes the epoll set; sockets are their owners'.
Error handling: an exception of a callback ends `run`. Those whose faults must not end it catch them.
"""

from __future__ import annotations

import contextlib
import heapq
import math
import select
from itertools import islice
from operator import length_hint
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Final, Protocol

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TURN_EVENTS: Final = 128
TURN_TIMERS: Final = 128
CLOCK_EVENTS: Final = 16  # after so many the clock is read
HOLD_S: Final = 0.003
# An answer of another task takes dozens of its steps, and each waits for us: while others work we hold the thread only
# for as long as they did, within these bounds.
SHARED_HOLD_S: Final = (0.0004, 0.002)
# trio's own loop takes less: only when it took longer others have worked.
ALONE_S: Final = 0.0001
SPIN_S: Final = 0.0002
ROUNDING_S: Final = 1e-6  # a timer that trio wakes us for is due then, however floats are rounded


class Target(Protocol):
    """Whoever has a descriptor in the set."""

    def ready(self, mask: int) -> None:
        """Something can be done; `mask` holds epoll's events."""


class Reactor:
    """`now_s` is the time of the present turn, on the given clock. `targets`: descriptor → whose it is.

    `modify(fd, interest)` changes which events a target is told of.
    """

    __slots__ = (
        "_active_s",
        "_armed_s",
        "_asleep",
        "_clock",
        "_epoll",
        "_events",
        "_on_turn",
        "_scope",
        "_serial",
        "_timers",
        "_yielded_s",
        "modify",
        "now_s",
        "poll",
        "targets",
    )

    def __init__(self, clock: Callable[[], float], on_turn: Callable[[float, int], None] | None = None) -> None:
        """`clock`: trio's, or a steady one that runs as fast. `on_turn(now_s, ready)` is called at the beginning of
        each turn with the number of targets that are ready, and with 0 when a turn goes on later."""
        self._clock = clock
        self._on_turn = on_turn
        self._epoll = select.epoll()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._serial = 0
        self._scope = trio.CancelScope()
        self._events: Iterator[tuple[int, int]] = iter(())  # those of the turn that are not served yet
        self._yielded_s = math.nan  # the thread's CPU time when others got it although we had more to do
        self._armed_s = math.inf  # when `_scope` wakes the task
        self._asleep = False
        self._active_s = 0.0  # when something was last done, by perf_counter()
        self.now_s = 0.0
        self.targets: dict[int, Target] = {}
        self.modify = self._epoll.modify
        self.poll = self._epoll.poll

    def add(self, fd: int, target: Target, interest: int) -> None:
        """Tell `target` of the events of `fd` in `interest`."""
        self._epoll.register(fd, interest)
        self.targets[fd] = target

    def remove(self, fd: int) -> None:
        """Tell of `fd` no more. It is still open."""
        del self.targets[fd]
        with contextlib.suppress(OSError):
            self._epoll.unregister(fd)

    def at(self, due_s: float, call: Callable[[], object]) -> None:
        """Call it at that time. A time that has passed is the next turn: the others come first."""
        self._serial += 1
        heapq.heappush(self._timers, (due_s, self._serial, call))
        if self._asleep and due_s < self._armed_s:
            self._arm(due_s)

    def close(self) -> None:
        """Close the set; nothing may be added or removed any more."""
        self._epoll.close()

    async def run(self) -> None:
        """Work until cancelled."""
        epoll_fd = self._epoll.fileno()
        while True:
            with trio.CancelScope() as self._scope:
                self._armed_s = math.inf
                while True:
                    self._take_turns()
                    due_s = self._timers[0][0] if self._timers else math.inf
                    if due_s <= self.now_s or not math.isnan(self._yielded_s):
                        await trio.lowlevel.checkpoint()
                        continue
                    if due_s != self._armed_s:
                        self._arm(due_s)
                    self._asleep = True
                    await trio.lowlevel.wait_readable(epoll_fd)

    def _arm(self, due_s: float) -> None:
        self._armed_s = due_s
        self._scope.deadline = trio.current_time() + (due_s - self._clock()) + ROUNDING_S

    def _take_turns(self) -> None:
        """Turn after turn while there is something to do, but no longer than `_hold_s()`: then other tasks get theirs,
        and what is ready keeps its place. Timers get half of that.

        Going back to trio and being woken again costs more than a small request. So where the last event came within
        `SPIN_S` of the one before, the set is watched for that long when all is served. Events that come singly are
        not waited for.
        """
        self._asleep = False
        begun_s = active_s = now_s = perf_counter()
        hold_s = self._hold_s()
        end_s, end_timers_s = begun_s + hold_s, begun_s + hold_s / 2
        offset_s = self._clock() - begun_s
        spin_s = SPIN_S if begun_s - self._active_s < SPIN_S else 0.0
        poll, targets, timers, on_turn = self.poll, self.targets, self._timers, self._on_turn
        events = self._events
        left = length_hint(events)
        if left and on_turn is not None:
            on_turn(now_s + offset_s, 0)
        while True:
            self.now_s = turn_s = now_s + offset_s
            if timers and timers[0][0] <= turn_s:
                # Before the set is asked: what a timer closes has no event on its way then.
                self._run_timers(turn_s, end_timers_s)
                active_s = now_s
            if not left:
                ready = poll(0, TURN_EVENTS)
                left = len(ready)
                events = self._events = iter(ready)
                if left and on_turn is not None:
                    on_turn(turn_s, left)
            if left:
                for fd, mask in islice(events, CLOCK_EVENTS):
                    target = targets.get(fd)
                    if target is not None:
                        target.ready(mask)
                left = length_hint(events)
                active_s = now_s = perf_counter()
            else:
                now_s = perf_counter()
                if now_s - active_s >= spin_s:
                    break
            if now_s > end_s:
                self._yielded_s = thread_time()
                break
        self._active_s = active_s

    def _hold_s(self) -> float:
        """For how long the thread may be held: as long as others have worked since we left it to them with work of
        ours undone, if they have."""
        others_s = thread_time() - self._yielded_s
        self._yielded_s = math.nan
        if others_s > ALONE_S:
            shortest_s, longest_s = SHARED_HOLD_S
            return min(max(others_s, shortest_s), longest_s)
        return HOLD_S

    def _run_timers(self, now_s: float, end_s: float) -> None:
        """Run those that are due; `end_s`: when targets get their turn, by perf_counter()."""
        if self._on_turn is not None:
            self._on_turn(now_s, 0)
        timers = self._timers
        for _ in range(TURN_TIMERS):
            if not timers or timers[0][0] > now_s:
                break
            heapq.heappop(timers)[2]()
            if perf_counter() > end_s:
                break
