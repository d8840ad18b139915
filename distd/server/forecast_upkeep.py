"""What a server does for forecasts every now and then: what is to become of a package's deployment is kept when it
begins, so that it can be seen beside what is measured."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput, NotFound, Unavailable
from distd.origin.deployments import package_forecasts
from distd.server.repeating import Faults, repeat

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings
    from distd.origin.deployments.forecasts import Plan, Question
    from distd.origin.deployments.package_forecasts import DeploymentQuestion
    from distd.simulation.world import World

NOT_DONE: Final = "no forecast of a deployment is made"
LOOK_S: Final = 30.0  # after which one package has its forecast, at most: each takes a process and some seconds


async def run_forecasts(
    reader: Reader,
    writer: Writer,
    settings: Callable[[], Settings],
    make_forecast: Callable[[World, Question, str], Awaitable[Plan]],
    log: logging.Logger,
) -> None:
    """Until cancelled. `settings()` are the present ones; `make_forecast` makes the plan of a package of this name."""
    faults = Faults(log)

    async def look() -> None:
        is_made = False

        async def make(package_id: str) -> None:
            nonlocal is_made
            is_made = is_made or await _make(reader, writer, package_id, settings(), make_forecast)

        found = await reader.run(package_forecasts.find_unforecast)
        await faults.keep_each_from(found, make, NOT_DONE)

    await repeat(look, LOOK_S, NOT_DONE, log)


async def _make(
    reader: Reader,
    writer: Writer,
    package_id: str,
    settings: Settings,
    make_forecast: Callable[[World, Question, str], Awaitable[Plan]],
) -> bool:
    """Whether it was made, or cannot be made."""

    def read(conn: Connection) -> DeploymentQuestion:
        return package_forecasts.question_of(conn, package_id, settings, time.time())

    try:
        asked = await reader.run(read)
    except (BadInput, NotFound):
        return False  # nobody is to get it any more
    made: Plan | str
    try:
        made = await make_forecast(asked.world, asked.question, asked.name)
    except (BadInput, Unavailable) as error:
        made = str(error)
    await writer.run(partial(package_forecasts.keep, asked=asked, made=made))
    return True
