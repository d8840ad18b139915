"""Acts on many assignments: archive, unassign, notify again, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.assignment_terms import Terms
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import EVERYTHING
from distd.domain.results import Outcome
from distd.origin.deployments import acts, assignments, cancelled, deadlines, result_list
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.packages import counters, packages

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

NAMES = ("waiting", "notified", "downloading", "success", "failed", "refused")
FAILURES = ChosenAssignments([Outcome.FAILED])


@pytest.fixture
def classroom(origin: TestOrigin) -> TestOrigin:
    """Package 17 on computers in all states, each called so; "new" does not have it."""
    origin.package("17")
    for device_id in (*NAMES, "new"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
    origin.act(assignments.assign, AssignmentRequest("17", NAMES, Terms(postcmd="x")), origin.now_s)
    for device_id in NAMES[1:]:
        origin.listed(device_id)
    origin.fetch("17", "downloading")
    origin.fetch("17", "success")
    for device_id, code in (("success", "SUCCESS"), ("failed", "SUCCESS_3"), ("refused", "ERR_ABORTED")):
        origin.report("17", code, device_id)
    origin.now_s += 60
    return origin


def do(origin: TestOrigin, act: Any, *chosen: Any, **choices: Any) -> list[str]:
    done: list[str] = origin.act(act, "17", *chosen, origin.now_s, **choices).computers
    assert origin.write(counters.recount_all) == {}
    return done


def states(origin: TestOrigin) -> dict[str, str]:
    return {result.device_id: result.shown_state for result in origin.results("17")}


@pytest.mark.parametrize("act", acts.ACTS.values(), ids=acts.ACTS)
def test_what_is_tried_changes_nothing(classroom: TestOrigin, act: Any) -> None:
    before = classroom.rows(schema.assignments), classroom.events()
    tried = do(classroom, act, ChosenAssignments(device_ids=NAMES), dry_run=True)
    assert (classroom.rows(schema.assignments), classroom.events()) == before
    assert do(classroom, act, ChosenAssignments(device_ids=NAMES)) == tried != []
    (whole,) = classroom.events(Kind.DEPLOYMENT_ACT)
    assert (whole.package_id, whole.computer_id, whole.detail["computers"]) == ("17", None, len(tried))
    kinds = (Kind.ARCHIVED, Kind.UNASSIGNED, Kind.RENOTIFIED, Kind.CANCELLED)
    assert len(classroom.events(*kinds)) == len(tried)


def test_all_successes_are_validated(classroom: TestOrigin) -> None:
    assert do(classroom, acts.archive, ChosenAssignments([Outcome.SUCCESS])) == ["success"]
    assert do(classroom, acts.archive, ChosenAssignments([Outcome.SUCCESS])) == []
    assert do(classroom, acts.archive, ChosenAssignments(codes=["ERR_ABORTED"])) == ["refused"]
    found = classroom.read(counters.count_computers, ["17"])["17"]
    assert (found.success, found.failed, found.archived) == (0, 1, 2)
    (archived,) = [result for result in classroom.results("17") if result.device_id == "success"]
    assert (archived.state, archived.code, archived.archived_at_s) == ("ARCHIVED", "SUCCESS", classroom.now_s)
    (event, _) = classroom.events(Kind.ARCHIVED)
    assert (event.detail, str(event.actor)) == ({"code": "SUCCESS"}, "operator:admin")


def test_what_is_archived_is_deployed(classroom: TestOrigin) -> None:
    do(classroom, acts.archive, ChosenAssignments([Outcome.SUCCESS]))
    request = AssignmentRequest("17", ["success"], skip_had=True)
    assert classroom.act(assignments.assign, request, classroom.now_s).already == ["success"]


def test_those_not_notified_are_unassigned(classroom: TestOrigin) -> None:
    assert do(classroom, acts.unassign, ChosenAssignments([Outcome.WAITING])) == ["waiting"]
    assert "waiting" not in states(classroom)


def test_failures_are_notified_again_and_their_results_stay(classroom: TestOrigin) -> None:
    assert do(classroom, acts.renotify, FAILURES) == ["failed", "refused"]
    assert (states(classroom)["failed"], states(classroom)["refused"]) == ("WAITING", "WAITING")
    page = classroom.read(lambda conn: result_list.results(conn, "17", (), EVERYTHING, attempts=True))
    tried = [
        (result.attempt, result.state, result.code, result.postcmd)
        for result in page.items
        if result.device_id == "failed"
    ]
    assert tried == [(1, "FAILED", "SUCCESS_3", "x"), (2, "WAITING", None, "x")]
    # The agent has the failed one in its history: only with force it runs it again.
    assert [event.detail for event in classroom.events(Kind.RENOTIFIED)] == [
        {"attempt": 2, "force": True, "before": "SUCCESS_3"},
        {"attempt": 2, "force": False, "before": "ERR_ABORTED"},
    ]
    assert (classroom.listed("failed"), classroom.listed("refused")) == (["17"], ["17"])
    classroom.report("17", "SUCCESS", "refused")
    found = classroom.read(counters.count_computers, ["17"])["17"]
    assert (found.success, found.failed) == (2, 0)


def test_those_with_some_code(classroom: TestOrigin) -> None:
    assert do(classroom, acts.renotify, ChosenAssignments(codes=["ERR_ABORTED", "ERR_BUILD"])) == ["refused"]


def test_a_success_is_forced_again(classroom: TestOrigin) -> None:
    assert do(classroom, acts.renotify, ChosenAssignments([Outcome.SUCCESS]), force=True) == ["success"]
    assert classroom.prolog("success").packs[0].force


def test_an_attempt_that_is_taken_back_leaves_the_result_before_it(classroom: TestOrigin) -> None:
    do(classroom, acts.archive, ChosenAssignments(codes=["ERR_ABORTED"]))
    do(classroom, acts.renotify, ChosenAssignments(device_ids=["failed", "refused"]))
    do(classroom, acts.unassign, ChosenAssignments([Outcome.WAITING]))
    assert (states(classroom)["failed"], states(classroom)["refused"]) == ("FAILED, unproven", "ARCHIVED")


def test_a_time_that_is_over_does_not_end_the_next_attempt(classroom: TestOrigin) -> None:
    terms = Terms(not_after_s=classroom.now_s + 10)
    classroom.act(assignments.assign, AssignmentRequest("17", ["new"], terms), classroom.now_s)
    classroom.now_s += 11
    assert classroom.write(deadlines.end_expired, classroom.now_s) == 1
    assert classroom.write(deadlines.end_expired, classroom.now_s) == 0
    assert classroom.write(counters.recount_all) == {}
    assert do(classroom, acts.renotify, ChosenAssignments(codes=["ERR_EXPIRED"])) == ["new"]
    assert classroom.listed("new") == ["17"]
    assert classroom.write(deadlines.end_expired, classroom.now_s) == 0


def test_a_download_is_cancelled_for_one_computer(classroom: TestOrigin) -> None:
    assert do(classroom, acts.cancel, ChosenAssignments([Outcome.DOWNLOADING])) == ["downloading"]
    assert states(classroom)["downloading"] == "DOWNLOADING, cancelled"
    assert classroom.read(cancelled.read) == {(3, "17")}
    assert classroom.listed("downloading") == ["17"]  # trap 3: until its final status
    classroom.report("17", "ERR_BAD_DIGEST", "downloading")
    (result,) = [result for result in classroom.results("17") if result.device_id == "downloading"]
    assert (result.state, result.code_class) == ("FAILED", "CANCELLED")
    assert classroom.read(cancelled.read) == frozenset()


def test_who_fetches_from_a_mirror_is_told(classroom: TestOrigin) -> None:
    classroom.fetch("17", "notified", mirror="paris")
    done = classroom.act(acts.cancel, "17", ChosenAssignments(device_ids=["notified", "downloading"]), classroom.now_s)
    assert (done.computers, done.elsewhere) == (["downloading", "notified"], 1)


def test_what_is_refused(classroom: TestOrigin) -> None:
    with pytest.raises(NotFound, match="package"):
        classroom.act(acts.archive, "99", FAILURES, 0.0)
    with pytest.raises(NotFound, match="computers"):
        do(classroom, acts.archive, ChosenAssignments(device_ids=["nobody"]))
    with pytest.raises(BadInput, match="states: expected states of SUCCESS, FAILED, got WAITING"):
        do(classroom, acts.archive, ChosenAssignments([Outcome.WAITING]))
    classroom.act(packages.activate, "17", "a.example/x", "b.example/y", classroom.now_s)
    with pytest.raises(Conflict, match=r"agents fetch 17 from b\.example/y, which this server cannot stop"):
        do(classroom, acts.cancel, ChosenAssignments())
    classroom.act(packages.deactivate, "17", classroom.now_s)
    with pytest.raises(Conflict, match="not active"):
        do(classroom, acts.renotify, FAILURES)
