"""What is forecast of a package's deployment when it begins, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import RolloutAct
from distd.domain.settings import DownloadConfig, settings_of
from distd.origin.deployments import forecasts, package_forecasts, rollout_forecasts, rollouts
from distd.origin.deployments.package_forecasts import Expected
from distd.origin.deployments.rollout_rows import find_row, load
from distd.origin.deployments.rollouts import NewRollout
from distd.simulation.world import Line

if TYPE_CHECKING:
    from distd.origin.deployments.package_forecasts import DeploymentQuestion
    from tests.fixtures.origin import TestOrigin


def question(origin: TestOrigin) -> DeploymentQuestion:
    found: DeploymentQuestion = origin.read(package_forecasts.question_of, "17", settings_of({}), origin.now_s)
    return found


def kept(origin: TestOrigin) -> Expected | None:
    found: Expected | None = origin.read(package_forecasts.show_kept, "17")
    return found


def computers(origin: TestOrigin, *names: str) -> None:
    for name in names:
        origin.prolog(name)
        origin.assign("17", name)


def test_it_is_made_once_and_anew_for_many_more_computers(origin: TestOrigin) -> None:
    origin.package("17")
    assert origin.read(package_forecasts.find_unforecast) == []
    computers(origin, "a", "b")
    assert origin.read(package_forecasts.find_unforecast) == ["17"]
    origin.listed("a")
    origin.fetch("17", "a")
    origin.report("17", "SUCCESS", "a")
    asked = question(origin)
    assert (asked.computers, asked.done, asked.world.agents) == (2, 1, 1)
    made = forecasts.forecast(asked.world, asked.question, asked.name)
    assert kept(origin) is None
    for _ in range(2):
        origin.write(package_forecasts.keep, asked, made)
    found = kept(origin)
    assert found is not None
    assert found.curve[0][2] == 1
    assert found.curve[-1][2] == 2
    assert found.begins_at_s == origin.now_s
    assert (found.finish_at_s[100] or 0) > origin.now_s
    assert origin.read(package_forecasts.find_unforecast) == []
    computers(origin, "c")
    assert origin.read(package_forecasts.find_unforecast) == ["17"]


def test_why_there_is_none_is_kept(origin: TestOrigin) -> None:
    origin.package("17")
    computers(origin, "a")
    origin.write(package_forecasts.keep, question(origin), "too much")
    assert kept(origin) is None
    assert origin.read(package_forecasts.find_unforecast) == []


def test_in_a_roll_out_it_is_the_roll_outs(origin: TestOrigin) -> None:
    origin.package("17")
    origin.prolog("a")
    origin.prolog("b")
    who, plan = AssignmentOrigin(OriginKind.FILTER), RolloutPlan((WavePlan(WaveBy.NUMBER, "1"), WavePlan(WaveBy.REST)))
    origin.act(rollouts.create, NewRollout("x", "17", who, plan), origin.now_s)
    origin.act(rollouts.act, "x", RolloutAct.START, origin.now_s, DownloadConfig())
    assert origin.results("17")
    assert origin.read(package_forecasts.find_unforecast) == []
    assert kept(origin) is None

    def read(conn: Any) -> Any:
        found = load(conn, find_row(conn, "x"))
        return rollout_forecasts.question_of(conn, found, settings_of({}), Line(), origin.now_s)

    asked = origin.read(read)
    origin.write(rollout_forecasts.keep, asked, "too much")
    assert kept(origin) is None
    made = rollout_forecasts.make_rollout_forecast(asked)
    origin.write(lambda conn: conn.exec_driver_sql("UPDATE rollouts SET forecast = NULL"))
    origin.write(rollout_forecasts.keep, asked, made)
    found = kept(origin)
    assert found is not None
    assert found.computers == 2
    assert all(low <= middle <= high <= 2 for _, low, middle, high in found.curve)
    assert found.curve[-1][2] == 2
    origin.write(lambda conn: conn.exec_driver_sql("UPDATE rollouts SET forecast = NULL"))
    origin.write(rollout_forecasts.keep, asked, replace(made, band=[]))  # as it was kept by the version before
    before = kept(origin)
    assert before is not None
    assert {(low, high) for _, low, _, high in before.curve} == {(middle, middle) for _, _, middle, _ in before.curve}


def test_how_many_were_to_have_it_by_a_time() -> None:
    expected = Expected(100.0, 8, [(100.0, 0, 0, 0), (110.0, 3, 4, 5), (120.0, 8, 8, 8)])
    assert [expected.number_at(at_s) for at_s in (90.0, 100.0, 105.0, 110.0, 119.0, 500.0)] == [0, 0, 2, 4, 7.6, 8]
    assert Expected(100.0, 8).number_at(500.0) == 0
