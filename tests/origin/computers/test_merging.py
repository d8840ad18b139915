"""What goes along when a computer gets another DEVICEID."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.catalogue.rollouts_schema import rollout_members
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import Conflict, NotFound
from distd.domain.records import InventoryRequest
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.origin.computers import computer_settings, computers, merging
from distd.origin.deployments import rollouts
from distd.origin.deployments.rollouts import NewRollout

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def two(origin: TestOrigin) -> TestOrigin:
    """`old` has had its first contact a minute before `new`; packages 17 and 18 are there."""
    origin.package("17")
    origin.package("18")
    origin.inventory(device_id="old", account={"TAG": "R1"})
    origin.now_s += 60
    origin.inventory(device_id="new")
    return origin


def merge(origin: TestOrigin) -> None:
    origin.act(merging.merge, "old", "new", origin.now_s)


def test_results_and_open_assignments_go_along(two: TestOrigin) -> None:
    for package_id in ("17", "18"):
        two.assign(package_id, "old")
    assert two.listed("old") == ["17", "18"] or two.listed("old") == ["17"]
    two.fetch("17", "old")
    two.report("17", "SUCCESS", "old")
    merge(two)
    results = {each.package_id: each for each in two.read(computers.show, "new").assignments}
    assert (results["17"].code, results["18"].state) == ("SUCCESS", "WAITING")
    assert two.listed("new") == ["18"]
    assert [row["computer_id"] for row in two.rows(schema.progress)] == [2]


def test_what_the_new_one_has_itself_stays(two: TestOrigin) -> None:
    two.assign("17", "old")
    two.assign("17", "new")
    two.fetch("17", "new")
    merge(two)
    (row,) = two.rows(schema.assignments)
    assert (row["computer_id"], row["id"]) == (2, 2)
    assert two.listed("new") == ["17"]


def test_the_old_agents_history_stays_behind(two: TestOrigin) -> None:
    """The new installation does not have the packages."""
    two.inventory("17", device_id="old")
    two.assign("17", "old")
    merge(two)
    assert two.listed("new") == ["17"]
    assert two.rows(schema.history) == []


def test_account_info_and_first_contact(two: TestOrigin) -> None:
    two.act(computer_settings.change, ["old"], {"account.ROOM": "B12"}, two.now_s)
    two.act(computer_settings.change, ["new"], {"account.SITE": "Lyon"}, two.now_s)
    merge(two)
    detail = two.read(computers.show, "new")
    assert detail.accounts == {"ROOM": "B12", "SITE": "Lyon", "TAG": "R1"}
    assert (detail.computer.tag, detail.computer.first_seen_at_s) == ("R1", two.now_s - 60)
    two.inventory(device_id="new", account={"ROOM": "other"})
    assert two.read(computers.show, "new").accounts == {"ROOM": "B12", "SITE": "Lyon", "TAG": "R1"}


def test_events_are_kept_and_say_so(two: TestOrigin) -> None:
    before = len(two.events())
    merge(two)
    events = two.events()
    assert len(events) == before + 1
    assert {event.computer_id for event in events if event.computer_id} == {2}
    assert (events[-1].kind, events[-1].detail) == (Kind.COMPUTER_MERGED, {"device_id": "old"})


def test_the_old_one_that_speaks_again_is_new(two: TestOrigin) -> None:
    merge(two)
    two.post(InventoryRequest("old", {"NAME": "PC"}, {}, (), None))
    assert {row["device_id"]: row["id"] for row in two.rows(schema.computers)} == {"new": 2, "old": 3}


def test_its_place_in_a_roll_out_goes_along(two: TestOrigin) -> None:
    plan = RolloutPlan((WavePlan(WaveBy.FILTER, "device_id = old"), WavePlan(WaveBy.REST)))
    both = AssignmentOrigin(OriginKind.FILTER)
    for name, who in (("both", both), ("old", AssignmentOrigin(OriginKind.FILTER, "device_id = old"))):
        two.act(rollouts.create, NewRollout(name, "17", who, plan), two.now_s)
    merge(two)
    members = [(row["rollout_id"], row["computer_id"], row["wave"]) for row in two.rows(rollout_members)]
    assert sorted(members) == [(1, 2, 1), (2, 2, 0)]


def test_what_cannot_be_merged(two: TestOrigin) -> None:
    with pytest.raises(NotFound, match="nobody"):
        two.act(merging.merge, "nobody", "new", two.now_s)
    with pytest.raises(Conflict, match="another computer"):
        two.act(merging.merge, "new", "new", two.now_s)
