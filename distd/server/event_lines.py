"""A line in the server's log for each event: what people and mirrors do and what agents report, at INFO; that an agent
was notified, sent its inventory or fetched fragments, at DEBUG.

The event log is followed, so that what commands do beside the server is there too. One process of a server does it.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio

from distd.catalogue.event_log import Kind
from distd.catalogue.outage import warn
from distd.domain.errors import Unavailable
from distd.origin.operators import events
from distd.origin.operators.events import Wanted
from distd.server.repeating import Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from distd.catalogue.event_watch import EventWatch
    from distd.origin.operators.events import LoggedEvent

RETRY_S: Final = 1.0
BATCH: Final = 1000
BEGIN_S: Final = 1.0  # a server does not wait longer for its database
QUIET: Final = (Kind.NOTIFIED, Kind.INVENTORY, Kind.FRAGMENTS_FETCHED, Kind.PACKAGE_PROGRESS)
LOUD: Final = tuple(kind for kind in Kind if kind not in QUIET)
# One act, or one rule of the server, does them to many computers.
OF_MANY: Final = (
    *(Kind.ASSIGNED, Kind.UNASSIGNED, Kind.RENOTIFIED, Kind.CANCELLED),
    *(Kind.ARCHIVED, Kind.ACCEPTED, Kind.UNPROVEN, Kind.RESULT),
    *(Kind.GROUP_JOINED, Kind.GROUP_LEFT, Kind.COMPUTER_SET, Kind.PARAMETERS_SET),
    *(Kind.COMPUTER_DELETED, Kind.COMPUTER_ADMITTED, Kind.COMPUTER_MERGED, Kind.TOKENS_REVOKED),
)


@asynccontextmanager
async def logged_events(watch: EventWatch, log: logging.Logger) -> AsyncIterator[None]:
    """Log what happens, for as long as the block lasts: all of it, unless the database is away at the beginning."""
    begun = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_follow, watch, log, begun)
        with trio.move_on_after(BEGIN_S):
            await begun.wait()
        yield
        nursery.cancel_scope.cancel()


async def _follow(watch: EventWatch, log: logging.Logger, begun: trio.Event) -> None:
    faults, seq = Faults(log), await watch.current()
    begun.set()
    while True:
        kinds = () if log.isEnabledFor(logging.DEBUG) else LOUD
        newest = await watch.beyond(seq, kinds)
        read = partial(events.following, wanted=Wanted(kinds=kinds), seq=seq, limit=BATCH, last=newest)
        try:
            found = await watch.reader.run(read)
            write_lines(log, found)
        except Unavailable as error:
            warn(log, error, "events are not logged")
            await trio.sleep(RETRY_S)
        except Exception as error:  # lines are worth less than the server, and all workers of a supervisor
            faults.tell(error, "events are not logged")
            await trio.sleep(RETRY_S)
            seq = newest
        else:
            seq = found[-1].seq if len(found) == BATCH else newest


def write_lines(log: logging.Logger, found: Sequence[LoggedEvent]) -> None:
    """A line for each event; one for those that one act did to many computers, with what all of them have."""
    acts: dict[object, list[LoggedEvent]] = {}
    for event in found:  # an act may have two kinds of events, in turn
        acts.setdefault(_act(event), []).append(event)
    for alike in acts.values():
        level = logging.DEBUG if alike[0].kind in QUIET else logging.INFO
        log.log(level, alike[0].kind, extra={"fields": _fields(alike)})


def _act(event: LoggedEvent) -> object:
    if event.kind in OF_MANY:
        return event.kind, event.actor, event.package_id, event.at_s, event.detail.get("group")
    return event.seq


def _has(event: LoggedEvent, name: str, value: object) -> bool:
    return name in event.detail and event.detail[name] == value


def _fields(alike: Sequence[LoggedEvent]) -> dict[str, Any]:
    event = alike[0]
    shown: dict[str, Any] = {"seq": event.seq, "actor": event.actor}
    shown |= {"package": event.package_id, "package_name": event.package_name}
    shown |= {"computers": len(alike)} if len(alike) > 1 else {"computer": event.device_id}
    shown |= {name: value for name, value in event.detail.items() if all(_has(each, name, value) for each in alike)}
    if event.package_name and shown.get("name") == event.package_name:
        del shown["name"]
    return {name: value for name, value in shown.items() if value not in (None, "", False)}
