"""Log-ins and wrong passwords become events, of which no flood can make many.

Of an address the first wrong password in a minute is written at once, and what follows as one event at the minute's
end. Only some addresses have events of their own in a minute; the others' are counted together. A log-in of an operator
from an address is written once an hour.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.catalogue.outage import warn
from distd.domain.errors import Unavailable, writable
from distd.domain.lru import Lru
from distd.origin.operators import log_ins
from distd.origin.operators.log_ins import LogIn, WrongPasswords

if TYPE_CHECKING:
    import logging

    from distd.catalogue.writer import Writer

MINUTE_S: Final = 60.0
MAX_ADDRESSES: Final = 32  # that have events of their own in a minute
OTHERS: Final = "others"
MAX_NAMES: Final = 5  # that an event tells
NAME_CHARACTERS: Final = 64
SEEN_S: Final = 3600.0
MAX_SEEN: Final = 1024
MAX_WAITING: Final = 256


@dataclass(slots=True)
class _Minute:
    """What came from an address since its first wrong password of the minute, which is written."""

    names: dict[str, None] = field(default_factory=dict)
    count: int = 0
    unchecked: int = 0


class LoginRecord:
    """Made by the server; `run` writes what the other methods were told."""

    def __init__(self, writer: Writer, log: logging.Logger) -> None:
        self._writer = writer
        self._log = log
        self._minutes: dict[str, _Minute] = {}
        self._seen_s: Lru[tuple[str, str], float] = Lru(MAX_SEEN)
        self._waiting: list[LogIn | WrongPasswords] = []
        self._wake = trio.Event()

    def succeeded(self, address: str, name: str) -> None:
        """An operator has signed in."""
        seen_s = self._seen_s.get((address, name))
        if seen_s is None or trio.current_time() - seen_s >= SEEN_S:
            self._seen_s.put((address, name), trio.current_time())
            self._write(LogIn(time.time(), address, name))

    def failed(self, address: str, name: str) -> None:
        """A password was wrong."""
        self._count(address, name, unchecked=0)

    def not_checked(self, address: str, name: str) -> None:
        """A password was not even checked, for so many were tried."""
        self._count(address, name, unchecked=1)

    async def run(self) -> None:
        """Write, for ever: what is new at once, what came often at the end of each minute."""
        while True:
            end_s = trio.current_time() + MINUTE_S
            while trio.current_time() < end_s:
                with trio.move_on_at(end_s):
                    await self._wake.wait()
                self._wake = trio.Event()
                await self._commit()
            await self.flush()

    async def flush(self) -> None:
        """Write what is counted by now; a new minute begins."""
        minutes, self._minutes = self._minutes, {}
        for address, minute in minutes.items():
            if minute.count or minute.unchecked:
                self._write(_event(address, minute))
        await self._commit()

    def _count(self, address: str, name: str, *, unchecked: int) -> None:
        name = writable(name)[:NAME_CHARACTERS]
        if address not in self._minutes:
            if len(self._minutes) < MAX_ADDRESSES:
                self._minutes[address] = _Minute()
                self._write(WrongPasswords(time.time(), address, (name,), 1 - unchecked, unchecked))
                return
            address = OTHERS
        minute = self._minutes.setdefault(address, _Minute())
        minute.count += 1 - unchecked
        minute.unchecked += unchecked
        if len(minute.names) < MAX_NAMES:
            minute.names[name] = None

    def _write(self, event: LogIn | WrongPasswords) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(event)
            self._wake.set()

    async def _commit(self) -> None:
        found, self._waiting = self._waiting, []
        if not found:
            return
        try:
            await self._writer.run(partial(log_ins.record, found=found))
        except Unavailable as error:
            warn(self._log, error, "log-ins are not recorded yet")
            self._waiting = (found + self._waiting)[:MAX_WAITING]


def _event(address: str, minute: _Minute) -> WrongPasswords:
    return WrongPasswords(time.time(), address, tuple(minute.names), minute.count, minute.unchecked)
