"""Events of many computers in one line."""

from __future__ import annotations

from typing import Any

from distd.origin.operators.events import LoggedEvent
from distd.web.console.event_runs import EventRun, in_runs


def event(seq: int, device_id: str | None = "one", kind: str = "ASSIGNED", **detail: Any) -> LoggedEvent:
    return LoggedEvent(seq, 0.0, kind, "operator:ann", "", "17", "Putty", device_id, device_id, detail)


def test_one_act_on_many_computers_is_one_line() -> None:
    found = [event(9, "a"), event(8, "b"), event(7, "c"), event(6, "d", force=True), event(5, None), event(4, None)]
    runs = in_runs(found, 9, are_all=False)
    assert runs == [EventRun(found[0], 2), EventRun(found[3]), EventRun(found[4]), EventRun(found[5])]
    assert in_runs(found, 2, are_all=False) == runs[:2]
    assert in_runs([], 2, are_all=True) == []


def test_where_more_may_follow_the_number_is_the_least() -> None:
    found = [event(9, "a"), event(8, "b")]
    assert in_runs(found, 9, are_all=False) == [EventRun(found[0], 1, goes_on=True)]
    assert in_runs(found, 9, are_all=True) == [EventRun(found[0], 1)]
