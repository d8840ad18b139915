"""Assign, unassign, results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.origin.computers import computers
from distd.origin.deployments.assignments import Unassigned
from distd.origin.deployments.progress import Fetched, record
from distd.origin.packages import packages

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def assigned(pc: TestOrigin) -> Any:
    pc.package("17")
    pc.assign("17")
    return pc


REFUSED = {
    "an unknown package": ("99", "pc", {}, NotFound, "package: expected the id of a package, got 99"),
    "an unknown computer": (
        "17",
        "nobody",
        {},
        NotFound,
        "computers: expected the DEVICEID of a computer, got nobody",
    ),
    "an inactive package": ("18", "pc", {}, Conflict, "activate it first"),
    "an open assignment": ("17", "pc", {}, Conflict, "17 is assigned to pc already"),
    "a command of two lines": ("19", "pc", {"postcmd": "a\nb"}, BadInput, "postcmd: expected at most 4096 printable"),
    "no time": ("19", "pc", {"schedule": "tomorrow"}, BadInput, "schedule: expected a time such as 2026/12/01 18:00"),
    "no day": ("19", "pc", {"schedule": "2026/02/30 18:00"}, BadInput, "got 2026/02/30 18:00"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_assigned_is_refused_and_changes_nothing(assigned: Any, case: Any) -> None:
    package_id, device_id, options, error, message = case
    assigned.package("18", active=False)
    assigned.package("19")
    before = assigned.rows(schema.assignments), assigned.events()
    with pytest.raises(error) as caught:
        assigned.assign(package_id, device_id, **options)
    assert message in str(caught.value)
    assert (assigned.rows(schema.assignments), assigned.events()) == before


def test_a_package_can_be_assigned_again_after_its_result(assigned: Any) -> None:
    assigned.listed()
    assigned.write(record, [Fetched(1, "17", [1, 2, 3], 30)], assigned.now_s)
    assigned.report("17", "ERR_EXECUTE")
    assigned.assign("17")
    (result,) = assigned.results("17")
    assert (result.code, result.fragments_fetched, result.sent_bytes) == (None, 0, 0)
    assert len(assigned.rows(schema.assignments)) == 2


def test_unassigning_what_the_agent_never_heard_of_removes_it(assigned: Any) -> None:
    assert assigned.unassign("17") is Unassigned.REMOVED
    assert assigned.results("17") == []
    assert assigned.listed() == []
    (event,) = assigned.events(Kind.UNASSIGNED)
    assert event.detail == {"listed": False}


def test_unassigning_what_the_agent_knows_withdraws_it(assigned: Any) -> None:
    assigned.listed()
    assert assigned.unassign("17") is Unassigned.WITHDRAWN
    assert assigned.unassign("17") is Unassigned.WITHDRAWN
    (result,) = assigned.results("17")
    assert (result.withdrawn, result.code) == (True, "NOTIFIED")
    assert [event.detail for event in assigned.events(Kind.UNASSIGNED)] == [{"listed": True}]
    assigned.report("17", "SUCCESS")
    (result,) = assigned.results("17")
    assert (result.withdrawn, result.code) == (True, "SUCCESS")


@pytest.mark.parametrize(("package_id", "device_id"), [("18", "pc"), ("17", "nobody"), ("17", "other")])
def test_unassigning_what_is_not_assigned_is_refused(assigned: Any, package_id: Any, device_id: Any) -> None:
    assigned.prolog("other")
    with pytest.raises(NotFound):
        assigned.unassign(package_id, device_id)


def test_unassigning_what_has_its_result_is_refused(assigned: Any) -> None:
    assigned.listed()
    assigned.report("17", "SUCCESS")
    with pytest.raises(NotFound, match="expected a package that is assigned to pc and has no result yet"):
        assigned.unassign("17")


def test_results_tell_all_of_each_computer(assigned: Any) -> None:
    assigned.prolog("other")
    assigned.assign("17", "other")
    assigned.now_s += 10
    assigned.listed()
    assigned.now_s += 10
    assigned.write(record, [Fetched(1, "17", [1, 2], 20)], assigned.now_s)
    assigned.now_s += 10
    assigned.report("17", "ERR_BAD_DIGEST")
    other, pc = assigned.results("17")
    start_s = assigned.now_s - 30
    assert (other.device_id, other.code, other.fragments_fetched, other.notified_at_s) == ("other", None, 0, None)
    assert (pc.device_id, pc.computer_name, pc.package_name, pc.code) == ("pc", "PC", "package 17", "ERR_BAD_DIGEST")
    assert (pc.fragments_fetched, pc.fragments, pc.sent_bytes) == (2, 3, 20)
    times = (pc.assigned_at_s, pc.notified_at_s, pc.fetched_at_s, pc.result_at_s)
    assert times == (start_s, start_s + 10, start_s + 20, start_s + 30)
    assert pc.agent.startswith("OCS-NG_unified_unix_agent")
    assert pc.meaning
    assert pc.state != other.state


def test_results_of_an_unknown_package_are_refused(origin: TestOrigin) -> None:
    with pytest.raises(NotFound):
        origin.results("17")


def test_a_computer_shows_its_assignments(assigned: Any) -> None:
    assigned.package("18")
    assigned.assign("18")
    shown = assigned.read(computers.show, "pc").assignments
    assert [(result.package_id, result.package_name) for result in shown] == [
        ("17", "package 17"),
        ("18", "package 18"),
    ]


def test_an_unknown_computer_is_not_found(origin: TestOrigin) -> None:
    with pytest.raises(NotFound, match="DEVICEID"):
        origin.read(computers.show, "pc")


def test_an_activation_that_ended_takes_no_assignments(pc: TestOrigin) -> None:
    pc.package("17")
    pc.act(packages.deactivate, "17", pc.now_s)
    with pytest.raises(Conflict, match="not active"):
        pc.assign("17")
