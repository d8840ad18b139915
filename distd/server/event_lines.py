"""A line in the server's log for each event: what people and mirrors do and what agents report, at INFO; that an agent
was notified, sent its inventory or fetched fragments, at DEBUG.

The event log is followed, so that what commands do beside the server is there too. One process of a server does it.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import trio

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.domain.errors import Unavailable
from distd.origin.operators import events
from distd.origin.operators.events import Wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.origin.operators.events import LoggedEvent

POLL_S: Final = 1.0
BATCH: Final = 1000
QUIET: Final = (Kind.NOTIFIED, Kind.INVENTORY, Kind.FRAGMENTS_FETCHED)
LOUD: Final = tuple(kind for kind in Kind if kind not in QUIET)
# One command does them to many computers.
OF_MANY: Final = (
    *(Kind.ASSIGNED, Kind.UNASSIGNED, Kind.ACCEPTED),
    *(Kind.COMPUTER_DELETED, Kind.COMPUTER_ADMITTED, Kind.COMPUTER_MERGED, Kind.TOKENS_REVOKED),
)


@asynccontextmanager
async def logged_events(reader: Reader, log: logging.Logger) -> AsyncIterator[None]:
    """Log what happens, for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_follow, reader, log)
        yield
        nursery.cancel_scope.cancel()


async def _follow(reader: Reader, log: logging.Logger) -> None:
    seq: int | None = None
    while True:
        try:
            if seq is None:
                seq = await reader.run(event_log.newest)
            kinds = () if log.isEnabledFor(logging.DEBUG) else LOUD
            found, seq = await reader.run(partial(_read, kinds=kinds, seq=seq))
        except Unavailable as error:
            log.warning("events are not logged: %s", error)
            found = []
        write_lines(log, found)
        if len(found) < BATCH:
            await trio.sleep(POLL_S)


def _read(conn: Connection, kinds: Sequence[Kind], seq: int) -> tuple[list[LoggedEvent], int]:
    """The events after `seq`, and where to go on."""
    newest = event_log.newest(conn)
    if newest == seq:
        return [], seq
    found = events.following(conn, Wanted(kinds=tuple(kinds)), seq, BATCH)
    return found, found[-1].seq if len(found) == BATCH else newest


def write_lines(log: logging.Logger, found: Sequence[LoggedEvent]) -> None:
    """A line for each event; one for those that one command did to many computers."""
    for _, group in groupby(found, key=_act):
        alike = list(group)
        level = logging.DEBUG if alike[0].kind in QUIET else logging.INFO
        log.log(level, alike[0].kind, extra={"fields": _fields(alike)})


def _act(event: LoggedEvent) -> object:
    if event.kind in OF_MANY:
        return event.kind, event.actor, event.package_id, event.at_s
    return event.seq


def _fields(alike: Sequence[LoggedEvent]) -> dict[str, Any]:
    event = alike[0]
    shown: dict[str, Any] = {"seq": event.seq, "actor": event.actor}
    shown |= {"package": event.package_id, "package_name": event.package_name}
    shown |= {"computers": len(alike)} if len(alike) > 1 else {"computer": event.device_id, **event.detail}
    if event.package_name and shown.get("name") == event.package_name:
        del shown["name"]
    return {name: value for name, value in shown.items() if value not in (None, "", False)}
