from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import trio

from distd.domain.errors import Conflict, Unavailable, Unreachable
from distd.server.repeating import Faults, repeat

if TYPE_CHECKING:
    from trio.testing import MockClock

LOG = logging.getLogger("distd.test.repeating")


class Work:
    """Notes when it is done; raises what is next of `errors`, None: nothing."""

    def __init__(self, *errors: BaseException | None) -> None:
        self.done_at_s: list[float] = []
        self._errors = list(errors)
        self._begun_s = trio.current_time()

    async def __call__(self) -> None:
        self.done_at_s.append(trio.current_time() - self._begun_s)
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error


async def test_it_is_done_after_each_interval(autojump_clock: MockClock) -> None:
    work = Work()
    with trio.move_on_after(35):
        await repeat(work, 10, "it is not done", LOG)
    assert work.done_at_s == [10, 20, 30]


async def test_it_can_be_done_at_once(autojump_clock: MockClock) -> None:
    work = Work()
    with trio.move_on_after(15):
        await repeat(work, 10, "it is not done", LOG, at_once=True)
    assert work.done_at_s == [0, 10]


async def test_an_interval_may_change(autojump_clock: MockClock) -> None:
    work, intervals = Work(), [1.0, 2.0, 100.0]
    with trio.move_on_after(50):
        await repeat(work, lambda: intervals.pop(0), "it is not done", LOG)
    assert work.done_at_s == [1, 3]


async def test_what_cannot_be_done_is_logged_and_tried_again(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(Unavailable("disk", "it is full"), Conflict("group", "it is gone"), None)
    with trio.move_on_after(35):
        await repeat(work, 10, "it is not done", LOG)
    assert len(work.done_at_s) == 3
    assert [record.getMessage() for record in caplog.records] == [
        "it is not done: disk: it is full",
        "it is not done: group: it is gone",
    ]


async def test_an_outage_has_its_own_line(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    work = Work(Unreachable("catalogue", "it does not answer"))
    with trio.move_on_after(25):
        await repeat(work, 10, "it is not done", LOG)
    assert len(work.done_at_s) == 2
    assert not caplog.records


async def test_a_fault_of_the_program_is_told_and_ends_nothing(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(ZeroDivisionError("of two"), ZeroDivisionError("of two"), KeyError("x"), None)
    with trio.move_on_after(45):
        await repeat(work, 10, "it is not done", LOG)
    assert len(work.done_at_s) == 4
    assert [(record.levelname, record.getMessage(), bool(record.exc_info)) for record in caplog.records] == [
        ("ERROR", "it is not done: a fault of the program: ZeroDivisionError: of two", True),
        ("ERROR", "it is not done: a fault of the program: ZeroDivisionError: of two", False),
        ("ERROR", "it is not done: a fault of the program: KeyError: 'x'", True),
    ]


async def test_what_ends_the_program_ends_it(autojump_clock: MockClock) -> None:
    with pytest.raises(KeyboardInterrupt):
        await repeat(Work(KeyboardInterrupt()), 10, "it is not done", LOG)


async def test_of_several_items_one_is_in_no_others_way(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    errors: dict[int, Exception] = {2: Conflict("group", "it is gone"), 3: ZeroDivisionError("of two")}

    async def work(item: int) -> None:
        if item in errors:
            raise errors[item]
        done.append(item)

    faults = Faults(LOG)
    await faults.keep_each_from([1, 2, 3, 4], work, "it is not done")
    assert done == [1, 4]
    assert caplog.messages == [
        "it is not done, 2: group: it is gone",
        "it is not done, 3: a fault of the program: ZeroDivisionError: of two",
    ]
    errors[1] = Unavailable("catalogue", "it is locked")
    with pytest.raises(Unavailable):
        await faults.keep_each_from([1, 2, 3, 4], work, "it is not done")
    assert done == [1, 4], "an outage holds for all"
