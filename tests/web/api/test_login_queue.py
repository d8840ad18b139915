"""Whose password is checked next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.domain.login_pauses import LoginPauses
from distd.web.api.login_queue import MAX_WAIT_S, MAX_WAITING, MAX_WAITING_PER_PEER, LoginQueue
from distd.web.api.problems import TooManyAttempts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

CHECK_S = 0.05


class Door:
    """A queue whose checks take their time, the order in which they were made, and who was refused."""

    def __init__(self) -> None:
        self.pauses = LoginPauses(0.5)
        self.queue = LoginQueue(self._verify, self.pauses)
        self.order: list[str] = []
        self.refused: list[str] = []
        self.most = self.running = 0

    async def _verify(self, name: str, password: str) -> bool:
        self.order.append(password)
        self.running += 1
        self.most = max(self.most, self.running)
        await trio.sleep(CHECK_S)
        self.running -= 1
        return password == "right"

    async def _come(self, peer: str, name: str, password: str) -> None:
        try:
            await self.queue.check(peer, name, password)
        except TooManyAttempts:
            self.refused.append(password)

    async def come(self, nursery: trio.Nursery, comers: Sequence[tuple[str, str, str]]) -> None:
        """One after the other, within no time."""
        for peer, name, password in comers:
            nursery.start_soon(self._come, peer, name, password)
            await trio.testing.wait_all_tasks_blocked()


async def test_one_is_checked_at_a_time_and_the_newest_is_next(autojump_clock: MockClock) -> None:
    door = Door()
    async with trio.open_nursery() as nursery:
        await door.come(nursery, [(f"10.0.0.{number}", f"n{number}", str(number)) for number in range(5)])
    assert door.order == ["0", "4", "3", "2", "1"]
    assert door.most == 1
    assert len(door.queue) == 0


async def test_addresses_with_few_wrong_passwords_come_first_and_known_ones_before_them(
    autojump_clock: MockClock,
) -> None:
    door = Door()
    door.pauses.failed("bad", "x", 0)
    door.pauses.succeeded("known", "ada")
    async with trio.open_nursery() as nursery:
        comers = [("busy", "n", "0"), ("known", "ada", "k"), ("new", "eve", "n"), ("bad", "bob", "b")]
        await door.come(nursery, comers)
    assert door.order == ["0", "k", "n", "b"]


async def test_an_address_has_few_places_and_its_oldest_makes_room(autojump_clock: MockClock) -> None:
    door = Door()
    async with trio.open_nursery() as nursery:
        await door.come(nursery, [("here", f"n{number}", str(number)) for number in range(MAX_WAITING_PER_PEER + 4)])
        assert len(door.queue) == MAX_WAITING_PER_PEER
        await door.come(nursery, [("there", "ada", "right")])
    assert door.refused == ["1", "2", "3"]
    assert door.order[1] == "right"


async def test_the_queue_is_bounded_and_who_waits_most_makes_room(autojump_clock: MockClock) -> None:
    door = Door()
    async with trio.open_nursery() as nursery:
        await door.come(nursery, [("first", "n", "first")] + [("two", "n", f"two {number}") for number in range(2)])
        await door.come(nursery, [(f"10.0.0.{number}", "n", str(number)) for number in range(MAX_WAITING)])
        assert len(door.queue) == MAX_WAITING
        assert door.refused[0] == "two 0"
        assert len(door.refused) == 2
        nursery.cancel_scope.cancel()
    assert len(door.queue) == 0


async def test_a_pause_is_waited_for_while_others_pass(autojump_clock: MockClock) -> None:
    door = Door()
    for _ in range(20):
        door.pauses.failed("bad", "eve", trio.current_time())
    async with trio.open_nursery() as nursery:
        await door.come(nursery, [("bad", "bob", "b"), ("good", "ada", "right")])
    assert door.order == ["right", "b"]
    assert trio.current_time() >= 0.5


async def test_nobody_waits_for_ever(autojump_clock: MockClock) -> None:
    door = Door()
    door.pauses.limit(60)
    for _ in range(20):
        door.pauses.failed("bad", "eve", trio.current_time())
    begun_s = trio.current_time()
    with pytest.raises(TooManyAttempts, match="log-in: too many passwords are being tried"):
        await door.queue.check("bad", "eve", "x")
    assert trio.current_time() - begun_s == MAX_WAIT_S
    assert len(door.queue) == 0


async def test_a_fault_of_the_check_lets_the_next_one_in(autojump_clock: MockClock) -> None:
    door = Door()

    async def verify(name: str, password: str) -> bool:
        raise OSError(name)

    queue = LoginQueue(verify, door.pauses)
    for _ in range(2):
        with pytest.raises(OSError, match="ada"):
            await queue.check("here", "ada", "x")
