"""What agents only claim: shown apart, until fragments prove it or an operator accepts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import Conflict, NotFound
from distd.domain.page import EVERYTHING
from distd.origin.deployments import proofs, result_list
from distd.origin.packages import packages
from distd.origin.packages.counters import count_computers

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def reported(pc: TestOrigin) -> TestOrigin:
    """17 was listed, and somebody says that it is deployed."""
    pc.package("17")
    pc.assign("17")
    pc.listed()
    pc.report("17", "SUCCESS")
    return pc


def state(origin: TestOrigin, package_id: str = "17") -> Any:
    (result,) = origin.results(package_id)
    return result.shown_state


def test_a_success_without_a_fragment_is_unproven(reported: TestOrigin) -> None:
    (result,) = reported.results("17")
    assert (result.state, result.unproven, result.shown_state) == ("SUCCESS", True, "SUCCESS, unproven")
    assert "no fragment" in result.meaning
    counters = reported.read(count_computers, ["17"])["17"]
    assert (counters.success, counters.unproven) == (1, 1)


@pytest.mark.parametrize("mirror", ["", "paris"])
def test_a_fragment_proves_it_also_when_it_is_told_later(reported: TestOrigin, mirror: str) -> None:
    reported.fetch("17", mirror=mirror)
    (result,) = reported.results("17")
    assert (result.shown_state, result.meaning) == ("SUCCESS", "The package is deployed.")
    assert reported.read(count_computers, ["17"])["17"].unproven == 0


def test_a_command_without_fragments_needs_no_proof(pc: TestOrigin) -> None:
    pc.package("17", fragments=0)
    pc.assign("17")
    pc.listed()
    pc.report("17", "SUCCESS")
    assert state(pc) == "SUCCESS"


def test_what_another_server_serves_needs_no_proof(pc: TestOrigin) -> None:
    """Nobody could tell it."""
    pc.package("17", active=False)
    pc.act(packages.activate, "17", "info.example:8443/a", "mirror.example/b", pc.now_s)
    pc.assign("17")
    pc.listed()
    pc.report("17", "SUCCESS")
    assert state(pc) == "SUCCESS"


def test_a_failure_needs_no_proof(pc: TestOrigin) -> None:
    pc.package("17")
    pc.assign("17")
    pc.listed()
    pc.report("17", "ERR_TIMEOUT")
    assert state(pc) == "FAILED"


def test_only_the_unproven_are_listed(reported: TestOrigin) -> None:
    reported.package("18")
    reported.assign("18")
    listed = [
        len(reported.read(lambda conn, i=i: result_list.results(conn, i, (), EVERYTHING, unproven=True)).items)
        for i in ("17", "18")
    ]
    assert listed == [1, 0]


def test_an_accepted_success_is_one(reported: TestOrigin) -> None:
    assert reported.act(proofs.accept, "17", ["pc"], reported.now_s) == ["pc"]
    assert state(reported) == "SUCCESS"
    (event,) = reported.events(Kind.ACCEPTED)
    assert (event.package_id, event.computer_id, event.detail) == ("17", 1, {"code": "SUCCESS"})
    assert str(event.actor) == "operator:admin"
    with pytest.raises(Conflict, match="nothing of 17 is unproven on pc"):
        reported.act(proofs.accept, "17", ["pc"], reported.now_s)
    assert reported.act(proofs.accept, "17", ["pc"], reported.now_s, skip=True) == []


def test_an_accepted_history_is_a_success_and_stays_one(pc: TestOrigin) -> None:
    pc.inventory("17")
    pc.package("17")
    pc.assign("17")
    assert pc.listed() == []
    assert state(pc) == "WAITING, unproven"
    pc.now_s += 60
    pc.act(proofs.accept, "17", ["pc"], pc.now_s)
    (result,) = pc.results("17")
    assert (result.shown_state, result.code, result.result_at_s) == ("SUCCESS", "SUCCESS_ALREADY_IN_HISTORY", pc.now_s)
    pc.assign("17")
    assert pc.listed() == []
    assert pc.code("17") == "SUCCESS_ALREADY_IN_HISTORY"


def test_force_takes_the_place_of_what_only_the_history_holds_back(pc: TestOrigin) -> None:
    pc.inventory("17")
    pc.package("17")
    pc.assign("17")
    assert pc.listed() == []
    with pytest.raises(Conflict):
        pc.assign("17")
    pc.assign("17", force=True)
    assert pc.listed() == ["17"]
    assert len(pc.rows(schema.assignments)) == 1


def test_what_cannot_be_accepted(pc: TestOrigin) -> None:
    with pytest.raises(NotFound, match="package"):
        pc.act(proofs.accept, "17", ["pc"], pc.now_s)
    pc.package("17")
    pc.assign("17")
    with pytest.raises(NotFound, match="computers"):
        pc.act(proofs.accept, "17", ["nobody"], pc.now_s)
    with pytest.raises(Conflict, match="nothing"):
        pc.act(proofs.accept, "17", ["pc"], pc.now_s)


def test_a_proof_outlives_the_progress_that_a_new_assignment_deletes(reported: TestOrigin) -> None:
    reported.fetch("17")
    reported.assign("17")
    assert reported.listed() == []
    assert state(reported) == "SUCCESS"
    assert reported.code("17") == "SUCCESS_ALREADY_IN_HISTORY"


def test_a_forged_result_does_not_make_the_next_assignment_a_success(reported: TestOrigin) -> None:
    reported.assign("17")
    assert reported.listed() == []
    assert state(reported) == "WAITING, unproven"


def test_results_without_proof_are_told_once_after_a_while(reported: TestOrigin) -> None:
    for package_id in ("18", "19"):
        reported.package(package_id)
        reported.assign(package_id)
    reported.listed()
    for package_id in ("18", "19"):
        reported.report(package_id, "SUCCESS_0")
        reported.listed()
    reported.fetch("18")

    def settle(age_s: float) -> int:
        return reported.write(proofs.settle, reported.now_s + age_s)  # type: ignore[no-any-return]

    assert settle(proofs.PROOF_WAIT_S - 1) == 0
    assert settle(proofs.PROOF_WAIT_S + 1) > 1
    assert settle(proofs.PROOF_WAIT_S + 2) == 0
    told = [(event.package_id, event.detail["code"]) for event in reported.events(Kind.UNPROVEN)]
    assert ("17", "SUCCESS") in told
    assert "18" not in dict(told)
    assert state(reported) == "SUCCESS, unproven"
    reported.fetch("17")
    assert state(reported) == "SUCCESS"
