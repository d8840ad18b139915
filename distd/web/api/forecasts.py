"""The API's forecasts: how the deployment of a package, or a roll-out, is going to be."""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from quart_schema import validate_response

from distd.operations.forecasts import PLAN, ROLLOUT_PLAN, PlanQuery, RolloutPlanQuery, question_of
from distd.origin.deployments import forecasts, rollout_forecasts
from distd.origin.deployments.forecasts import Plan
from distd.origin.deployments.rollout_forecasts import RolloutPlanShown
from distd.origin.deployments.rollout_rows import find_row, load
from distd.origin.packages import packages
from distd.simulation.world import Line
from distd.web.api.auth import needs
from distd.web.api.queries import takes
from distd.web.forecast_turns import ForecastTurns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.domain.settings import Settings
    from distd.origin.deployments.forecasts import Question
    from distd.origin.deployments.rollout_forecasts import RolloutQuestion
    from distd.origin.deployments.rollout_record import RunningRollout
    from distd.simulation.records import RolloutForecast
    from distd.simulation.world import World

    Forecast = Callable[[World, Question, str], Awaitable[Plan]]
    ForecastOfRollout = Callable[[RolloutQuestion], Awaitable[RolloutForecast]]


class ForecastRoutes:
    """`forecast(world, question, name)` makes a plan, `forecast_rollout(question)` that of a roll-out, which take some
    seconds: one at a time is made, and few may wait.

    `settings()` are the present ones.
    """

    def __init__(
        self,
        reader: Reader,
        settings: Callable[[], Settings],
        forecast: Forecast,
        forecast_rollout: ForecastOfRollout,
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._forecast = forecast
        self._forecast_rollout = forecast_rollout
        self._one = trio.CapacityLimiter(1)
        self._turns = ForecastTurns()

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/packages/<package_id>/plan")
        @needs(PLAN.act)
        @takes(PlanQuery)
        @validate_response(Plan)
        async def plan(package_id: str, query_args: PlanQuery) -> Any:
            """How a package's deployment will go; with `by`, also what to set to have it done by then."""
            now = datetime.now()  # noqa: DTZ005 - "fri 18:00" is local
            question = question_of(package_id, query_args, self._settings(), now)
            return await self._turns.run(partial(self._plan, question))

        @app.get("/api/v1/rollouts/<rollout>/plan")
        @needs(ROLLOUT_PLAN.act)
        @takes(RolloutPlanQuery)
        @validate_response(RolloutPlanShown)
        async def plan_rollout(rollout: str, query_args: RolloutPlanQuery) -> Any:
            """How a whole roll-out will go: when its waves open, when computers are done, what each line carries.

            It is made now, where nothing fails, until the roll-out begins; from then on it is the one that was kept,
            beside what is measured.
            """
            line = Line.read(query_args.line, "line")
            return await self._turns.run(partial(self._plan_rollout, rollout, line))

    async def _plan(self, question: Question) -> Plan:
        world = await self._reader.run(partial(forecasts.world_of, question=question, now_s=time.time()))
        package = await self._reader.run(partial(packages.show, package_id=question.package_id))
        async with self._one:
            return await self._forecast(world, question, package.name)

    async def _plan_rollout(self, name: str, line: Line) -> RolloutPlanShown:
        now_s, settings = time.time(), self._settings()

        def read(
            conn: Connection,
        ) -> RolloutPlanShown | tuple[RunningRollout, RolloutQuestion]:
            kept = rollout_forecasts.show_kept(conn, name, now_s)
            if kept is not None:
                return kept
            found = load(conn, find_row(conn, name))
            return found, rollout_forecasts.question_of(conn, found, settings, line, now_s)

        read_now = await self._reader.run(read)
        if isinstance(read_now, RolloutPlanShown):
            return read_now
        found, question = read_now
        async with self._one:
            made = await self._forecast_rollout(question)
        show = partial(
            rollout_forecasts.shown, found=found, forecast=made, begins_at_s=question.begins_at_s, now_s=now_s
        )
        return await self._reader.run(show)
