"""What a server does for roll-outs every now and then: they go on, computers that begin to match join, what was to
become of those that begin is forecast.

What takes long to find is looked for beside the writer; nothing is written where there is nothing to do. Each roll-out
has transactions of its own.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import BadInput, NotFound, Unavailable
from distd.origin.deployments import rollout_advance, rollout_forecasts
from distd.origin.deployments.rollout_rows import find_row, load
from distd.server.repeating import Faults, repeat
from distd.simulation.world import Line

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings
    from distd.origin.deployments.rollout_forecasts import RolloutQuestion
    from distd.simulation.records import RolloutForecast

JOIN_S: Final = 60.0
FORECAST_S: Final = 10.0


async def run_rollouts(
    reader: Reader,
    writer: Writer,
    settings: Callable[[], Settings],
    make_forecast: Callable[[RolloutQuestion], Awaitable[RolloutForecast]],
    log: logging.Logger,
) -> None:
    """Until cancelled. What the catalogue does not take is tried again the next time. `settings()` are the present
    ones; `make_forecast` simulates a roll-out, which takes some seconds."""
    faults = Faults(log)

    async def advance(rollout_id: int) -> None:
        config, now_s = settings().download, time.time()
        of_it = partial(rollout_advance.find_due, rollout_id=rollout_id)
        due = await reader.run(partial(of_it, now_s=now_s, config=config))
        if due is not None:
            await writer.run(partial(rollout_advance.advance_due, due=due, now_s=now_s, config=config))

    async def join(rollout_id: int) -> None:
        now_s = time.time()
        joining = await reader.run(partial(rollout_advance.find_joining, rollout_id=rollout_id, now_s=now_s))
        for part in rollout_advance.in_parts(joining) if joining is not None else ():
            await writer.run(partial(rollout_advance.join_found, joining=part, now_s=now_s))

    async def forecast(rollout_id: int) -> None:
        now_s = time.time()

        def read(conn: Connection) -> RolloutQuestion:
            found = load(conn, find_row(conn, str(rollout_id)))
            return rollout_forecasts.question_of(conn, found, settings(), Line(), now_s)

        try:
            question = await reader.run(read)
        except (BadInput, NotFound):
            return  # it has no computers yet, or is gone
        made: RolloutForecast | str
        try:
            made = await make_forecast(question)
        except (BadInput, Unavailable) as error:
            made = str(error)
        await writer.run(partial(rollout_forecasts.keep, question=question, made=made))

    def each(
        find: Callable[[Connection], list[int]], work: Callable[[int], Awaitable[None]], what: str
    ) -> Callable[[], Awaitable[None]]:
        """One roll-out after the other, each in transactions of its own: what is wrong with one holds up no other."""

        async def do() -> None:
            await faults.keep_each_from(await reader.run(find), work, what)

        return do

    async with trio.open_nursery() as nursery:
        for find, work, interval_s, what in (
            (rollout_advance.list_active, advance, lambda: settings().rollouts.step_s, "roll-outs do not go on"),
            (rollout_forecasts.find_unforecast, forecast, FORECAST_S, "no plan of a roll-out is made"),
            (rollout_advance.list_running, join, JOIN_S, "no computers join roll-outs"),
        ):
            nursery.start_soon(repeat, each(find, work, what), interval_s, what, log)
