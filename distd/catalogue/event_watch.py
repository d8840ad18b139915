"""The newest number of the event log: one task asks for it, and whoever follows the log waits here.

Nobody who waits costs a query. Followers go by numbers, so that a wake-up that is missed, late or in vain loses
nothing: what counts is in the log.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.catalogue import event_log
from distd.catalogue.outage import warn
from distd.domain.errors import DistdError, Unavailable

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Mapping

    from sqlalchemy import Connection

    from distd.catalogue.dialect.database import EventListener
    from distd.catalogue.event_log import Kind
    from distd.catalogue.reader import Reader

POLL_S: Final = 0.25
LISTENING_POLL_S: Final = 2.0  # while the database tells of events by itself
PAUSE_S: Final = 0.05  # between two looks, however often events are announced
RETRY_S: Final = 5.0  # after the listening connection was lost


class EventWatch:
    """`run` watches the log: by polling and, where the database announces events, by `listen`ing too. It asks nothing
    while `last_write` is the same. A follower has read everything up to a number, and waits for more by `beyond`; it
    reads by the same `reader`.

    Error handling: while the catalogue does not answer, followers wait; `run` logs the outage once.
    """

    def __init__(
        self,
        reader: Reader,
        log: logging.Logger,
        listen: Callable[[], EventListener | None] = lambda: None,
        last_write: Callable[[], object | None] = lambda: None,
    ) -> None:
        """`listen`, `last_write`: as `Database` has them."""
        self.reader = reader
        self._log = log
        self._listen = listen
        self._last_write = last_write
        self._read_at: object | None = None  # the last write before the last reading
        self._poll_s = POLL_S
        self._announced = trio.Event()
        self._newest: int | None = None  # None: it was never read
        self._known_from = 0  # which kinds the events up to this number have is not known
        self._newest_of: dict[str, int] = {}  # by kind, after `_known_from`
        self._moved = trio.Event()
        self._reading = trio.Lock()

    async def run(self) -> None:
        """Watch the log, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_listening)
            await self._look()

    async def _look(self) -> None:
        is_away = False
        while True:
            try:
                await self._refresh_if_written()
            except Unavailable as error:
                if not is_away:
                    warn(self._log, error, "events are not followed")
                is_away = True
            else:
                is_away = False
            await trio.sleep(PAUSE_S)
            with trio.move_on_after(self._poll_s - PAUSE_S):
                await self._announced.wait()
            self._announced = trio.Event()

    async def _refresh_if_written(self) -> None:
        last_write = self._last_write()  # before it is read: what is written meanwhile makes it another
        if last_write is None or last_write != self._read_at:
            await self.refresh()
            self._read_at = last_write

    async def _keep_listening(self) -> None:
        """Look at once when events are announced. Whatever is missed by it is found by polling."""
        while True:
            try:
                listener = await trio.to_thread.run_sync(self._listen)
                if listener is None:
                    return
                with closing(listener):
                    await self._hear(listener)
            except DistdError as error:  # whatever it is: polling finds them
                self._log.info("events are looked for every %g s, as none are announced: %s", POLL_S, error)
            await trio.sleep(RETRY_S)

    async def _hear(self, listener: EventListener) -> None:
        self._poll_s = LISTENING_POLL_S
        try:
            while True:
                self._announced.set()  # the first time for what was written before it listened
                while not listener.receive():
                    await trio.lowlevel.wait_readable(listener.fileno())
        finally:
            self._poll_s = POLL_S
            self._announced.set()

    async def refresh(self) -> int:
        """Read the newest number now, and give it; 0: there is no event. Raises `Unavailable`."""
        async with self._reading:
            before = self._newest
            newest, of_kinds = await self.reader.run(partial(_read, after=before))
            if newest != before:
                self._move(before, newest, of_kinds)
        return newest

    async def current(self) -> int:
        """The newest number, once it is known."""
        while self._newest is None:
            await self._moved.wait()
        return self._newest

    async def beyond(self, seq: int, kinds: Collection[Kind] = ()) -> int:
        """Wait for events after `seq`, of one of these `kinds` unless there are none; gives the log's newest number.

        There may be none of these kinds nevertheless. A follower reads what is after `seq` up to that number, and then
        waits with that number. It is less than `seq` where the database was replaced by an earlier state of it.
        """
        while self._newest is None or not self._is_beyond(self._newest, seq, kinds):
            await self._moved.wait()
        await trio.lowlevel.checkpoint()
        return self._newest

    def _is_beyond(self, newest: int, seq: int, kinds: Collection[Kind]) -> bool:
        if newest <= seq:
            return newest < seq
        return not kinds or seq < self._known_from or any(self._newest_of.get(kind, 0) > seq for kind in kinds)

    def _move(self, before: int | None, newest: int, of_kinds: Mapping[str, int]) -> None:
        if before is None or newest < before:
            self._newest_of.clear()
            self._known_from = newest
        self._newest_of.update(of_kinds)
        self._newest = newest
        self._moved.set()
        self._moved = trio.Event()


def _read(conn: Connection, after: int | None) -> tuple[int, Mapping[str, int]]:
    newest = event_log.newest(conn)
    if after is None or newest <= after:
        return newest, {}
    return newest, event_log.newest_of_kinds(conn, after, newest)
