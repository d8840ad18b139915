"""Computers that came once and never again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.origin.computers import expiry

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

DAY_S = 86_400


def test_who_never_came_back_is_deleted(origin: TestOrigin) -> None:
    for name in ("once", "inventoried", "back", "assigned"):
        origin.prolog(name)
        origin.now_s += 1
    origin.inventory("17", device_id="inventoried")
    origin.package("17")
    origin.assign("17", "assigned")
    origin.now_s += 2 * DAY_S
    origin.prolog("back")
    origin.now_s += 88 * DAY_S
    origin.prolog("new")
    assert origin.write(expiry.expire, origin.now_s, 91) == 0
    assert origin.write(expiry.expire, origin.now_s, 90) == 2
    assert origin.write(expiry.expire, origin.now_s, 90) == 0
    assert [row["device_id"] for row in origin.rows(schema.computers)] == ["back", "assigned", "new"]
    deleted = [(str(event.actor), event.detail["device_id"]) for event in origin.events(Kind.COMPUTER_DELETED)]
    assert sorted(deleted) == [("system", "inventoried"), ("system", "once")]
