"""Counters: whatever happens, they equal what is counted anew, and a model that only knows states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, select, update

from distd.catalogue import schema
from distd.catalogue.engine import create_catalogue, open_catalogue
from distd.domain.assignment_terms import Terms
from distd.domain.results import REPLACED, Outcome, classify
from distd.origin.computers import computers
from distd.origin.deployments import assignments, proofs
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.packages import counters, packages
from tests.fixtures.origin import TestOrigin

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("17", "18")
COMPUTERS = ("a", "b", "c")
CODES = ("SUCCESS", "SUCCESS_3", "SUCCESS_ALREADY_SETUP", "ERR_EXECUTE", "ERR_ABORTED", "NOTIFIED")
one_package, one_computer = st.sampled_from(PACKAGES), st.sampled_from(COMPUTERS)


def derived(row: dict[str, Any]) -> str:
    """The state of a row by its other columns."""
    if row["archived_at_us"] is not None:
        return Outcome.ARCHIVED
    code = row["result"] or (None if row["notified_at_us"] is None else "NOTIFIED")
    return classify(code, row["first_fragment_at_us"] is not None)


class Deployments(RuleBasedStateMachine):
    """All that changes where a computer is with a package."""

    path: Path
    number = 0

    @initialize()
    def begin(self) -> None:
        type(self).number += 1
        file = self.path / f"{self.number}.db"
        create_catalogue(file)
        self.opened = open_catalogue(file)
        self.origin = TestOrigin(self.opened.__enter__())
        for package_id in PACKAGES:
            self.origin.package(package_id)
        for device_id in COMPUTERS:
            self.origin.prolog(device_id)
            self.origin.inventory(device_id=device_id)

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            self.opened.__exit__(None, None, None)

    @rule(package_id=one_package, force=st.booleans(), late=st.booleans())
    def assign(self, package_id: str, force: bool, late: bool) -> None:
        terms = Terms(force=force, not_after_s=self.origin.now_s + 5 if late else None)
        here = [row["device_id"] for row in self.origin.rows(schema.computers)]
        if self.origin.read(packages.show, package_id).active:
            request = AssignmentRequest(package_id, here, terms, skip_had=True)
            self.origin.act(assignments.assign, request, self.origin.now_s)

    @rule(device_id=one_computer, windows=st.booleans())
    def contact(self, device_id: str, windows: bool) -> None:
        self.origin.now_s += 3
        self.origin.user_agent = "OCS-NG_WINDOWS_AGENT_v2.9" if windows else "OCS-NG_unified_unix_agent_v2.10.0"
        self.origin.prolog(device_id)

    @rule(device_id=one_computer, history=st.sets(one_package))
    def tell_history(self, device_id: str, history: set[str]) -> None:
        self.origin.inventory(*history, device_id=device_id)

    @rule(device_id=one_computer, package_id=one_package)
    def fetch(self, device_id: str, package_id: str) -> None:
        if device_id in {row["device_id"] for row in self.origin.rows(schema.computers)}:
            self.origin.fetch(package_id, device_id)

    @rule(device_id=one_computer, package_id=one_package, code=st.sampled_from(CODES))
    def report(self, device_id: str, package_id: str, code: str) -> None:
        self.origin.report(package_id, code, device_id)

    @rule(package_id=one_package)
    def unassign(self, package_id: str) -> None:
        here = [row["device_id"] for row in self.origin.rows(schema.computers)]
        self.origin.act(assignments.unassign, package_id, here, self.origin.now_s, skip=True)

    @rule(package_id=one_package)
    def accept(self, package_id: str) -> None:
        here = [row["device_id"] for row in self.origin.rows(schema.computers)]
        self.origin.act(proofs.accept, package_id, here, self.origin.now_s, skip=True)

    @rule(device_id=one_computer)
    def delete_computer(self, device_id: str) -> None:
        if device_id in {row["device_id"] for row in self.origin.rows(schema.computers)}:
            self.origin.act(computers.delete, [device_id], self.origin.now_s)

    @rule(package_id=one_package)
    def withdraw(self, package_id: str) -> None:
        self.origin.act(packages.mark_withdrawn, package_id, 2, self.origin.now_s)

    @invariant()
    def every_row_is_in_its_state(self) -> None:
        if not hasattr(self, "origin"):
            return
        latest: dict[tuple[int, str], int] = {}
        rows = self.origin.rows(schema.assignments)
        for row in rows:
            latest[row["computer_id"], row["package_id"]] = row["id"]
        for row in rows:
            is_latest = latest[row["computer_id"], row["package_id"]] == row["id"]
            assert row["state"] == (derived(row) if is_latest else REPLACED)
            if is_latest and row["result"] is not None:
                assert row["unproven"] == (row["unproven_at_us"] is not None)

    @invariant()
    def the_counters_are_right(self) -> None:
        if hasattr(self, "origin"):
            assert self.origin.write(counters.recount_all) == {}


def test_counters_equal_what_is_counted(tmp_path: Path) -> None:
    Deployments.path = tmp_path
    machine = settings(max_examples=15, stateful_step_count=30, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(Deployments, settings=machine)


@pytest.fixture
def deployed(pc: TestOrigin) -> TestOrigin:
    pc.package("17")
    pc.assign("17")
    pc.listed()
    pc.report("17", "ERR_EXECUTE")
    return pc


def test_wrong_counters_are_found_and_put_right(deployed: TestOrigin) -> None:
    deployed.write(lambda conn: conn.execute(update(schema.counters).values(computers=7)))
    wrong = deployed.write(counters.recount_all)
    assert wrong[counters.Position("17", "FAILED", "ERR_EXECUTE")] == -6
    assert deployed.read(counters.count_computers, ["17"])["17"].failed == 1
    deployed.write(lambda conn: conn.execute(delete(schema.counters)))
    assert deployed.write(counters.recount_all) == {counters.Position("17", "FAILED", "ERR_EXECUTE"): 1}


def test_codes(deployed: TestOrigin) -> None:
    assert deployed.read(counters.count_codes, "17") == {"ERR_EXECUTE": 1}
    deployed.assign("17")
    assert deployed.read(counters.count_codes, "17") == {}
    rows = deployed.read(
        lambda conn: list(conn.execute(select(schema.counters.c.state).where(schema.counters.c.computers > 0)))
    )
    assert [row.state for row in rows] == ["WAITING"]
    deployed.unassign("17")
    assert deployed.read(counters.count_codes, "17") == {"ERR_EXECUTE": 1}
