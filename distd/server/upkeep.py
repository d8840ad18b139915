"""What a server does for its catalogue every now and then: old events go, computers that never came back and software
that nobody has too, computers that are the same one become one, results without proof are told, assignments that are
too late end, packages come again."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.catalogue import event_log
from distd.domain.duplicates import DuplicateReason
from distd.domain.errors import DistdError
from distd.origin.agents import software_register
from distd.origin.computers import duplicates, expiry
from distd.origin.deployments import deadlines, proofs, recurrences
from distd.origin.operators import sessions
from distd.server.repeating import Faults, describe, repeat

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings

PRUNE_S: Final = 600.0
SETTLE_S: Final = 20.0
RECUR_S: Final = 10.0
EXPIRE_S: Final = 600.0
SOFTWARE_S: Final = 3600.0
MERGE_S: Final = 600.0


async def run_upkeep(reader: Reader, writer: Writer, settings: Settings, log: logging.Logger) -> None:
    """Until cancelled. What the catalogue does not take is tried again the next time."""
    faults = Faults(log)

    async def every(interval_s: float, what: str, work: Callable[..., object]) -> None:
        async def once() -> None:
            await writer.run(partial(work, now_s=time.time()))

        await repeat(once, interval_s, what, log)

    def prune(conn: Connection, now_s: float) -> None:
        event_log.prune(conn, settings.events.keep)

    def delete_software(conn: Connection, now_s: float) -> None:
        del now_s
        software_register.delete_unused(conn)

    async def recur() -> None:
        while (due := await reader.run(partial(recurrences.find_due, now_s=time.time()))) is not None:
            now_s = time.time()
            try:
                await writer.run(partial(recurrences.run_due, recurrence_id=due, now_s=now_s))
            except DistdError:
                raise
            except Exception as error:
                faults.tell(error, "a package does not come again")
                await writer.run(partial(recurrences.fail_due, recurrence_id=due, why=describe(error), now_s=now_s))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(every, PRUNE_S, "old events are not deleted", prune)
        forget_days = settings.agents.forget_days
        if forget_days:
            expire = partial(expiry.expire, after_days=forget_days)
            nursery.start_soon(every, EXPIRE_S, "computers that never came back are not deleted", expire)
        rest = partial(sessions.expire, idle_s=settings.console.idle_h * 3600.0)
        nursery.start_soon(every, EXPIRE_S, "sessions that have ended are not deleted", rest)
        if settings.computers.merge_by != "off":
            reason, silent_h = DuplicateReason(settings.computers.merge_by), settings.computers.merge_after_h
            merge = partial(duplicates.merge_by_rule, reason=reason, silent_h=silent_h)
            nursery.start_soon(every, MERGE_S, "computers are not merged", merge)
        nursery.start_soon(every, SOFTWARE_S, "software that nobody has is not deleted", delete_software)
        nursery.start_soon(every, SETTLE_S, "results are not looked at", proofs.settle)
        nursery.start_soon(every, SETTLE_S, "what is too late does not end", deadlines.end_expired)
        nursery.start_soon(repeat, recur, RECUR_S, "packages do not come again", log)
