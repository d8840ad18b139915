"""The slots of connections that are handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.domain.request_rates import RequestRates
from distd.server.slots import (
    HEALTH_SLOTS,
    MAX_WAIT_S,
    MAX_WAITING,
    MAX_WAITING_PER_ADDRESS,
    Purpose,
    SlotQueue,
    Slots,
    purpose_of,
)

if TYPE_CHECKING:
    from trio.testing import MockClock


@pytest.mark.parametrize(
    ("path", "purpose"),
    [
        (b"/healthz", Purpose.HEALTH),
        (b"/metrics", Purpose.HEALTH),
        (b"/metrics/x", Purpose.OPERATORS),
        (b"/api/v1/mirror/join", Purpose.MIRRORS),
        (b"/api/v1/mirrors", Purpose.OPERATORS),
        (b"/", Purpose.OPERATORS),
    ],
)
def test_what_a_connection_is_for(path: bytes, purpose: Purpose) -> None:
    assert purpose_of(path) is purpose


def test_no_kind_takes_slots_of_another() -> None:
    slots = Slots(20, 5)
    taken = [slots.take(Purpose.MIRRORS, f"10.0.0.{number}") for number in range(25)]
    assert taken == [""] * 20 + ["web_connections"] * 5
    assert slots.take(Purpose.OPERATORS, "10.0.0.1") == ""
    assert [slots.take(Purpose.HEALTH, f"10.0.0.{number}") for number in range(HEALTH_SLOTS)] == [""] * HEALTH_SLOTS
    assert slots.take(Purpose.HEALTH, "10.0.1.1") == "web_connections"


def test_an_address_has_its_share_until_it_gives_back() -> None:
    slots = Slots(20, 2)
    taken = [slots.take(Purpose.OPERATORS, "a") for _ in range(3)]
    assert taken == ["", "", "web_connections_per_address"]
    assert slots.take(Purpose.OPERATORS, "b") == ""
    slots.give_back(Purpose.OPERATORS, "a")
    assert slots.take(Purpose.OPERATORS, "a") == ""
    assert len(slots) == 3


def test_other_limits_are_for_those_who_come() -> None:
    slots = Slots(20, 20)
    for _ in range(3):
        slots.take(Purpose.OPERATORS, "a")
    slots.limit(20, 2)
    assert slots.take(Purpose.OPERATORS, "a") == "web_connections_per_address"
    slots.limit(3, 20)
    assert slots.take(Purpose.OPERATORS, "b") == "web_connections"
    for _ in range(3):
        slots.give_back(Purpose.OPERATORS, "a")
    assert len(slots) == 0
    assert slots.take(Purpose.OPERATORS, "b") == ""


class Waiters:
    """Those who ask a queue with one slot for each address, and what they got."""

    def __init__(self, total: int = 1000, per_s: int = 100_000) -> None:
        self.queue = SlotQueue(Slots(total, 1), RequestRates(per_s))
        self.got: dict[str, str] = {}

    async def _ask(self, name: str, address: str) -> None:
        self.got[name] = await self.queue.take(Purpose.OPERATORS, address)

    async def come(self, nursery: trio.Nursery, *names: str, address: str = "a") -> None:
        for name in names:
            nursery.start_soon(self._ask, name, address)
            await trio.testing.wait_all_tasks_blocked()


async def test_the_newest_gets_the_slot_that_is_given_back(autojump_clock: MockClock) -> None:
    waiters = Waiters()
    async with trio.open_nursery() as nursery:
        await waiters.come(nursery, "1", "2", "3")
        await waiters.come(nursery, "4", address="b")
        assert waiters.got == {"1": "", "4": ""}
        waiters.queue.give_back(Purpose.OPERATORS, "a")
        await trio.testing.wait_all_tasks_blocked()
        assert waiters.got["3"] == ""
        begun_s = trio.current_time()
    assert waiters.got["2"] == "web_connections_per_address"
    assert trio.current_time() - begun_s == MAX_WAIT_S


async def test_few_wait_of_an_address_and_some_of_all(autojump_clock: MockClock) -> None:
    waiters = Waiters()
    names = [str(number) for number in range(MAX_WAITING_PER_ADDRESS + 3)]
    async with trio.open_nursery() as nursery:
        await waiters.come(nursery, *names)
        assert waiters.got == {"0": ""} | dict.fromkeys(("1", "2"), "web_connections_per_address")
    waiters = Waiters(total=1)
    async with trio.open_nursery() as nursery:
        for number in range(MAX_WAITING + 3):
            await waiters.come(nursery, str(number), address=str(number))
        assert waiters.got == {"0": ""} | dict.fromkeys(("1", "2"), "web_connections")


async def test_who_is_cancelled_leaves_no_slot_taken(autojump_clock: MockClock) -> None:
    waiters = Waiters()
    async with trio.open_nursery() as nursery:
        await waiters.come(nursery, "1", "2")
        nursery.cancel_scope.cancel()
        waiters.queue.give_back(Purpose.OPERATORS, "a")  # to one who does not know yet that it is cancelled
    assert await waiters.queue.take(Purpose.OPERATORS, "a") == ""


async def test_one_who_comes_too_often_waits_and_is_refused_beyond(autojump_clock: MockClock) -> None:
    waiters = Waiters(per_s=2)
    async with trio.open_nursery() as nursery:
        await waiters.come(nursery, "now", "later", "latest", "later than that", "last", "refused")
        assert waiters.got == {"now": "", "refused": "web_requests_per_s_per_address"}
        begun_s = trio.current_time()
        await waiters.come(nursery, "other", address="b")
        assert waiters.got["other"] == ""
        waiters.queue.give_back(Purpose.OPERATORS, "a")
        await trio.sleep(0.6)
        assert waiters.got["later"] == ""
        assert trio.current_time() == pytest.approx(begun_s + 0.6)
        nursery.cancel_scope.cancel()
