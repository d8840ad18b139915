"""What names groups, or asks for them by filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.actor import Actor, ActorKind
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import Conflict
from distd.domain.page import EVERYTHING
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig
from distd.origin.computers import computers
from distd.origin.computers.computers import WantedComputers
from distd.origin.deployments import recurrences, rollouts
from distd.origin.deployments.recurrences import NewRecurrence
from distd.origin.deployments.rollouts import NewRollout
from distd.origin.groups import groups
from distd.origin.groups.groups import GroupChanges, NewComputerGroup
from distd.origin.operators import operators
from distd.origin.operators.operators import Grant

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

ASKS = 'NOT group("Servers")'
LIKE = 'NOT group("Serv*")'  # what names it as such gets the new name: `test_rollouts`, `test_recurrences`


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    """Computer `mail` is in the group Servers, `desk` is not."""
    for name in ("mail", "desk"):
        origin.prolog(name)
        origin.inventory(device_id=name)
    origin.package("17")
    origin.act(groups.create, NewComputerGroup("Servers", computers=["mail"]), origin.now_s)
    return origin


def refused(site: TestOrigin, by_what: str) -> None:
    """Another name, or none, would let the filter find the group's computers, too."""
    for act in (rename, delete):
        with pytest.raises(Conflict, match=f"Servers is asked for by {by_what}"):
            act(site)
    site.act(groups.edit, "Servers", GroupChanges(name="SERVERS", description="x"), site.now_s)
    site.act(groups.edit, "Servers", GroupChanges(name="Servers"), site.now_s)


def rename(site: TestOrigin) -> None:
    site.act(groups.edit, "Servers", GroupChanges(name="Machines"), site.now_s)


def delete(site: TestOrigin) -> None:
    site.act(groups.delete, "Servers", site.now_s)


@pytest.mark.parametrize("act", [rename, delete])
def test_a_restriction_stays_what_it_is(site: TestOrigin, act: Any) -> None:
    site.act(operators.create, "bob", "a long password", site.now_s, Grant(filter=ASKS))
    refused(site, "the restriction of bob; change the restriction first")
    bob = Actor(ActorKind.OPERATOR, "bob")
    seen = site.read(computers.list_computers, WantedComputers(), EVERYTHING, bob).items
    assert [each.device_id for each in seen] == ["desk"]
    site.act(operators.change, "bob", site.now_s, filter_="tag = x")
    act(site)


def test_roll_outs_and_their_waves_go_on_as_they_are(site: TestOrigin) -> None:
    plans = {
        "who": (AssignmentOrigin(OriginKind.FILTER, LIKE), RolloutPlan((WavePlan(WaveBy.REST),), start_at_s=9e9)),
        "wave": (
            AssignmentOrigin(OriginKind.FILTER),
            RolloutPlan((WavePlan(WaveBy.FILTER, LIKE), WavePlan(WaveBy.REST)), start_at_s=9e9),
        ),
    }
    for name, (who, plan) in plans.items():
        site.act(rollouts.create, NewRollout(name, "17", who, plan), site.now_s)
        site.act(rollouts.act, name, RolloutAct.START, site.now_s, DownloadConfig())
        refused(site, f"the filter of the roll-out {name}; stop the roll-out first")
        site.act(rollouts.act, name, RolloutAct.STOP, site.now_s, DownloadConfig())
    rename(site)


def test_recurrences_are_for_whom_they_were_made(site: TestOrigin) -> None:
    who = AssignmentOrigin(OriginKind.FILTER, LIKE)
    site.act(recurrences.create, NewRecurrence("17", 7, who), site.now_s)
    refused(site, "the filter of the recurrence 1; delete the recurrence first")
    site.act(recurrences.delete, "1", site.now_s)
    delete(site)
