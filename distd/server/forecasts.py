"""Forecasts in a child process: some seconds of work, which must not stop the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import Unavailable
from distd.lane.child_process import run_in_child
from distd.origin.deployments.forecasts import Plan, forecast
from distd.origin.deployments.rollout_forecasts import make_rollout_forecast
from distd.simulation.records import RolloutForecast

if TYPE_CHECKING:
    from distd.origin.deployments.forecasts import Question
    from distd.origin.deployments.rollout_forecasts import RolloutQuestion
    from distd.simulation.world import World

TIMEOUT_S: Final = 120.0
NICENESS: Final = 10


async def forecast_in_child(world: World, question: Question, name: str) -> Plan:
    """See `origin.deployments.forecasts.forecast`. Raises `BadInput`, and `Unavailable` when it takes too long."""
    with trio.move_on_after(TIMEOUT_S):
        plan = await run_in_child(forecast, world, question, name, name="plan", niceness=NICENESS)
        assert isinstance(plan, Plan)
        return plan
    raise Unavailable("plan", f"no answer within {TIMEOUT_S:g} s; `distd plan` has no such limit")


async def forecast_rollout_in_child(question: RolloutQuestion) -> RolloutForecast:
    """See `make_rollout_forecast`. Raises `BadInput`, and `Unavailable` when it takes too long."""
    with trio.move_on_after(TIMEOUT_S):
        made = await run_in_child(make_rollout_forecast, question, name="rollout-plan", niceness=NICENESS)
        assert isinstance(made, RolloutForecast)
        return made
    raise Unavailable("plan", f"no answer within {TIMEOUT_S:g} s; `distd rollout plan` has no such limit")
