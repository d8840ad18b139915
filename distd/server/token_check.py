"""Whose the tokens in paths are: each process remembers those that it has checked.

A token's MAC costs 13 µs, and the same computers come again and again. All is forgotten when a computer's tokens are
revoked, by whatever process, and when a day has ended.
"""

from __future__ import annotations

import time
from functools import lru_cache, partial
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

    from distd.catalogue.reader import Reader

MAX_REMEMBERED: Final = 65_536
POLL_S: Final = 0.5


class TokenCheck:
    """`computer_of(token)` is on the path of every fragment. `read` is called before the first one, and again by `run`
    when tokens are revoked. `keys()`: those whose tokens count now."""

    def __init__(self, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keys = keys
        self._generations: Mapping[int, int] = {}
        self._today = 0
        self._seq = 0
        self.computer_of = lru_cache(MAX_REMEMBERED)(self._check)

    def _check(self, token: str) -> int | None:
        return tokens.check_any(self._keys(), token, self._today, self._generations)

    def read(self, conn: Connection, now_s: float) -> bool:
        """Read which tokens are revoked, where anything has changed; gives whether it has."""
        newest, today = event_log.newest(conn), tokens.day_of(now_s)
        is_new = self._seq == 0 or event_log.has_any(conn, self._seq, newest, (Kind.TOKENS_REVOKED,))
        self._seq = newest
        if is_new:
            self._generations = revocation.generations(conn)
        changed, self._today = is_new or today != self._today, today
        return changed

    async def run(self, reader: Reader, log: logging.Logger) -> None:
        """Follow what is revoked, for ever. While the catalogue does not answer, all stays as it is."""
        while True:
            await trio.sleep(POLL_S)
            try:
                changed = await reader.run(partial(self.read, now_s=time.time()))
            except Unavailable as error:
                warn(log, error, "revoked tokens")
                continue
            if changed:
                self.computer_of.cache_clear()
