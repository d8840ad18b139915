"""Whom a roll-out is for: chosen beside the writer, members in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.rollouts_schema import rollout_members
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig
from distd.origin.computers import computers
from distd.origin.deployments import rollout_choice, rollouts
from distd.origin.deployments.rollouts import NewRollout

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

PLAN = RolloutPlan((WavePlan(WaveBy.NUMBER, "2", "pilot"), WavePlan(WaveBy.SHARE, "50")))
NEW = NewRollout("Putty", "17", AssignmentOrigin(OriginKind.FILTER), PLAN)


@pytest.fixture
def site(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> TestOrigin:
    """Package 17 and eight computers, three in a part."""
    monkeypatch.setattr(rollout_choice, "MAX_PART", 3)
    origin.package("17")
    for number in range(8):
        origin.prolog(f"pc{number}")
    return origin


def members(site: TestOrigin) -> dict[int, int]:
    return {row["computer_id"]: row["wave"] for row in site.rows(rollout_members)}


def take_all(site: TestOrigin, choice: Any) -> int:
    revision, parts = site.read(rollout_choice.find_parts, "putty", choice)
    for part in parts:
        revision = site.write(rollout_choice.take_part, "putty", part, revision)
    assert isinstance(revision, int)
    return revision


def test_members_come_in_parts(site: TestOrigin) -> None:
    choice = site.act(rollouts.choose, NEW, site.now_s)
    made = site.act(rollouts.create, NEW, site.now_s, choice)
    assert ([wave.members for wave in made.waves], made.left_out) == ([2, 4], 2)
    assert len(members(site)) == 3
    take_all(site, choice)
    assert members(site) == choice.waves
    assert site.read(rollout_choice.find_parts, "putty", choice)[1] == []
    assert site.read(rollouts.show, "putty", site.now_s).waves == made.waves


def test_a_name_has_the_same_sample_each_time(site: TestOrigin) -> None:
    first, again = (site.act(rollouts.choose, NEW, site.now_s) for _ in range(2))
    assert first == again


def test_who_was_chosen_anew_takes_the_place_of_others(site: TestOrigin) -> None:
    first = site.act(rollouts.choose, NEW, site.now_s)
    site.act(rollouts.create, NEW, site.now_s, first)
    take_all(site, first)
    gone = sorted(members(site))[:2]
    names = {row["id"]: row["device_id"] for row in site.rows(schema.computers)}
    site.act(computers.delete, [names[each] for each in gone], site.now_s)
    choice = site.read(rollout_choice.choose_anew, "putty", site.now_s)
    take_all(site, choice)
    assert members(site) == choice.waves
    assert not set(gone) & set(choice.waves)


def test_members_of_one_that_others_change_stay(site: TestOrigin) -> None:
    choice = site.act(rollouts.choose, NEW, site.now_s)
    site.act(rollouts.create, NEW, site.now_s, choice)
    revision, (part, *_) = site.read(rollout_choice.find_parts, "putty", choice)
    site.act(rollouts.change, "putty", {"retries": 1}, site.now_s)
    assert site.write(rollout_choice.take_part, "putty", part, revision) is None
    assert len(members(site)) == 3


def test_what_was_counted_before_counts_while_nothing_has_changed(site: TestOrigin) -> None:
    """The first act takes what was counted; the second counts, and finds the computers that were missing."""
    choice = site.act(rollouts.choose, NEW, site.now_s)
    site.act(rollouts.create, NEW, site.now_s, choice)
    counted = site.read(rollouts.count_for_act, "putty", site.now_s, DownloadConfig())
    site.act(rollouts.change, "putty", {"retries": 1}, site.now_s)
    done = site.act(rollouts.act, "putty", RolloutAct.START, site.now_s, DownloadConfig(), counted)
    assert (done.left_out, len(members(site))) == (2, 6)
    counted = site.read(rollouts.count_for_act, "putty", site.now_s, DownloadConfig())
    assert site.act(rollouts.act, "putty", RolloutAct.PAUSE, site.now_s, DownloadConfig(), counted).phase == "PAUSED"
