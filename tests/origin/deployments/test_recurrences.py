"""Packages that come again every so many days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.catalogue.recurring_schema import recurrences as table
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import EVERYTHING
from distd.origin.deployments import recurrences
from distd.origin.deployments.recurrences import NewRecurrence, RecurrenceChanges
from distd.origin.groups import groups
from distd.origin.groups.groups import GroupChanges, NewComputerGroup
from distd.origin.packages import packages

if TYPE_CHECKING:
    from distd.origin.deployments.recurrences import Recurrence
    from tests.fixtures.origin import TestOrigin

DAY_S = 86_400.0


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    """Three computers: on a the package succeeded, on b it waits, c never had it."""
    for name in ("a", "b", "c"):
        origin.prolog(name)
        origin.inventory(device_id=name)
    origin.package("17")
    origin.assign("17", "a")
    origin.assign("17", "b")
    origin.listed("a")
    origin.report("17", "SUCCESS", "a")
    return origin


def make(site: TestOrigin, days: int = 7, who: AssignmentOrigin | None = None, **more: Any) -> Recurrence:
    made: Recurrence = site.act(recurrences.create, NewRecurrence("17", days, who, **more), site.now_s)
    return made


def run(site: TestOrigin, days: float) -> int:
    site.now_s += days * DAY_S
    due = site.read(recurrences.find_due, site.now_s)
    return 0 if due is None else int(site.write(recurrences.run_due, due, site.now_s))


def test_those_that_have_it_get_it_again(site: TestOrigin) -> None:
    made = make(site)
    assert (made.next_at_s, made.who_kind) == (site.now_s + 7 * DAY_S, "")
    assert run(site, 6.9) == 0
    assert site.read(recurrences.find_due, site.now_s) is None
    assert run(site, 0.2) == 1
    assert {each.device_id: (each.state, each.attempt) for each in site.results("17")} == {
        "a": ("WAITING", 2),
        "b": ("WAITING", 1),
    }
    assert site.listed("a") == ["17"], "although it has it"
    site.report("17", "SUCCESS", "a")
    (found,) = site.read(recurrences.list_recurrences, EVERYTHING).items
    assert (found.last_computers, found.why, found.next_at_s) == (1, "", made.next_at_s + 7 * DAY_S)
    (event,) = site.events(Kind.RECURRENCE_RUN)
    assert event.detail == {"recurrence": made.id, "again": 1, "new": 0}


def test_those_of_a_filter_get_it_too(site: TestOrigin) -> None:
    make(site, who=AssignmentOrigin(OriginKind.FILTER, "device_id IN (a, c)"), first_s=site.now_s + 60)
    assert run(site, 0.1) == 2
    found = {each.device_id: (each.origin_kind, each.attempt) for each in site.results("17")}
    assert found == {"a": ("hand", 2), "b": ("hand", 1), "c": ("recurrence", 1)}


def test_a_run_is_done_in_parts(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrences, "AT_ONCE", 1)
    make(site, who=AssignmentOrigin(OriginKind.FILTER, 'device_id ~ "?"'), first_s=site.now_s)
    assert [run(site, 0) for _ in range(5)] == [1, 0, 1, 0, 0]
    (event,) = site.events(Kind.RECURRENCE_RUN)
    assert (event.detail["again"], event.detail["new"]) == (1, 1)
    assert site.rows(table)[0]["last_computers"] == 2


def test_what_an_operator_took_back_stays_so(site: TestOrigin) -> None:
    make(site, first_s=site.now_s)
    site.assign("17", "c")
    site.listed("c")
    site.unassign("17", "c")
    site.report("17", "SUCCESS", "c")
    assert run(site, 0) == 1
    assert {each.device_id: each.attempt for each in site.results("17")}["c"] == 1


def test_what_was_missed_comes_once(site: TestOrigin) -> None:
    made = make(site, 2)
    assert run(site, 9) == 1
    assert run(site, 0) == 0
    assert site.read(recurrences.show, str(made.id)).next_at_s == made.next_at_s + 8 * DAY_S


def test_a_package_that_is_not_active_says_so_and_is_tried_again(site: TestOrigin) -> None:
    made = make(site, 1)
    assert run(site, 1) == 1
    assert site.read(recurrences.show, str(made.id)).last_computers == 1
    site.listed("a")
    site.report("17", "SUCCESS", "a")
    site.act(packages.deactivate, "17", site.now_s)
    assert run(site, 1) == 0
    failed = site.read(recurrences.show, str(made.id))
    assert "not active" in failed.why
    assert (failed.last_at_s, failed.last_computers) == (site.now_s, 0)
    (event,) = site.events(Kind.RECURRENCE_FAILED)
    assert "not active" in event.detail["why"]
    site.act(packages.activate, "17", None, None, site.now_s)
    assert run(site, 1) == 1
    assert site.read(recurrences.show, str(made.id)).why == ""


def test_it_ends_when_it_is_deleted(site: TestOrigin) -> None:
    made = make(site)
    assert site.act(recurrences.delete, str(made.id), site.now_s) == made
    assert run(site, 8) == 0
    for text in (str(made.id), "x", "9" * 10):
        with pytest.raises(NotFound):
            site.read(recurrences.show, text)


@pytest.mark.parametrize(
    ("new", "error", "field"),
    [
        (NewRecurrence("99", 7), NotFound, "package"),
        (NewRecurrence("17", 0), BadInput, "every_days"),
        (NewRecurrence("17", 7, first_s=1.0), BadInput, "first_at"),
        (NewRecurrence("17", 7, AssignmentOrigin(OriginKind.GROUP, "none")), NotFound, "to.group"),
        (NewRecurrence("17", 7, AssignmentOrigin(OriginKind.FILTER, "memory >")), BadInput, "filter"),
    ],
)
def test_what_cannot_be(site: TestOrigin, new: NewRecurrence, error: type[Exception], field: str) -> None:
    with pytest.raises(error) as raised:
        site.act(recurrences.create, new, site.now_s)
    assert getattr(raised.value, "field", "") == field


def test_there_are_not_too_many(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrences, "MAX_RECURRENCES", 1)
    make(site)
    with pytest.raises(Conflict, match="1 recurrences already"):
        make(site)


@pytest.mark.parametrize(
    ("who", "text"), [(OriginKind.GROUP, "{}"), (OriginKind.FILTER, 'group("{}")')], ids=["group", "filter"]
)
def test_its_group_gets_another_name_and_stays(site: TestOrigin, who: OriginKind, text: str) -> None:
    site.act(groups.create, NewComputerGroup("Class A", computers=["a", "c"]), site.now_s)
    made = make(site, who=AssignmentOrigin(who, text.format("class a")), first_s=site.now_s)
    site.act(groups.edit, "Class A", GroupChanges(name="Class B"), site.now_s)
    assert site.read(recurrences.show, str(made.id)).who == text.format("Class B")
    assert run(site, 0) > 0
    with pytest.raises(Conflict, match="Class B is needed by the recurrence 1; delete the recurrence first"):
        site.act(groups.delete, "Class B", site.now_s)
    site.act(recurrences.delete, str(made.id), site.now_s)
    site.act(groups.delete, "Class B", site.now_s)


def test_what_another_server_has_given_up_already_costs_no_other_its_turn(site: TestOrigin) -> None:
    first, second = make(site), make(site)
    site.now_s += 7 * DAY_S
    for _ in range(2):
        site.write(recurrences.fail_due, first.id, "it is odd", site.now_s)
    assert site.read(recurrences.find_due, site.now_s) == second.id
    assert len(site.events(Kind.RECURRENCE_FAILED)) == 1
    assert site.write(recurrences.run_due, first.id, site.now_s) == 0


def edit(site: TestOrigin, made: Recurrence, **changes: Any) -> Recurrence:
    done: Recurrence = site.act(recurrences.edit, str(made.id), RecurrenceChanges(**changes), site.now_s)
    return done


def test_another_number_of_days_counts_from_the_first_time(site: TestOrigin) -> None:
    made = make(site, first_s=site.now_s)
    run(site, 0)
    site.now_s += 2 * DAY_S
    changed = edit(site, made, every_days=3)
    assert (changed.every_days, changed.next_at_s) == (3, site.now_s + DAY_S)
    (event,) = site.events(Kind.RECURRENCE_CHANGED)
    assert (event.detail["before"]["every_days"], event.detail["after"]["every_days"]) == (7, 3)
    edit(site, made, every_days=3)
    assert len(site.events(Kind.RECURRENCE_CHANGED)) == 1, "nothing was different"


def test_the_first_time_stays_while_it_is_to_come(site: TestOrigin) -> None:
    made = make(site, first_s=site.now_s + 9 * DAY_S)
    assert edit(site, made, every_days=1).next_at_s == made.next_at_s


def test_another_time_ends_a_run_that_has_begun(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrences, "AT_ONCE", 1)
    made = make(site, who=AssignmentOrigin(OriginKind.FILTER, 'device_id ~ "?"'), first_s=site.now_s)
    run(site, 0)
    changed = edit(site, made, next_s=site.now_s + DAY_S)
    assert (changed.next_at_s, run(site, 0)) == (site.now_s + DAY_S, 0)
    (row,) = site.rows(table)
    assert (row["done_to"], row["run_again"], row["run_new"]) == (None, 0, 0)


def test_a_run_that_has_begun_goes_on_for_others(site: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first one on; who was come to already is passed over."""
    monkeypatch.setattr(recurrences, "AT_ONCE", 2)
    made = make(site, first_s=site.now_s)
    assert run(site, 0) == 1
    changed = edit(site, made, who=(AssignmentOrigin(OriginKind.FILTER, "device_id in (a, c)"),), every_days=8)
    assert (changed.who_kind, changed.next_at_s) == ("filter", made.next_at_s)
    assert [run(site, 0) for _ in range(3)] == [1, 0, 0]
    assert {each.device_id: each.attempt for each in site.results("17")} == {"a": 2, "b": 1, "c": 1}
    assert edit(site, made, who=(None,)).who_kind == ""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "changes"),
        ({"every_days": 0}, "every_days"),
        ({"next_s": 1.0}, "first_at"),
        ({"who": (AssignmentOrigin(OriginKind.FILTER, "memroy > 1"),)}, "filter"),
    ],
)
def test_what_cannot_be_changed(site: TestOrigin, changes: dict[str, Any], field: str) -> None:
    made = make(site)
    with pytest.raises(BadInput) as caught:
        edit(site, made, **changes)
    assert caught.value.field == field
    assert site.read(recurrences.show, str(made.id)) == made
