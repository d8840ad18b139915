"""The loop: targets, timers, and that others get their turn. Time is virtual."""

from __future__ import annotations

import select
import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.lane.reactor import TURN_TIMERS, Reactor

if TYPE_CHECKING:
    from collections.abc import Iterator


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


async def test_a_fault_of_a_callback_ends_the_loop() -> None:
    def trip() -> None:
        raise ZeroDivisionError

    reactor = Reactor(trio.current_time)
    reactor.at(0, trip)
    with pytest.raises(ZeroDivisionError):
        await reactor.run()
    reactor.close()
