"""Whose the tokens in paths are: each process remembers those that it has checked.

A token's MAC costs 13 µs, and the same computers come again and again. All is forgotten when a computer's tokens are
revoked, by whatever process, and when a day has ended.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import trio

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.outage import warn
from distd.domain.errors import Unavailable
from distd.origin.computers import revocation
from distd.wire import tokens

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from distd.catalogue.event_watch import EventWatch

MAX_REMEMBERED: Final = 65_536
DAY_CHECK_S: Final = 0.5
RETRY_S: Final = 1.0


class TokenCheck:
    """`computer_of(token)` is on the path of every fragment. `read` is called before the first one; `run` follows
    what is revoked. `keys()`: those whose tokens count now."""

    def __init__(self, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keys = keys
        self._generations: Mapping[int, int] = {}
        self._today = 0
        self._seq = 0
        self.computer_of = lru_cache(MAX_REMEMBERED)(self._check)

    def _check(self, token: str) -> int | None:
        return tokens.check_any(self._keys(), token, self._today, self._generations)

    def read(self, conn: Connection, now_s: float) -> None:
        """Read which tokens are revoked, and see which day it is."""
        self._seq, self._generations = event_log.newest(conn), revocation.generations(conn)
        self.begin_day(now_s)

    def begin_day(self, now_s: float) -> None:
        """See which day it is: where it is another one, tokens may have ended."""
        today = tokens.day_of(now_s)
        if today != self._today:
            self._today = today
            self.computer_of.cache_clear()

    async def run(self, watch: EventWatch, log: logging.Logger) -> None:
        """Follow what is revoked, for ever. While the catalogue does not answer, all stays as it is."""
        while True:
            newest = None
            self.begin_day(time.time())
            with trio.move_on_after(DAY_CHECK_S):
                newest = await watch.beyond(self._seq, (Kind.TOKENS_REVOKED,))
            if newest is None:
                continue
            try:
                self._generations = await watch.reader.run(revocation.generations)
            except Unavailable as error:
                warn(log, error, "revoked tokens")
                await trio.sleep(RETRY_S)
                continue
            self._seq = newest
            self.computer_of.cache_clear()
