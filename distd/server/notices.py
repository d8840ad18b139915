"""Looks for conditions that somebody should know of, and sends what is to be sent, in threads of its own.

Error handling: what cannot be sent is tried again, with longer and longer pauses, and in the end given up. The log says
it once for each channel, and once when it works again. A fault of the program counts as a try that failed.
"""

from __future__ import annotations

import platform
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.catalogue.outage import warn
from distd.domain.errors import BadInput, Unavailable
from distd.origin.notices import conditions, notices
from distd.origin.notices.senders import NoticeSender
from distd.server.repeating import Faults, describe, repeat

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.conditions import Condition, NoticeChange
    from distd.domain.notice_texts import NoticeMessage
    from distd.domain.settings import Settings
    from distd.origin.notices.notices import DueDelivery
    from distd.storage.data_dir import DataDir

LOOK_S: Final = 15.0
SEND_S: Final = 5.0
MARGIN_S: Final = 60.0  # beside the time that servers may take
STEPS: Final = 6  # of sending, each of which may take `notices.timeout_s`
THREADS: Final = 2


class NoticeWatch:
    """Until cancelled. `settings()` are those in force; `clock()` gives Unix time."""

    def __init__(
        self,
        data: DataDir,
        reader: Reader,
        writer: Writer,
        settings: Callable[[], Settings],
        log: logging.Logger,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._data = data
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._log = log
        self._clock = clock
        self._server = platform.node() or "server"
        self._threads = trio.CapacityLimiter(THREADS)
        self._failing: set[str] = set()
        self._found: list[Condition] = []
        self._faults = Faults(log)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many conditions of each kind there are."""
        return Counter(condition.kind for condition in self._found)

    async def run(self) -> None:
        """Look, and send, for ever."""
        async with trio.open_nursery() as nursery:
            for work, interval_s, what in (
                (self.look, LOOK_S, "conditions are not looked for"),
                (self.send_due, SEND_S, "notices are not sent"),
            ):
                nursery.start_soon(partial(repeat, work, interval_s, what, self._log, at_once=True))

    async def look(self) -> None:
        """Look once, and write down what has changed."""
        settings, now_s = self._settings(), self._clock()
        of_server = partial(conditions.of_server, self._data, settings, self._server, now_s)
        own = await trio.to_thread.run_sync(of_server, limiter=self._threads)
        read = partial(conditions.of_catalogue, settings=settings.notices, now_s=now_s)
        found = self._found = [*own, *await self._reader.run(read)]

        def changes(conn: Connection) -> list[NoticeChange]:
            return notices.changes(conn, found, settings.notices, self._server, now_s)

        def take_note(conn: Connection) -> list[str]:
            return notices.take_note(conn, found, settings.notices, self._server, now_s)

        if await self._reader.run(changes):
            for line in await self._writer.run(take_note):
                self._log.warning("notice: %s", line)

    async def send_due(self) -> None:
        """Send what is due, and write down how it went."""
        now_s = self._clock()
        if not await self._reader.run(partial(notices.is_due, now_s=now_s)):
            return
        lease_s = STEPS * notices.AT_ONCE * self._settings().notices.timeout_s + MARGIN_S
        taken = await self._writer.run(partial(notices.take_due, now_s=now_s, lease_s=lease_s))
        async with trio.open_nursery() as nursery:
            for due in taken:
                nursery.start_soon(self._faults.keep_from, partial(self._send, due), "a notice is not sent")

    async def _send(self, due: DueDelivery) -> None:
        sender = NoticeSender(self._data, self._settings(), self._clock)
        why = ""
        try:
            await self.deliver(sender, due.channel, sender.message_of(due))
        except (BadInput, Unavailable) as error:
            why = str(error)
        except Exception as error:
            self._faults.tell(error, f"notice {due.notice.id} is not sent by {due.channel}")
            why = describe(error)
        try:
            await (self._not_sent(due, why) if why else self._sent(due))
        except Unavailable as error:  # the catalogue: it is sent again when nobody has taken note
            warn(self._log, error, "notices")

    async def _sent(self, due: DueDelivery) -> None:
        await self._writer.run(partial(notices.sent, delivery_id=due.id, now_s=self._clock()))
        if due.channel in self._failing:
            self._failing.discard(due.channel)
            self._log.info("notices are sent by %s again", due.channel)

    async def _not_sent(self, due: DueDelivery, why: str) -> None:
        if await self._writer.run(partial(notices.not_sent, due=due, why=why, now_s=self._clock())):
            self._log.error("notice %d is given up: %s: %s", due.notice.id, due.channel, why)
        elif due.channel not in self._failing:
            self._log.warning("notices are not sent by %s: %s; they are tried again", due.channel, why)
        self._failing.add(due.channel)

    async def deliver(self, sender: NoticeSender, channel: str, message: NoticeMessage) -> None:
        """In a thread."""
        send = partial(sender.send, channel, message)
        await trio.to_thread.run_sync(send, limiter=self._threads, abandon_on_cancel=True)
