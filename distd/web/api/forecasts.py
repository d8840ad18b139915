"""The API for plans: how a package's deployment will go, and what to set for a goal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from quart_schema import security_scheme, validate_querystring, validate_response

from distd.origin.deployments import forecasts
from distd.origin.deployments.forecasts import Plan
from distd.origin.packages import packages
from distd.simulation.world import Line
from distd.simulation.world_text import read_goal

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader
    from distd.domain.settings import Settings


@dataclass
class Wish:
    """As `distd plan` takes them: `by` a time, `share` of the computers, `most` a rate, `line` rules for each site."""

    by: str | None = None
    share: str = "95%"
    most: str | None = None
    line: str = ""


class PlansApi:
    """Adds its route to an application. One plan is made at a time, each in a process of its own."""

    def __init__(self, reader: Reader, settings: Callable[[], Settings]) -> None:
        self._reader = reader
        self._settings = settings
        self._one = trio.CapacityLimiter(1)

    def add_to(self, app: QuartTrio) -> None:
        @app.get("/api/v1/packages/<package_id>/plan")
        @security_scheme([{"operator": []}])
        @validate_querystring(Wish)
        @validate_response(Plan)
        async def plan(package_id: str, query_args: Wish) -> Any:
            """How a package's deployment will go; with `by`, also what to set to be through by then."""
            settings, now = self._settings(), datetime.now()  # noqa: DTZ005 - "fri 18:00" is local
            question = forecasts.Question(
                package_id=package_id,
                settings=settings,
                line=Line.read(query_args.line, "line"),
                goal=read_goal(query_args.by, query_args.share, query_args.most, now),
                begins_min=now.weekday() * 1440 + now.hour * 60 + now.minute,
            )
            world = await self._reader.run(partial(forecasts.world_of, question=question, now_s=time.time()))
            package = await self._reader.run(partial(packages.show, package_id=package_id))
            async with self._one:
                return await forecasts.plan_apart(world, question, package.name)
