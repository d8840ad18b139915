"""When conditions are told: each once when it begins, once when it is over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from distd.domain.conditions import (
    MAX_TRIES,
    QUIET_S,
    Condition,
    ConditionKind,
    NoticeStep,
    OpenNotice,
    next_changes,
    pause_s,
)
from distd.domain.notice_settings import NoticeSettings

if TYPE_CHECKING:
    from distd.domain.conditions import NoticeChange

SETTINGS = NoticeSettings(mirror_lost_min=5)
LOST = ConditionKind.MIRROR_LOST


def condition(kind: ConditionKind = LOST, subject: str = "paris", since_s: float = 0.0) -> Condition:
    return Condition(kind, subject, subject, since_s, {})


class Book:
    """Notices that are open, as the catalogue has them."""

    def __init__(self, server: str = "here") -> None:
        self.open: dict[int, OpenNotice] = {}
        self.server = server
        self._next = 1

    def look(self, found: list[Condition], now_s: float) -> list[NoticeStep]:
        changes = next_changes(self.open.values(), found, SETTINGS, self.server, now_s)
        for change in changes:
            self._apply(change, now_s)
        return [change.step for change in changes]

    def _apply(self, change: NoticeChange, now_s: float) -> None:
        notice, new = change.notice, change.condition
        if change.step is NoticeStep.FOUND:
            assert new is not None
            self.open[self._next] = OpenNotice(self._next, new.kind, new.subject, new.since_s, False, None)
            self._next += 1
            return
        if notice is None:
            assert new is not None
            notice = next(each for each in self.open.values() if (each.kind, each.subject) == (new.kind, new.subject))
        if change.step in (NoticeStep.ENDED, NoticeStep.DROPPED):
            del self.open[notice.id]
        else:
            values = {
                NoticeStep.TOLD: {"told": True},
                NoticeStep.GONE: {"gone_at_s": now_s},
                NoticeStep.BACK: {"gone_at_s": None},
            }
            self.open[notice.id] = replace(self.open[notice.id], **values[change.step])  # type: ignore[arg-type]


def test_a_mirror_that_is_lost_for_long_and_comes_back() -> None:
    book = Book()
    assert book.look([condition()], 60.0) == [NoticeStep.FOUND]
    assert book.look([condition()], 299.0) == []
    assert book.look([condition()], 300.0) == [NoticeStep.TOLD]
    assert book.look([condition()], 400.0) == []
    assert book.look([], 500.0) == [NoticeStep.GONE]
    assert book.look([condition(since_s=550.0)], 600.0) == [NoticeStep.BACK], "it flaps: that is one occurrence"
    assert book.look([], 700.0) == [NoticeStep.GONE]
    assert book.look([], 700.0 + QUIET_S[LOST]) == [NoticeStep.ENDED]
    assert book.look([condition()], 9000.0) == [NoticeStep.FOUND, NoticeStep.TOLD], "another occurrence"


def test_what_is_over_before_it_is_told_never_was() -> None:
    book = Book()
    assert [book.look([condition()], 60.0), book.look([], 90.0)] == [[NoticeStep.FOUND], [NoticeStep.DROPPED]]


def test_a_halt_is_told_and_over_at_once() -> None:
    book, halted = Book(), condition(ConditionKind.ROLLOUT_HALTED, "1")
    assert book.look([halted], 0.0) == [NoticeStep.FOUND, NoticeStep.TOLD]
    assert book.look([], 1.0) == [NoticeStep.ENDED]


def test_a_server_says_nothing_of_the_disks_of_others() -> None:
    book = Book()
    assert book.look([condition(ConditionKind.DISK_LOW, "here")], 0.0) == [NoticeStep.FOUND, NoticeStep.TOLD]
    book.server = "there"
    assert book.look([], 10_000.0) == []
    book.server = "here"
    assert book.look([], 10_000.0) == [NoticeStep.GONE]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2000)), max_size=40), st.sampled_from(ConditionKind))
def test_beginnings_and_ends_take_turns(looks: list[tuple[bool, int]], kind: ConditionKind) -> None:
    book, now_s, told = Book(), 0.0, []
    for is_found, later_s in looks:
        now_s += later_s
        told += book.look([condition(kind, "here")] if is_found else [], now_s)
    steps = [step for step in told if step in (NoticeStep.TOLD, NoticeStep.ENDED)]
    assert steps == [NoticeStep.TOLD, NoticeStep.ENDED] * (len(steps) // 2) + [NoticeStep.TOLD] * (len(steps) % 2)


def test_pauses_get_longer_up_to_an_hour() -> None:
    pauses = [pause_s(tries) for tries in range(1, MAX_TRIES)]
    assert (pauses[:3], max(pauses)) == ([30.0, 60.0, 120.0], 3600.0)
    assert 20 * 3600 < sum(pauses) < 30 * 3600
