"""A mirror's trust file: fetched as soon as the origin has a later one, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from distd.domain.backoff import Backoff
from distd.domain.errors import BadInput, Corrupt, Unavailable

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.storage.trust_file import TrustFile
    from redistrib.origin_client import OriginClient

FIRST_PAUSE_S: Final = 1.0  # after a failure
MAX_PAUSE_S: Final = 300.0


class TrustKeeper:
    """`changed()` is called when a later file has been taken."""

    def __init__(self, origin: OriginClient, file: TrustFile, changed: Callable[[], None], log: logging.Logger) -> None:
        self._origin = origin
        self._file = file
        self._changed = changed
        self._log = log
        self._wanted_epoch = 0
        self._has_news = trio.Event()

    def learn(self, epoch: int) -> None:
        """The origin's trust file is of this epoch; 0: it has none, or is of an earlier version."""
        if 0 < epoch < self._file.epoch:
            self._log.warning("the origin's trust file is of epoch %d, this one of %d stays", epoch, self._file.epoch)
        if epoch > max(self._file.epoch, self._wanted_epoch):
            self._wanted_epoch = epoch
            self._has_news.set()

    async def run(self) -> None:
        """Fetch what is later, for ever."""
        backoff = Backoff(FIRST_PAUSE_S, MAX_PAUSE_S)
        while True:
            await self._has_news.wait()
            try:
                await self._fetch()
            except (Unavailable, Corrupt, BadInput, OSError) as error:
                self._log.warning("trust file: %s", error)
                await trio.sleep(backoff.next_s())
                continue
            backoff.reset()

    async def _fetch(self) -> None:
        pem = await self._origin.fetch_trust()
        if self._file.take(pem):
            self._log.info("the trust file is of epoch %d now", self._file.epoch)
            self._changed()
        if self._file.epoch < self._wanted_epoch:  # a server between has not had it yet
            raise Unavailable("trust file", f"epoch {self._file.epoch} was served, {self._wanted_epoch} was announced")
        self._has_news = trio.Event()
