"""Log-ins and wrong passwords in the event log and the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.domain.page import EVERYTHING
from distd.origin.operators import events, log_ins
from distd.origin.operators.events import Wanted
from distd.origin.operators.log_ins import LogIn, WrongPasswords

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_both_are_in_the_audit_trail(origin: TestOrigin) -> None:
    found = [LogIn(1.0, "10.0.0.1", "ada"), WrongPasswords(2.0, "10.0.0.2", ("ada", "root"), 7, 3)]
    origin.write(log_ins.record, found)
    page = origin.read(events.newest, Wanted(by_people=True), EVERYTHING)
    assert [(entry.at_s, entry.kind, entry.actor, entry.detail) for entry in page.items] == [
        (
            2.0,
            "LOG_IN_FAILED",
            "operator",
            {"address": "10.0.0.2", "names": ["ada", "root"], "count": 7, "unchecked": 3},
        ),
        (1.0, "LOGGED_IN", "operator:ada", {"address": "10.0.0.1"}),
    ]
    assert origin.read(events.newest, Wanted(actor="operator:ada"), EVERYTHING).total == 1
