"""The newest events in memory, as the messages that streams send: read once, however many streams are open."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.catalogue.event_log import Kind
from distd.domain.visible import visible_json
from distd.origin.operators import events
from distd.origin.operators.events import ALL
from distd.origin.operators.restrictions import is_restricted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.catalogue.event_watch import EventWatch
    from distd.domain.actor import Actor
    from distd.origin.operators.events import LoggedEvent, Wanted

    Entry = tuple[LoggedEvent, bytes]

PAGE: Final = 500  # events that a stream gets at a time
KEPT: Final = 4096
MAX_READERS: Final = 256
# What changes who may see which computers.
OF_ACCESS: Final = frozenset(
    {
        *(Kind.OPERATOR_ADDED, Kind.OPERATOR_CHANGED, Kind.OPERATOR_DELETED),
        *(Kind.API_TOKEN_ADDED, Kind.API_TOKEN_REVOKED, Kind.PASSWORD_CHANGED),
    }
)
BEHIND_PAUSE_S: Final = 0.02  # after a page for one stream alone, so that these never have the database for themselves


class EventFeed:
    """What `next` gives, until `close`."""

    def __init__(self, watch: EventWatch) -> None:
        self.reader = watch.reader
        self._watch = watch
        # All events after `_low` up to `_high` are in memory, in their order; `_seqs` are their numbers.
        self._low = self._high = 0
        self._entries: list[Entry] = []
        self._seqs: list[int] = []
        # Whether there may be computers that a reader does not see; known until an event may have changed it.
        self._restricted: dict[Actor, bool] = {}
        self._filling = trio.Lock()
        self._behind = trio.Lock()
        self._waits: set[trio.CancelScope] = set()
        self.closed = False

    def close(self) -> None:
        """No more events: streams end."""
        self.closed = True
        for scope in self._waits:
            scope.cancel()

    async def newest(self) -> int:
        """The number after which a stream begins now. Raises `Unavailable`."""
        return await self._watch.refresh()

    async def next(self, wanted: Wanted, seq: int, until_s: float) -> tuple[bytes, int]:
        """The messages of the next events after `seq`, joined, and the number to go on from. Waits for them, but not
        longer than until `until_s` (trio's clock); b"": there are none yet. Raises `Unavailable`."""
        with trio.CancelScope(deadline=until_s) as scope:
            self._waits.add(scope)
            try:
                newest = await self._watch.beyond(seq, wanted.kinds)
            finally:
                self._waits.discard(scope)
        if scope.cancelled_caught or newest < seq:
            return b"", seq if scope.cancelled_caught else newest
        await self._fill(seq, newest)
        if seq < self._low or await self._is_restricted(wanted.reader):
            return await self._read_behind(wanted, seq, newest)
        found: list[Entry] = []
        for entry in self._entries[bisect_right(self._seqs, seq) :]:
            if events.matches(wanted, entry[0]):
                found.append(entry)
                if len(found) == PAGE:
                    break
        return _joined(found, self._high)

    async def _fill(self, seq: int, newest: int) -> None:
        """Have the events up to `newest` in memory: those after `seq`, unless they are too many."""
        async with self._filling:
            if newest - self._high > KEPT or seq - self._high > PAGE or self._high > newest:
                self._low = self._high = seq if newest - seq <= KEPT else newest
                self._entries, self._seqs = [], []
                self._restricted = {}
            while self._high < newest:
                found = await self.reader.run(partial(_read, wanted=ALL, seq=self._high, last=newest))
                self._entries += found
                if any(event.kind in OF_ACCESS for event, _ in found):
                    self._restricted = {}
                self._seqs += [event.seq for event, _ in found]
                self._high = found[-1][0].seq if len(found) == PAGE else newest
                self._forget()

    def _forget(self) -> None:
        extra = len(self._seqs) - KEPT
        if extra > KEPT // 4:
            self._low = self._seqs[extra - 1]
            del self._entries[:extra], self._seqs[:extra]

    async def _is_restricted(self, who: Actor) -> bool:
        while who not in self._restricted:
            if len(self._restricted) >= MAX_READERS:
                self._restricted = {}
            known = self._restricted  # another one, once an event may have changed what is read here
            known[who] = await self.reader.run(partial(is_restricted, actor=who))
        return self._restricted[who]

    async def _read_behind(self, wanted: Wanted, seq: int, newest: int) -> tuple[bytes, int]:
        """For a stream that is further behind than what is in memory, or of somebody who does not see all computers:
        which of them, only the database knows. One at a time."""
        async with self._behind:
            found = await self.reader.run(partial(_read, wanted=wanted, seq=seq, last=newest))
            await trio.sleep(BEHIND_PAUSE_S)
        return _joined(found, newest)


def _read(conn: Connection, wanted: Wanted, seq: int, last: int) -> list[Entry]:
    return [(event, _message(event)) for event in events.following(conn, wanted, seq, PAGE, last)]


def _joined(found: Sequence[Entry], last: int) -> tuple[bytes, int]:
    """`last`: up to which number these are all, unless they are a whole page."""
    return b"".join(message for _, message in found), found[-1][0].seq if len(found) == PAGE else last


def _message(event: LoggedEvent) -> bytes:
    data = visible_json(json.dumps(asdict(event), ensure_ascii=False))
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()
