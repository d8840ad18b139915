"""What happened: the newest events, those that follow one, the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from distd.catalogue import event_log
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act, missing
from distd.domain.units import parse_past
from distd.operations.operation import Operation
from distd.origin.operators import events
from distd.origin.operators.events import LoggedEvent, Wanted
from distd.wire.query import cursor_parameter, limit_parameter, parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.permissions import OperatorRights
    from distd.operations.operation import Asked

MAX_SEQ: Final = 10**18 - 1


@dataclass
class EventQuery:
    """Which events, and which page of them."""

    package: str | None = parameter("the id of a package")
    computer: str | None = parameter("the DEVICEID of a computer")
    actor: str | None = parameter("who acted: a kind, a name or both, such as operator, admin, operator:admin")
    kind: tuple[str, ...] | None = parameter("only events of these kinds", choices=tuple(event_log.Kind))
    since: str | None = parameter("from this time on: 7d (ago), fri 18:00, or 2026-11-27 18:00")
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()
    after: int | None = parameter("those that follow this sequence number, the oldest first", high=MAX_SEQ)


@dataclass(frozen=True, slots=True)
class EventPage(Page[LoggedEvent]):
    """Events: the newest first; with `after` those that follow this sequence number, in their order."""


def wanted_of(
    query: EventQuery, reader: Actor, access: OperatorRights, now_s: float, *, by_people: bool = False
) -> Wanted:
    """Which events a query of `reader`, who has `access`, asks for. Raises `BadInput`."""
    now = datetime.fromtimestamp(now_s)  # noqa: DTZ006 - "fri 18:00" is local
    kinds = () if query.kind is None else events.read_kinds(query.kind, "kind")
    since_s = None if query.since is None else parse_past(query.since, "since", now)
    audit = not missing(access, Act.AUDIT_READ)
    return Wanted(query.package, query.computer, query.actor, kinds, since_s, by_people, reader, audit)


def _list(conn: Connection, asked: Asked, query: EventQuery) -> EventPage:
    return _page(conn, query, wanted_of(query, asked.actor, asked.access, asked.now_s))


def _list_acts(conn: Connection, asked: Asked, query: EventQuery) -> EventPage:
    return _page(conn, query, wanted_of(query, asked.actor, asked.access, asked.now_s, by_people=True))


def _page(conn: Connection, query: EventQuery, wanted: Wanted) -> EventPage:
    window = read_window(query.limit, query.cursor, events.PLACE)
    if query.after is None:
        page = events.newest(conn, wanted, window)
    else:
        page = events.following_page(conn, wanted, query.after, window.limit)
    return EventPage(page.items, page.next, page.total)


LIST: Final = Operation(
    "list_events",
    "GET",
    "/events",
    "What happened, the newest first; with `Accept: text/event-stream` what happens, as it happens.",
    EventPage,
    _list,
    Act.EVENTS_READ,
    query=EventQuery,
    elsewhere=True,
)
AUDIT: Final = Operation(
    "list_acts",
    "GET",
    "/audit",
    "What people did, the newest first: operators, tokens, and command lines with their Unix users.",
    EventPage,
    _list_acts,
    Act.AUDIT_READ,
    query=EventQuery,
)
ALL: Final = (LIST, AUDIT)
