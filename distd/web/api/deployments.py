"""The API's deployments: results of a package, its planned activation, and how its deployment is going to be."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import trio
from msgspec import Meta
from quart_schema import validate_response

from distd.domain.page import read_window
from distd.domain.permissions import Act
from distd.domain.results import Outcome
from distd.origin.deployments import assignments, forecasts, proofs
from distd.origin.deployments.assignments import Result  # noqa: TC001 - the API looks at the fields
from distd.origin.deployments.forecasts import Plan, Question
from distd.origin.packages import packages, planned_activations
from distd.origin.packages.planned_activations import Planned  # noqa: TC001 - the API looks at the fields
from distd.simulation.world import Line
from distd.simulation.world_text import read_goal
from distd.web.api.auth import acting_operator, needs
from distd.web.api.bodies import read_json
from distd.web.api.description import answers
from distd.web.api.queries import cursor_parameter, limit_parameter, parameter, takes
from distd.wire.structs import convert

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings
    from distd.simulation.world import World

    Forecast = Callable[[World, Question, str], Awaitable[Plan]]


@dataclass
class PlanQuery:
    """The goal, and the line, as the options of `distd plan`."""

    by: str | None = parameter("when it is to be done: fri 18:00, 2026-11-27 18:00, or 3d from now")
    share: str = parameter("of how many computers", default="95%")
    most: str | None = parameter("what the line of a site may carry at most, such as 4Mbit/s")
    line: str = parameter("rules for the line of each site, as `bandwidth.rules` has them for the server", default="")


@dataclass
class ResultQuery:
    """Which results, and which page of them."""

    state: tuple[str, ...] | None = parameter("only results in these states", choices=tuple(Outcome))
    unproven: bool = parameter("only where nothing but the agent says that it has the package", default=False)
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class ResultPage:
    """Results, by DEVICEID."""

    items: list[Result]
    next: str | None
    total: int


@dataclass
class PlannedPage:
    """Planned activations: all of them."""

    items: list[Planned]
    next: str | None
    total: int


@dataclass
class Accepted:
    """DEVICEIDs of the computers where the package counts as deployed now."""

    accepted: list[str]


class AcceptRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DEVICEIDs of computers."""

    computers: Annotated[list[str], Meta(min_length=1, max_length=10_000)]


class DeploymentRoutes:
    """`forecast(world, question, name)` makes a plan, which takes some seconds: one at a time is made.

    `settings()` are the present ones.
    """

    def __init__(self, reader: Reader, writer: Writer, settings: Callable[[], Settings], forecast: Forecast) -> None:
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._forecast = forecast
        self._one = trio.CapacityLimiter(1)

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/packages/<package_id>/results")
        @needs(Act.DEPLOYMENTS_READ)
        @takes(ResultQuery)
        @validate_response(ResultPage)
        async def show_results(package_id: str, query_args: ResultQuery) -> Any:
            """The results of a package on the computers that it was assigned to."""
            states = assignments.read_states(query_args.state or (), "state")
            window = read_window(query_args.limit, query_args.cursor, assignments.PLACE)
            read = partial(assignments.results, package_id=package_id, states=states, window=window)
            page = await self._reader.run(partial(read, unproven=query_args.unproven, actor=acting_operator()))
            return ResultPage(page.items, page.next, page.total)

        @app.post("/api/v1/packages/<package_id>/accept")
        @needs(Act.DEPLOYMENTS_WRITE)
        @answers(Accepted, body=AcceptRequest, problems=(400, 409, 413, 415))
        async def accept(package_id: str) -> Any:
            """Take what is unproven of a package for a success: on all of these computers, or on none."""
            wanted = convert(await read_json(), AcceptRequest, "body")
            act = partial(
                proofs.accept,
                actor=acting_operator(),
                package_id=package_id,
                device_ids=wanted.computers,
                now_s=time.time(),
            )
            return Accepted(await self._writer.run(act))

        @app.get("/api/v1/activations/planned")
        @needs(Act.DEPLOYMENTS_READ)
        @validate_response(PlannedPage)
        async def list_planned() -> Any:
            """Activations that wait for mirrors, or for their time."""
            found = await self._reader.run(planned_activations.list_planned)
            return PlannedPage(found, None, len(found))

        @app.get("/api/v1/packages/<package_id>/plan")
        @needs(Act.DEPLOYMENTS_READ)
        @takes(PlanQuery)
        @validate_response(Plan)
        async def plan(package_id: str, query_args: PlanQuery) -> Any:
            """How a package's deployment will go; with `by`, also what to set to have it done by then."""
            question = self._question(package_id, query_args)
            world = await self._reader.run(partial(forecasts.world_of, question=question, now_s=time.time()))
            package = await self._reader.run(partial(packages.show, package_id=package_id))
            async with self._one:
                return await self._forecast(world, question, package.name)

    def _question(self, package_id: str, query: PlanQuery) -> Question:
        now = datetime.now()  # noqa: DTZ005 - "fri 18:00" is local
        return Question(
            package_id=package_id,
            settings=self._settings(),
            line=Line.read(query.line, "line"),
            goal=read_goal(query.by, query.share, query.most, now),
            begins_min=now.weekday() * 1440 + now.hour * 60 + now.minute,
        )
