"""The API's events: what happened, page by page or as a stream (Server-Sent Events), and the audit trail."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio
from quart import Response, request
from quart_schema import document_response, validate_response

from distd.catalogue import event_log
from distd.domain.errors import BadInput, Unavailable
from distd.domain.page import read_window
from distd.domain.permissions import Act
from distd.domain.units import parse_past
from distd.domain.visible import visible_json
from distd.origin.operators import events
from distd.origin.operators.events import LoggedEvent, Wanted  # noqa: TC001 - the API looks at the fields
from distd.web.api.auth import acting_operator, needs
from distd.web.api.description import answers, header
from distd.web.api.queries import cursor_parameter, limit_parameter, parameter, takes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader

STREAM: Final = "text/event-stream"
MAX_STREAMS: Final = 64
MAX_SEQ: Final = 10**18 - 1
POLL_S: Final = 0.5
HEARTBEAT_S: Final = 15.0  # a proxy closes what is silent for long
STREAM_PAGE: Final = 500
MESSAGES: Final = "Server-Sent Events: `id` is the sequence number, `event` the kind, `data` an item of the list."
LAST_EVENT_ID: Final = header(
    "Last-Event-ID",
    "of a stream: the sequence number of the last event that was received, after which it goes on",
    pattern="^[0-9]{1,18}$",
)


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


@dataclass
class EventPage:
    """Events: the newest first; with `after` those that follow this sequence number, in their order."""

    items: list[LoggedEvent]
    next: str | None
    total: int


class EventRoutes:
    """List, follow, audit trail. At most `max_streams` are open at the same time; they end when `is_stopping()`."""

    def __init__(self, reader: Reader, is_stopping: Callable[[], bool], max_streams: int = MAX_STREAMS) -> None:
        self._reader = reader
        self._is_stopping = is_stopping
        self._max_streams = max_streams
        self._streams = trio.CapacityLimiter(max_streams)

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/events")
        @needs(Act.EVENTS_READ)
        @takes(EventQuery)
        @document_response(EventPage)
        @answers(also={STREAM: MESSAGES}, parameters=(LAST_EVENT_ID,))
        async def list_events(query_args: EventQuery) -> Any:
            """What happened, the newest first; with `Accept: text/event-stream` what happens, as it happens."""
            wanted, seq = _wanted(query_args), _last_seq(query_args)
            if STREAM in request.headers.get("Accept", "") and request.method == "GET":
                return self._open_stream(wanted, seq)
            return await self._page(wanted, query_args)

        @app.get("/api/v1/audit")
        @needs(Act.AUDIT_READ)
        @takes(EventQuery)
        @validate_response(EventPage)
        async def list_acts(query_args: EventQuery) -> Any:
            """What people did, the newest first: operators, tokens, and command lines with their Unix users."""
            return await self._page(_wanted(query_args, by_people=True), query_args)

    async def _page(self, wanted: Wanted, query: EventQuery) -> EventPage:
        window = read_window(query.limit, query.cursor, events.PLACE)
        if query.after is None:
            page = await self._reader.run(partial(events.newest, wanted=wanted, window=window))
        else:
            follow = partial(events.following_page, wanted=wanted, seq=query.after, limit=window.limit)
            page = await self._reader.run(follow)
        return EventPage(page.items, page.next, page.total)

    def _open_stream(self, wanted: Wanted, seq: int | None) -> Response:
        if not self._streams.available_tokens:
            raise Unavailable("events", f"as many streams are open as may be: {self._max_streams}")
        response = Response(self._stream(wanted, seq), content_type=STREAM)
        response.timeout = None  # it has no end
        return response

    async def _stream(self, wanted: Wanted, seq: int | None) -> AsyncIterator[bytes]:
        borrower = object()
        await self._streams.acquire_on_behalf_of(borrower)
        try:
            if seq is None:
                seq = await self._reader.run(event_log.newest)
            sent_s = trio.current_time()
            yield b": events\n\n"  # the head goes out with it
            while not self._is_stopping():
                find = partial(events.following, wanted=wanted, seq=seq, limit=STREAM_PAGE)
                found = await self._reader.run(find)
                if found:
                    seq = found[-1].seq
                    yield b"".join(map(_message, found))
                elif trio.current_time() - sent_s >= HEARTBEAT_S:
                    yield b": still here\n\n"
                else:
                    await trio.sleep(POLL_S)
                    continue
                sent_s = trio.current_time()
        finally:
            self._streams.release_on_behalf_of(borrower)


def _wanted(query: EventQuery, *, by_people: bool = False) -> Wanted:
    now = datetime.now()  # noqa: DTZ005 - "fri 18:00" is local
    kinds = () if query.kind is None else events.read_kinds(query.kind, "kind")
    since_s = None if query.since is None else parse_past(query.since, "since", now)
    return Wanted(query.package, query.computer, query.actor, kinds, since_s, by_people, acting_operator())


def _last_seq(query: EventQuery) -> int | None:
    """After which event a stream begins: Last-Event-ID, which browsers send when they come back, or `after`."""
    text = request.headers.get("Last-Event-ID")
    if text is None and query.after is None:
        return None
    field, given = ("after", str(query.after)) if text is None else ("Last-Event-ID", text)
    if not (given.isascii() and given.isdecimal() and len(given) <= 18):
        raise BadInput(field, "the sequence number of an event", given)
    return int(given)


def _message(event: LoggedEvent) -> bytes:
    data = visible_json(json.dumps(asdict(event), ensure_ascii=False))
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()
