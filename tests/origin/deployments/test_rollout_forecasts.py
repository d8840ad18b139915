"""The plan of a roll-out: made before it begins, kept when it begins, beside what is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from distd.catalogue import schema
from distd.catalogue.rollouts_schema import rollouts as table
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import NotFound
from distd.domain.rollout_plan import RolloutLimits, RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig, settings_of
from distd.origin.deployments import rollout_forecasts, rollouts
from distd.origin.deployments.rollout_rows import find_row, load
from distd.origin.deployments.rollouts import NewRollout
from distd.simulation.world import Line
from tests.fixtures.rollouts import advance_rollouts

if TYPE_CHECKING:
    from distd.origin.deployments.rollout_forecasts import RolloutPlanShown, RolloutQuestion
    from tests.fixtures.origin import TestOrigin

CONFIG = DownloadConfig()
NAMES = [f"pc{number}" for number in range(6)]


@pytest.fixture
def site(origin: TestOrigin) -> TestOrigin:
    """Package 17, a roll-out of it to six computers."""
    origin.package("17")
    for device_id in NAMES:
        origin.prolog(device_id)
    waves = (WavePlan(WaveBy.NUMBER, "2", "pilot"), WavePlan(WaveBy.REST, success_percent=50, after_s=60))
    plan = RolloutPlan(waves, RolloutLimits(at_once=3), windows="mon-sun 0-24")
    origin.act(rollouts.create, NewRollout("Putty", "17", AssignmentOrigin(OriginKind.FILTER), plan), origin.now_s)
    return origin


def question(site: TestOrigin) -> RolloutQuestion:
    def read(conn: Any) -> RolloutQuestion:
        found = load(conn, find_row(conn, "putty"))
        return rollout_forecasts.question_of(conn, found, settings_of({}), Line.read("1MB/s"), site.now_s)

    found: RolloutQuestion = site.read(read)
    return found


def kept(site: TestOrigin) -> RolloutPlanShown | None:
    found: RolloutPlanShown | None = site.read(rollout_forecasts.show_kept, "putty", site.now_s)
    return found


def test_what_is_simulated(site: TestOrigin) -> None:
    asked = question(site)
    assert (asked.package_id, asked.begins_at_s) == ("17", site.now_s)
    (place,) = asked.world.world.sites
    assert (place.agents, place.line) == (6, Line.read("1MB/s"))
    assert asked.world.counts == ((2, 4),)
    assert [(wave.name, wave.success_percent, wave.after_s) for wave in asked.world.waves] == [
        ("pilot", 90, 0),
        ("", 50, 60),
    ]
    assert (asked.world.at_once, len(asked.world.windows)) == (3, 1)


def test_it_is_kept_once_it_has_begun_and_compared(site: TestOrigin) -> None:
    assert site.read(rollout_forecasts.find_unforecast) == []
    assert kept(site) is None
    site.act(rollouts.act, "putty", RolloutAct.START, site.now_s, CONFIG)
    assert site.read(rollout_forecasts.find_unforecast) == [1]
    site.now_s += 5
    asked = question(site)
    assert asked.begins_at_s == site.now_s - 5
    made = rollout_forecasts.make_rollout_forecast(asked)
    assert [site.write(rollout_forecasts.keep, asked, made) for _ in range(2)] == [True, False]
    assert site.read(rollout_forecasts.find_unforecast) == []
    for result in [each for each in site.results("17") if each.state == "WAITING"]:
        site.listed(result.device_id)
        site.now_s += 1000
        site.fetch("17", result.device_id)
        site.report("17", "SUCCESS", result.device_id)
    found = kept(site)
    assert found is not None
    assert (found.forecast, found.computers, found.is_kept) == (made, 6, True)
    measured = found.measured
    assert measured is not None
    assert (measured.success, measured.opened_s, measured.sent_bytes) == (2, [0.0, None], 20)
    assert [share for _, share in measured.curve] == [0.166667, 0.333333]
    assert [at_s for at_s, _ in measured.curve] == pytest.approx([1005.0, 2005.0], abs=11)
    end = made.finish_s[100]
    assert end is not None
    site.now_s += end
    late = kept(site)
    assert late is not None
    assert late.measured is not None
    assert late.measured.expected == 6


def test_what_was_there_before_it_began_is_there_from_the_beginning(site: TestOrigin) -> None:
    site.assign("17", "pc0")
    site.listed("pc0")
    site.fetch("17", "pc0")
    site.report("17", "SUCCESS", "pc0")
    site.now_s += 1_000_000
    site.act(rollouts.act, "putty", RolloutAct.START, site.now_s, CONFIG)
    site.write(rollout_forecasts.keep, question(site), "too large")
    begun_s = site.now_s
    for result in [each for each in site.results("17") if each.state == "WAITING"]:
        site.listed(result.device_id)
        site.now_s += 1000
        site.fetch("17", result.device_id)
        site.report("17", "SUCCESS", result.device_id)
    found = kept(site)
    assert found is not None
    assert found.measured is not None
    at_s, shares = zip(*found.measured.curve, strict=True)
    assert at_s[0] == 0.0
    assert at_s[1:] == pytest.approx([1000.0 * (place + 1) for place in range(len(at_s) - 1)], abs=11)
    assert at_s[-1] == site.now_s - begun_s
    deployed = [result for result in site.results("17") if result.state == "SUCCESS"]
    assert (shares[0], shares[-1]) == (round(1 / 6, 6), round(len(deployed) / 6, 6))


def test_another_package_is_forecast_anew(site: TestOrigin) -> None:
    site.act(rollouts.act, "putty", RolloutAct.START, site.now_s, CONFIG)
    site.write(rollout_forecasts.keep, question(site), "too large")
    found = kept(site)
    assert found is not None
    assert (found.forecast, found.why) == (None, "too large")
    site.package("18")
    after = update(schema.packages).where(schema.packages.c.id == "17").values(superseded_by="18")
    site.write(lambda conn: conn.execute(after))
    advance_rollouts(site, CONFIG)
    assert kept(site) is None
    assert site.read(rollout_forecasts.find_unforecast) == [1]


def test_what_is_not_there(site: TestOrigin) -> None:
    with pytest.raises(NotFound):
        site.read(rollout_forecasts.show_kept, "none", site.now_s)
    assert [row["forecast"] for row in site.rows(table)] == [None]
