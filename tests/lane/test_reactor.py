"""The loop: targets, timers, and that others get their turn. Time is virtual."""

from __future__ import annotations

import select
import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.lane import reactor as reactor_module
from distd.lane.reactor import HOLD_S, SHARED_HOLD_S, TURN_TIMERS, Reactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Target:
    """Reads what comes, and notes it with the time of the turn."""

    def __init__(self, reactor: Reactor, sock: socket.socket) -> None:
        self.reactor, self.sock = reactor, sock
        self.heard: list[bytes] = []
        reactor.add(sock.fileno(), self, select.EPOLLIN)

    def ready(self, mask: int) -> None:
        assert mask & select.EPOLLIN
        self.heard.append(self.sock.recv(100))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


async def test_timers_run_at_their_times_and_in_their_order(autojump_clock: trio.testing.MockClock) -> None:
    reactor = Reactor(trio.current_time)
    ran: list[tuple[float, float]] = []
    over = trio.Event()
    begun_s = trio.current_time()

    def note(delay_s: float) -> None:
        ran.append((delay_s, trio.current_time() - begun_s))

    for delay_s in (3.0, 1.0, 2.0, 1.0):
        reactor.at(begun_s + delay_s, partial(note, delay_s))
    reactor.at(begun_s + 4, over.set)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        await over.wait()
        nursery.cancel_scope.cancel()
    assert [delay_s for delay_s, _ in ran] == [1, 1, 2, 3]
    assert all(at_s == pytest.approx(delay_s, abs=0.01) for delay_s, at_s in ran)
    reactor.close()


async def test_a_timer_that_another_task_sets_wakes_the_loop(autojump_clock: trio.testing.MockClock) -> None:
    reactor = Reactor(trio.current_time)
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        reactor.at(trio.current_time() + 1000, over.set)
        await trio.testing.wait_all_tasks_blocked()
        sooner = trio.Event()
        begun_s = trio.current_time()
        reactor.at(begun_s + 5, sooner.set)
        await sooner.wait()
        assert trio.current_time() - begun_s == pytest.approx(5, abs=0.01)
        assert not over.is_set()
        nursery.cancel_scope.cancel()
    reactor.close()


async def test_targets_hear_of_what_comes_until_they_are_removed(pair: tuple[socket.socket, socket.socket]) -> None:
    turns: list[int] = []
    reactor = Reactor(trio.current_time, lambda now_s, ready: turns.append(ready))
    ours, theirs = pair
    target = Target(reactor, ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        theirs.send(b"first")
        await trio.testing.wait_all_tasks_blocked()
        assert target.heard == [b"first"]
        reactor.modify(ours.fileno(), 0)
        theirs.send(b"second")
        await trio.testing.wait_all_tasks_blocked()
        assert target.heard == [b"first"]
        reactor.modify(ours.fileno(), select.EPOLLIN)
        await trio.testing.wait_all_tasks_blocked()
        assert target.heard == [b"first", b"second"]
        reactor.remove(ours.fileno())
        theirs.send(b"third")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert target.heard == [b"first", b"second"]
    assert turns == [1, 1]
    reactor.close()


async def test_timers_without_end_starve_neither_targets_nor_other_tasks(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    reactor = Reactor(trio.current_time)
    target = Target(reactor, pair[0])
    calls = 0

    def again() -> None:
        nonlocal calls
        calls += 1
        reactor.at(reactor.now_s, again)

    async with trio.open_nursery() as nursery:
        again()
        nursery.start_soon(reactor.run)
        for number in range(3):
            pair[1].send(b"%d" % number)
            while len(target.heard) <= number:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert target.heard == [b"0", b"1", b"2"]
    assert calls > TURN_TIMERS
    reactor.close()


class Thread:
    """The clocks of a thread, on which work takes exactly as long as it says; `done` is who worked, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.done: list[str] = []
        for clock in ("perf_counter", "thread_time"):
            monkeypatch.setattr(reactor_module, clock, lambda: self.now_s)

    def work(self, who: str, seconds: float) -> None:
        self.done.append(who)
        self.now_s += seconds


class Others(trio.abc.Instrument):
    """Work between the loop's turns, once in each round of trio's; `idle_s`: how long each waited for its turn."""

    def __init__(self, thread: Thread, work_s: float) -> None:
        self._thread, self._work_s = thread, work_s
        self._left_s = 0.0
        self.idle_s: list[float] = []

    def before_io_wait(self, timeout: float) -> None:
        self.idle_s.append(self._thread.now_s - self._left_s)
        self._thread.work("other", self._work_s)
        self._left_s = self._thread.now_s


class Busy:
    """Always ready: what it is told of stays there."""

    def __init__(self, reactor: Reactor, sock: socket.socket, work: Callable[[], None]) -> None:
        self._work = work
        reactor.add(sock.fileno(), self, select.EPOLLOUT)

    def ready(self, mask: int) -> None:
        self._work()


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    pairs = [socket.socketpair() for _ in range(5)]
    yield [ours for ours, _ in pairs]
    for each in pairs:
        for one in each:
            one.close()


@pytest.mark.parametrize(
    ("others_s", "hold_s"),
    [(0.0, HOLD_S), (0.00005, HOLD_S), (0.0002, SHARED_HOLD_S[0]), (0.001, 0.001), (0.1, SHARED_HOLD_S[1])],
)
async def test_the_thread_is_held_as_long_as_others_work(
    sockets: list[socket.socket], monkeypatch: pytest.MonkeyPatch, others_s: float, hold_s: float
) -> None:
    thread, reactor = Thread(monkeypatch), Reactor(trio.current_time)
    for number, sock in enumerate(sockets):
        Busy(reactor, sock, partial(thread.work, str(number), 0.0001))
    others = Others(thread, others_s)
    trio.lowlevel.add_instrument(others)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        while len(others.idle_s) < 12:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(others)
    assert others.idle_s[3:12] == pytest.approx([hold_s] * 9, abs=len(sockets) * 0.0001 + 1e-6)
    reactor.close()


async def test_what_is_ready_keeps_its_place_when_others_get_the_thread(
    sockets: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few of them there is time for."""
    thread, reactor = Thread(monkeypatch), Reactor(trio.current_time)
    for number, sock in enumerate(sockets):
        Busy(reactor, sock, partial(thread.work, str(number), 0.01))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        while len(thread.done) < 40:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    for start in range(0, 40, 5):
        assert sorted(thread.done[start : start + 5]) == ["0", "1", "2", "3", "4"]
    reactor.close()


async def test_timers_get_half_of_the_time_at_most(
    sockets: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, reactor = Thread(monkeypatch), Reactor(trio.current_time)
    Busy(reactor, sockets[0], partial(thread.work, "target", 0.0001))

    def again() -> None:
        thread.work("timer", 0.0001)
        reactor.at(reactor.now_s, again)

    for _ in range(100):
        again()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        thread.done.clear()
        while len(thread.done) < 1000:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert 300 < thread.done.count("target") < 700
    reactor.close()


async def test_a_fault_of_a_callback_ends_the_loop() -> None:
    def trip() -> None:
        raise ZeroDivisionError

    reactor = Reactor(trio.current_time)
    reactor.at(0, trip)
    with pytest.raises(ZeroDivisionError):
        await reactor.run()
    reactor.close()
