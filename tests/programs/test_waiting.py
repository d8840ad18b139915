from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.programs import waiting
from tests.programs.waiting import await_until, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeTime:
    """A clock that only a sleep moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def true_at(call: int) -> Callable[[], bool]:
    """A condition that is true from the call with this number on."""
    calls = itertools.count(1)
    return lambda: next(calls) >= call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    clock = FakeTime()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def test_a_condition_that_is_true_is_not_waited_for(clock: FakeTime) -> None:
    wait_until(lambda: True, "all is well", limit_s=0)
    assert clock.now_s == 100


def test_a_condition_is_polled_until_it_is_true(clock: FakeTime) -> None:
    wait_until(true_at(11), "the file is there")
    assert clock.now_s == pytest.approx(100.1)


def test_what_did_not_come_is_named(clock: FakeTime) -> None:
    with pytest.raises(AssertionError, match="waited 60 s in vain until the mirror is online"):
        wait_until(lambda: False, "the mirror is online")
    assert clock.now_s == pytest.approx(160, abs=0.1)


async def test_a_condition_that_is_true_is_not_waited_for_under_trio(autojump_clock: trio.testing.MockClock) -> None:
    began_s = trio.current_time()
    await await_until(lambda: True, "all is well", limit_s=0)
    assert trio.current_time() == began_s


async def test_a_condition_is_polled_under_trio(autojump_clock: trio.testing.MockClock) -> None:
    began_s = trio.current_time()
    await await_until(true_at(11), "the file is there")
    assert trio.current_time() - began_s == pytest.approx(0.1)


async def test_a_condition_may_be_async(autojump_clock: trio.testing.MockClock) -> None:
    condition = true_at(3)

    async def asked() -> bool:
        await trio.sleep(1)
        return condition()

    began_s = trio.current_time()
    await await_until(asked, "the answer is yes")
    assert trio.current_time() - began_s == pytest.approx(3.02)


async def test_what_did_not_come_is_named_under_trio(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(AssertionError, match="waited 5 s in vain until the mirror is online"):
        await await_until(lambda: False, "the mirror is online", limit_s=5)


async def test_what_a_condition_raises_is_passed_on() -> None:
    def broken() -> bool:
        raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"):
        await await_until(broken, "never")
    with pytest.raises(ValueError, match="no such file"):
        wait_until(broken, "never")
