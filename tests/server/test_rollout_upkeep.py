"""What a server does for roll-outs every now and then."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from sqlalchemy import update

from distd.catalogue.event_log import Kind
from distd.catalogue.rollouts_schema import rollouts as rollouts_table
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import BadInput, Unavailable
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import Phase, RolloutAct
from distd.domain.settings import DownloadConfig, settings_of
from distd.origin.deployments import rollout_advance, rollout_forecasts, rollouts
from distd.origin.deployments.rollout_rows import find_row, load
from distd.origin.deployments.rollouts import NewRollout
from distd.server.rollout_upkeep import JOIN_S, run_rollouts
from distd.simulation.world import Line

if TYPE_CHECKING:
    from distd.origin.deployments.rollout_forecasts import RolloutQuestion
    from distd.simulation.records import RolloutForecast
    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")


async def no_forecast(question: RolloutQuestion) -> RolloutForecast:
    raise BadInput("sites", "few", question.package_id)


async def test_roll_outs_go_on(
    origin: TestOrigin, reader: Any, writer: Any, autojump_clock: trio.testing.MockClock
) -> None:
    origin.package("17")
    origin.prolog()
    who, plan = AssignmentOrigin(OriginKind.FILTER), RolloutPlan((WavePlan(WaveBy.REST),), start_at_s=1.0, dynamic=True)
    origin.act(rollouts.create, NewRollout("a", "17", who, plan), origin.now_s)
    origin.act(rollouts.act, "a", RolloutAct.START, 0.0, DownloadConfig())
    origin.prolog("new")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_rollouts, reader, writer, lambda: settings_of({}), no_forecast, LOG)
        await trio.sleep(JOIN_S + 16)
        nursery.cancel_scope.cancel()
    assert {result.device_id for result in origin.results("17")} == {"pc", "new"}
    kept = origin.read(rollout_forecasts.show_kept, "a", origin.now_s)
    assert kept.why == "sites: expected few, got 17"


async def test_nothing_is_written_where_nothing_is_due(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin.package("17")
    origin.prolog()
    who, plan = AssignmentOrigin(OriginKind.FILTER), RolloutPlan((WavePlan(WaveBy.REST),), dynamic=True)
    origin.act(rollouts.create, NewRollout("a", "17", who, plan), origin.now_s)
    origin.act(rollouts.act, "a", RolloutAct.START, 0.0, DownloadConfig())
    question = origin.read(question_of, origin.now_s)
    origin.write(rollout_forecasts.keep, question, "not wanted")
    writer.error = Unavailable("catalogue", "it is locked")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_rollouts, reader, writer, lambda: settings_of({}), no_forecast, LOG)
        await trio.sleep(JOIN_S + 16)
        assert caplog.messages == []
        origin.prolog("new")
        await trio.sleep(JOIN_S)
        nursery.cancel_scope.cancel()
    assert caplog.messages == ["no computers join roll-outs: catalogue: it is locked"]


async def test_a_plan_that_takes_too_long_is_in_nobodys_way(
    origin: TestOrigin, reader: Any, writer: Any, autojump_clock: trio.testing.MockClock
) -> None:
    origin.package("17")
    origin.prolog()
    who, plan = AssignmentOrigin(OriginKind.FILTER), RolloutPlan((WavePlan(WaveBy.REST),))
    for name in ("a", "b"):
        origin.act(rollouts.create, NewRollout(name, "17", who, plan), origin.now_s)
        origin.act(rollouts.act, name, RolloutAct.START, 0.0, DownloadConfig())

    async def too_long(question: RolloutQuestion) -> RolloutForecast:
        raise Unavailable("forecast", "it took too long")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_rollouts, reader, writer, lambda: settings_of({}), too_long, LOG)
        await trio.sleep(15)
        nursery.cancel_scope.cancel()
    kept = [origin.read(rollout_forecasts.show_kept, name, origin.now_s) for name in ("a", "b")]
    assert [each.why for each in kept] == ["forecast: it took too long"] * 2


@pytest.mark.parametrize("plan", ['{"of a later version": 1}', "no JSON"])
async def test_one_that_cannot_be_read_holds_up_no_other(
    plan: str,
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin.package("17")
    origin.prolog()
    who, good = AssignmentOrigin(OriginKind.FILTER), RolloutPlan((WavePlan(WaveBy.REST),), start_at_s=1.0, dynamic=True)
    for name in ("bad", "good"):
        origin.act(rollouts.create, NewRollout(name, "17", who, good), origin.now_s)
        origin.act(rollouts.act, name, RolloutAct.START, 0.0, DownloadConfig())
    broken = update(rollouts_table).where(rollouts_table.c.name == "bad").values(plan=plan, phase=Phase.RUNNING)
    origin.write(lambda conn: conn.execute(broken))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_rollouts, reader, writer, lambda: settings_of({}), no_forecast, LOG)
        await trio.sleep(16)
        origin.prolog("new")
        await trio.sleep(JOIN_S + 16)
        nursery.cancel_scope.cancel()
    assert {result.device_id for result in origin.results("17")} == {"pc", "new"}
    assert origin.read(rollout_forecasts.show_kept, "good", origin.now_s) is not None
    assert "roll-outs do not go on, 1: " in caplog.text


async def test_computers_join_in_parts(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollout_advance, "MAX_JOINED", 2)
    origin.package("17")
    origin.prolog()
    who, plan = AssignmentOrigin(OriginKind.FILTER), RolloutPlan((WavePlan(WaveBy.REST),), dynamic=True)
    origin.act(rollouts.create, NewRollout("a", "17", who, plan), origin.now_s)
    origin.act(rollouts.act, "a", RolloutAct.START, 0.0, DownloadConfig())
    for number in range(3):
        origin.prolog(f"new{number}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_rollouts, reader, writer, lambda: settings_of({}), no_forecast, LOG)
        await trio.sleep(JOIN_S + 1)
        nursery.cancel_scope.cancel()
    assert [event.detail["computers"] for event in origin.events(Kind.ROLLOUT_JOINED)] == [2, 1]


def question_of(conn: Any, now_s: float) -> RolloutQuestion:
    found = load(conn, find_row(conn, "a"))
    return rollout_forecasts.question_of(conn, found, settings_of({}), Line(), now_s)
