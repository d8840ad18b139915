"""The API's events: what happened, page by page or as a stream (Server-Sent Events)."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio
from quart import Response, request
from quart_schema import document_response

from distd.domain.errors import BadInput, Unavailable
from distd.domain.page import read_window
from distd.operations.events import LIST, EventPage, EventQuery, wanted_of
from distd.origin.operators import events
from distd.origin.operators.standing import find_standing
from distd.web.api.auth import needs, signed_in
from distd.web.api.description import answers, header
from distd.web.api.problems import TooMany
from distd.web.api.queries import takes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from quart_trio import QuartTrio

    from distd.domain.actor import Actor
    from distd.domain.settings import LimitSettings
    from distd.origin.operators.events import Wanted
    from distd.origin.operators.standing import Standing
    from distd.web.api.event_feed import EventFeed

STREAM: Final = "text/event-stream"
PAUSE_S: Final = 0.2  # between what a stream is sent: one message costs about as much as hundreds together
RETRY_S: Final = 0.5  # after the catalogue did not answer
HEARTBEAT_S: Final = 15.0  # a proxy closes what is silent for long
MESSAGES: Final = "Server-Sent Events: `id` is the sequence number, `event` the kind, `data` an item of the list."
LAST_EVENT_ID: Final = header(
    "Last-Event-ID",
    "of a stream: the sequence number of the last event that was received, after which it goes on",
    pattern="^[0-9]{1,18}$",
)


class EventRoutes:
    """List, follow. Streams give what `feed` gives, until it is closed."""

    def __init__(self, feed: EventFeed, limits: Callable[[], LimitSettings]) -> None:
        self._feed = feed
        self._streams = OpenStreams(limits)

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/events")
        @needs(LIST.act)
        @takes(EventQuery)
        @document_response(EventPage)
        @answers(also={STREAM: MESSAGES}, parameters=(LAST_EVENT_ID,))
        async def list_events(query_args: EventQuery) -> Any:
            """What happened, the newest first; with `Accept: text/event-stream` what happens, as it happens."""
            who = signed_in()
            wanted, seq = wanted_of(query_args, who.actor, who.access, time.time()), _last_seq(query_args)
            if STREAM in request.headers.get("Accept", "") and request.method == "GET":
                return await self._open_stream(wanted, seq)
            return await self._page(wanted, query_args)

    async def _page(self, wanted: Wanted, query: EventQuery) -> EventPage:
        window = read_window(query.limit, query.cursor, events.PLACE)
        if query.after is None:
            page = await self._feed.reader.run(partial(events.newest, wanted=wanted, window=window))
        else:
            follow = partial(events.following_page, wanted=wanted, seq=query.after, limit=window.limit)
            page = await self._feed.reader.run(follow)
        return EventPage(page.items, page.next, page.total)

    async def _open_stream(self, wanted: Wanted, seq: int | None) -> Response:
        self._streams.check(str(wanted.reader))
        newest = await self._feed.newest()
        begin = newest if seq is None else min(seq, newest)
        standing = await self._standing(wanted.reader)
        response = Response(self._stream(wanted, begin, standing), content_type=STREAM)
        response.timeout = None  # it has no end
        return response

    async def _standing(self, actor: Actor) -> Standing | None:
        return await self._feed.reader.run(partial(find_standing, actor=actor, now_s=time.time()))

    async def _stream(self, wanted: Wanted, seq: int, standing: Standing | None) -> AsyncIterator[bytes]:
        """Until who asked is gone, or may something else: it asks again then."""
        operator = str(wanted.reader)
        if not self._streams.take(operator):
            return  # several were opened in the same moment
        try:
            yield b": events\n\n"  # the head goes out with it
            sent_s = asked_s = trio.current_time()
            while not self._feed.closed:
                try:
                    if trio.current_time() - asked_s >= HEARTBEAT_S:
                        if await self._standing(wanted.reader) != standing:
                            return
                        asked_s = trio.current_time()
                    messages, seq = await self._feed.next(wanted, seq, sent_s + HEARTBEAT_S)
                except Unavailable:
                    await trio.sleep(RETRY_S)
                    messages = b""
                if not messages and trio.current_time() - sent_s >= HEARTBEAT_S:
                    messages = b": still here\n\n"
                if messages:
                    yield messages
                    sent_s = trio.current_time()
                    await trio.sleep(PAUSE_S)
        finally:
            self._streams.give_back(operator)


class OpenStreams:
    """How many streams are open, of all operators and of each; `limits()` are the present ones."""

    def __init__(self, limits: Callable[[], LimitSettings]) -> None:
        self._limits = limits
        self._open: Counter[str] = Counter()

    def check(self, operator: str) -> None:
        """Raises `TooMany` where this operator may open no more, `Unavailable` where nobody may."""
        limits = self._limits()
        if self._open[operator] >= limits.event_streams_per_operator:
            why = f"this operator has as many streams open as one may: {limits.event_streams_per_operator}"
            raise TooMany("events", f"{why} (limits.event_streams_per_operator)")
        if self._open.total() >= limits.event_streams:
            why = f"as many streams are open as may be: {limits.event_streams}"
            raise Unavailable("events", f"{why} (limits.event_streams)")

    def take(self, operator: str) -> bool:
        """Open one more, if it may be."""
        try:
            self.check(operator)
        except Unavailable:
            return False
        self._open[operator] += 1
        return True

    def give_back(self, operator: str) -> None:
        """One is closed."""
        self._open[operator] -= 1
        if not self._open[operator]:
            del self._open[operator]


def _last_seq(query: EventQuery) -> int | None:
    """After which event a stream begins: Last-Event-ID, which browsers send when they come back, or `after`."""
    text = request.headers.get("Last-Event-ID")
    if text is None and query.after is None:
        return None
    field, given = ("after", str(query.after)) if text is None else ("Last-Event-ID", text)
    if not (given.isascii() and given.isdecimal() and len(given) <= 18):
        raise BadInput(field, "the sequence number of an event", given)
    return int(given)
