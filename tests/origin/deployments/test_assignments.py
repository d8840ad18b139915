"""Assign, unassign, results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, update

from distd.catalogue import dialect, schema
from distd.catalogue.event_log import Kind
from distd.domain.assignment_terms import Terms
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import EVERYTHING, Window
from distd.domain.results import Outcome
from distd.origin.computers import computers
from distd.origin.deployments import assignments, result_list
from distd.origin.deployments.assignments import Assigned, AssignmentRequest, Unassigned
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


@pytest.mark.parametrize(
    "work",
    [
        lambda site: site.assign("18", skip=True),
        lambda site: site.assign("18", after="17"),
        lambda site: site.unassign("17"),
    ],
    ids=["assign", "assign after another", "unassign"],
)
def test_only_assignments_of_the_computers_in_question_are_read(assigned: Any, work: Any) -> None:
    assigned.package("18")
    read: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT") and "FROM assignments" in statement:
            read.append(statement)

    engine = assigned.catalogue._engine
    event.listen(engine, "before_cursor_execute", note)
    work(assigned)
    event.remove(engine, "before_cursor_execute", note)
    assert read
    assert [statement for statement in read if "assignments.computer_id IN" not in statement] == []


def test_of_very_many_computers_all_assignments_of_the_package_are_read(
    assigned: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assigned.prolog("other")
    monkeypatch.setattr(dialect, "MAX_ITEMS", 1)
    request = AssignmentRequest("17", ["pc", "other"], skip_had=True)
    done = assigned.act(assignments.assign, request, assigned.now_s)
    assert (done.assigned, done.already) == (["other"], ["pc"])


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


# --- many at once ------------------------------------------------------------------------------------------------


@pytest.fixture
def classroom(origin: TestOrigin) -> TestOrigin:
    """Package 17 on computers in all states: each is called so, but "new", which does not have it."""
    origin.package("17")
    for device_id in ("waiting", "notified", "downloading", "success", "failed", "new"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
    for device_id in ("waiting", "notified", "downloading", "success", "failed"):
        origin.assign("17", device_id)
    for device_id in ("notified", "downloading", "success", "failed"):
        origin.listed(device_id)
    origin.write(record, [Fetched(3, "17", [1], 10)], origin.now_s)
    origin.report("17", "SUCCESS", "success")
    origin.report("17", "ERR_TIMEOUT", "failed")
    return origin


@pytest.mark.parametrize("state", [state for state in Outcome if state is not Outcome.ARCHIVED])
def test_results_in_a_state(classroom: TestOrigin, state: Outcome) -> None:
    page = classroom.read(result_list.results, "17", [state], EVERYTHING)
    assert [(result.device_id, result.state) for result in page.items] == [(state.lower(), state)]


def test_results_in_two_states_and_in_pages(classroom: TestOrigin) -> None:
    states = [Outcome.SUCCESS, Outcome.FAILED, Outcome.FAILED]
    whole = classroom.read(result_list.results, "17", states, EVERYTHING)
    assert [result.device_id for result in whole.items] == ["failed", "success"]
    page = classroom.read(result_list.results, "17", states, Window(1))
    assert ([result.device_id for result in page.items], page.total) == (["failed"], 2)
    assert result_list.read_states(["success", " Failed"], "state") == (Outcome.SUCCESS, Outcome.FAILED)
    with pytest.raises(BadInput, match="state: expected one of WAITING, NOTIFIED"):
        result_list.read_states(["done"], "state")


def assign(origin: TestOrigin, device_ids: Any, *terms: Any, **choices: Any) -> Any:
    return origin.act(assignments.assign, AssignmentRequest("17", device_ids, *terms, **choices), origin.now_s)


ALL = ["failed", "waiting", "new", "success", "downloading", "new"]


def test_those_that_have_it_are_skipped(classroom: TestOrigin) -> None:
    done = assign(classroom, ALL, skip_had=True)
    assert done == Assigned(["failed", "new"], ["waiting", "success", "downloading"])
    waiting = classroom.read(result_list.results, "17", [Outcome.WAITING], EVERYTHING)
    assert [result.device_id for result in waiting.items] == ["failed", "new", "waiting"]


def test_with_force_those_that_have_deployed_it_get_it_again(classroom: TestOrigin) -> None:
    done = assign(classroom, ALL, Terms(force=True), skip_had=True)
    assert done == Assigned(["failed", "new", "success"], ["waiting", "downloading"])


def test_nobody_gets_it_where_one_has_another_system(classroom: TestOrigin) -> None:
    classroom.write(lambda conn: conn.execute(update(schema.packages).values(os="WINDOWS")))
    with pytest.raises(Conflict, match="any_os: 17 is for WINDOWS, and new has a Unix agent; leave them out, or give"):
        assign(classroom, ["new"])
    classroom.inventory(device_id="new", hardware={"OSNAME": "Debian GNU/Linux 12"})
    with pytest.raises(Conflict, match="and new has Debian GNU/Linux 12"):
        assign(classroom, ["new"])
    with pytest.raises(Conflict, match=r"and 2 of 3 computers have another system: new has .*, failed has .*; leave"):
        assign(classroom, ["new", *ALL][:4])
    done = assign(classroom, ["new"], Terms(any_os=True))
    assert done == Assigned(["new"], [])


def test_many_are_taken_back(classroom: TestOrigin) -> None:
    with pytest.raises(NotFound, match="expected a package that is assigned to failed and has no result yet"):
        classroom.act(assignments.unassign, "17", ["waiting", "failed"], classroom.now_s)
    assert classroom.events(Kind.UNASSIGNED) == []
    became = classroom.act(assignments.unassign, "17", ALL, classroom.now_s, skip=True)
    assert became == {"waiting": Unassigned.REMOVED, "downloading": Unassigned.WITHDRAWN}
    assert [event.computer_id for event in classroom.events(Kind.UNASSIGNED)] == [1, 3]
    assert [result.device_id for result in classroom.results("17") if result.withdrawn] == ["downloading"]


def test_of_what_another_server_serves_nobody_knows_the_fragments(pc: TestOrigin) -> None:
    pc.package("17")
    pc.act(packages.activate, "17", "a.example/x", "b.example/y", pc.now_s)
    pc.assign("17")
    (result,) = pc.results("17")
    assert (result.fragments_fetched, result.progress) == (None, "")
    pc.act(packages.activate, "17", "a.example/x", "$IP$/y", pc.now_s)  # mirrors tell
    (result,) = pc.results("17")
    assert (result.fragments_fetched, result.progress) == (0, "0/3")
