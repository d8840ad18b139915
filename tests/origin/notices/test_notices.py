"""Notices in the catalogue: each is told once, also over restarts and by several processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.catalogue.event_log import Kind
from distd.catalogue.notices_schema import notice_deliveries
from distd.catalogue.notices_schema import notices as notices_table
from distd.domain.conditions import MAX_TRIES, Condition, ConditionKind, NoticePhase
from distd.domain.notice_settings import NoticeSettings
from distd.domain.page import EVERYTHING
from distd.origin.notices import notices

if TYPE_CHECKING:
    import pytest

    from distd.origin.notices.notices import DueDelivery, Notice
    from tests.fixtures.origin import TestOrigin

SETTINGS = NoticeSettings(webhook_url="https://h/", mail_to="a@b", mail_server="m:25", mirror_lost_min=5)
HALT = Condition(ConditionKind.ROLLOUT_HALTED, "1", "lab", 50.0, {"package_id": "17", "reason": "9 % failed"})
LOST = Condition(ConditionKind.MIRROR_LOST, "paris", "paris", 50.0, {})
LEASE_S = 100.0


def look(origin: TestOrigin, found: list[Condition], now_s: float) -> list[str]:
    told: list[str] = origin.write(notices.take_note, found, SETTINGS, "here", now_s)
    return told


def listed(origin: TestOrigin) -> list[Notice]:
    found: list[Notice] = origin.read(notices.list_notices, EVERYTHING).items
    return found


def take(origin: TestOrigin, now_s: float) -> list[DueDelivery]:
    found: list[DueDelivery] = origin.write(notices.take_due, now_s, LEASE_S)
    return found


def test_a_notice_from_its_beginning_to_its_end(origin: TestOrigin) -> None:
    assert look(origin, [HALT], 60.0) == ["ROLLOUT_HALTED lab: it begins"]
    assert look(origin, [HALT], 61.0) == [], "whoever looks, after whatever restarts"
    assert origin.read(notices.changes, [HALT], SETTINGS, "here", 62.0) == []
    (notice,) = listed(origin)
    assert (notice.told_at_s, notice.ended_at_s, notice.facts) == (60.0, None, dict(HALT.facts))
    due = take(origin, 60.0)
    assert [(each.channel, each.phase, each.at_s) for each in due] == [
        ("webhook", NoticePhase.BEGAN, 60.0),
        ("mail", NoticePhase.BEGAN, 60.0),
    ]
    for each in due:
        origin.write(notices.sent, each.id, 61.0)
    assert look(origin, [], 70.0) == ["ROLLOUT_HALTED lab: it is over"]
    assert [(each.phase, each.at_s) for each in take(origin, 70.0)] == [(NoticePhase.ENDED, 70.0)] * 2
    assert look(origin, [HALT], 80.0) == ["ROLLOUT_HALTED lab: it begins"], "another occurrence"
    assert [(each.told_at_s, each.ended_at_s) for each in listed(origin)] == [(80.0, None), (60.0, 70.0)]
    kinds = [event.kind for event in origin.events(Kind.NOTICE_BEGAN, Kind.NOTICE_ENDED)]
    assert kinds == [Kind.NOTICE_BEGAN, Kind.NOTICE_ENDED, Kind.NOTICE_BEGAN]


def test_what_has_not_lasted_is_shown_but_not_told(origin: TestOrigin) -> None:
    assert look(origin, [LOST], 60.0) == []
    assert [each.name for each in origin.read(notices.list_open)] == ["paris"]
    assert look(origin, [LOST], 400.0) == ["MIRROR_LOST paris: it begins"]
    assert look(origin, [], 500.0) == []
    assert origin.read(notices.list_open) == []
    assert look(origin, [LOST], 510.0) == []
    assert [each.name for each in origin.read(notices.list_open)] == ["paris"]


def test_what_never_lasted_is_forgotten(origin: TestOrigin) -> None:
    look(origin, [LOST], 60.0)
    look(origin, [], 70.0)
    assert listed(origin) == []


def test_what_is_not_sent_is_tried_again_and_given_up_in_the_end(origin: TestOrigin) -> None:
    look(origin, [HALT], 60.0)
    webhook, mail = take(origin, 60.0)
    assert take(origin, 61.0) == [], "somebody sends it"
    assert not origin.write(notices.not_sent, webhook, "answers 500", 61.0)
    origin.write(notices.sent, mail.id, 61.0)
    assert not origin.read(notices.is_due, 90.0)
    now_s = 61.0
    for tries in range(1, MAX_TRIES):
        now_s += 3600.0
        (again,) = take(origin, now_s)
        assert (again.id, again.tries) == (webhook.id, tries)
        assert origin.write(notices.not_sent, again, "answers 500", now_s) == (tries == MAX_TRIES - 1)
    assert take(origin, now_s + 1e6) == []
    (event,) = origin.events(Kind.NOTICE_NOT_SENT)
    assert event.detail["why"] == "answers 500"
    sent = {each.channel: (each.sent_at_s, each.next_at_s, each.why) for each in listed(origin)[0].deliveries}
    assert sent == {"webhook": (None, None, "answers 500"), "mail": (61.0, None, "")}


def test_who_died_while_sending_is_replaced(origin: TestOrigin) -> None:
    look(origin, [HALT], 60.0)
    assert len(take(origin, 60.0)) == len(take(origin, 60.0 + LEASE_S)) == 2


def test_the_queue_and_what_is_kept_are_bounded(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MAX_WAITING", 3)
    monkeypatch.setattr(notices, "KEPT", 2)
    for at_s in range(60, 100, 10):
        look(origin, [HALT], at_s)
        look(origin, [], at_s + 5)
    assert len(origin.rows(notice_deliveries)) <= 3
    assert len(origin.rows(notices_table)) == 2


def test_nothing_is_sent_where_nothing_is_set() -> None:
    assert notices.channels(NoticeSettings()) == ()
    assert notices.channels(NoticeSettings(mail_to="a@b")) == ()
    assert notices.channels(SETTINGS) == ("webhook", "mail")
