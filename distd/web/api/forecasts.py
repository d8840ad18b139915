"""The API's forecasts: how a package's deployment is going to be."""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from quart_schema import validate_response

from distd.operations.forecasts import PLAN, PlanQuery, question_of
from distd.origin.deployments import forecasts
from distd.origin.deployments.forecasts import Plan
from distd.origin.packages import packages
from distd.web.api.auth import needs
from distd.web.api.queries import takes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader
    from distd.domain.settings import Settings
    from distd.origin.deployments.forecasts import Question
    from distd.simulation.world import World

    Forecast = Callable[[World, Question, str], Awaitable[Plan]]


class ForecastRoutes:
    """`forecast(world, question, name)` makes a plan, which takes some seconds: one at a time is made.

    `settings()` are the present ones.
    """

    def __init__(self, reader: Reader, settings: Callable[[], Settings], forecast: Forecast) -> None:
        self._reader = reader
        self._settings = settings
        self._forecast = forecast
        self._one = trio.CapacityLimiter(1)

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
            world = await self._reader.run(partial(forecasts.world_of, question=question, now_s=time.time()))
            package = await self._reader.run(partial(packages.show, package_id=package_id))
            async with self._one:
                return await self._forecast(world, question, package.name)
