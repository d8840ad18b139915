"""The API's events: what happened, page by page or as a stream (Server-Sent Events)."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio
from quart import Response, request
from quart_schema import document_response

from distd.catalogue import event_log
from distd.domain.errors import BadInput, Unavailable
from distd.domain.page import read_window
from distd.domain.visible import visible_json
from distd.operations.events import EventPage, EventQuery, wanted_of
from distd.origin.operators import events
from distd.web.api.auth import for_operators
from distd.web.api.description import answers, header
from distd.web.api.queries import takes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader
    from distd.origin.operators.events import LoggedEvent, Wanted

STREAM: Final = "text/event-stream"
MAX_STREAMS: Final = 64
POLL_S: Final = 0.5
HEARTBEAT_S: Final = 15.0  # a proxy closes what is silent for long
STREAM_PAGE: Final = 500
MESSAGES: Final = "Server-Sent Events: `id` is the sequence number, `event` the kind, `data` an item of the list."
LAST_EVENT_ID: Final = header(
    "Last-Event-ID",
    "of a stream: the sequence number of the last event that was received, after which it goes on",
    pattern="^[0-9]{1,18}$",
)


class EventRoutes:
    """List, follow. At most `max_streams` are open at the same time; they end when `is_stopping()`."""

    def __init__(self, reader: Reader, is_stopping: Callable[[], bool], max_streams: int = MAX_STREAMS) -> None:
        self._reader = reader
        self._is_stopping = is_stopping
        self._max_streams = max_streams
        self._streams = trio.CapacityLimiter(max_streams)

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/events")
        @for_operators
        @takes(EventQuery)
        @document_response(EventPage)
        @answers(also={STREAM: MESSAGES}, parameters=(LAST_EVENT_ID,))
        async def list_events(query_args: EventQuery) -> Any:
            """What happened, the newest first; with `Accept: text/event-stream` what happens, as it happens."""
            wanted, seq = wanted_of(query_args, time.time()), _last_seq(query_args)
            if STREAM in request.headers.get("Accept", "") and request.method == "GET":
                return self._open_stream(wanted, seq)
            return await self._page(wanted, query_args)

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
