"""Follows for whom a package is cancelled, by whatever process, and tells those who find fragments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from distd.catalogue import event_log
from distd.catalogue.outage import warn
from distd.domain.errors import Unavailable
from distd.origin.deployments import cancelled

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from sqlalchemy import Connection

    from distd.catalogue.event_watch import EventWatch

RETRY_S: Final = 1.0


class Cancellations:
    """`use(pairs)` is called with all pairs (computer, package), at first and whenever they may have changed."""

    def __init__(self, use: Callable[[frozenset[tuple[int, str]]], None]) -> None:
        self._use = use
        self._seq = 0

    def read(self, conn: Connection) -> frozenset[tuple[int, str]]:
        """All pairs."""
        self._seq = event_log.newest(conn)
        return cancelled.read(conn)

    async def run(self, watch: EventWatch, log: logging.Logger) -> None:
        """For ever. While the catalogue does not answer, all stays as it is."""
        while True:
            try:
                self._use(await watch.reader.run(self.read))
            except Unavailable as error:
                warn(log, error, "cancelled packages")
                await trio.sleep(RETRY_S)
                continue
            await watch.beyond(self._seq, cancelled.KINDS)
