"""Which fragments were sent to whom: gathered in memory, and written to the catalogue once a second."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import Unavailable, Unreachable
from distd.origin.deployments.progress import Fetched, record
from distd.server.repeating import Faults

if TYPE_CHECKING:
    import logging

    from distd.catalogue.writer import Writer

FLUSH_S: Final = 1.0
# Pairs of a computer and a package with fragments that are not written yet. What is more is not recorded: the agents'
# results are what counts, and downloads must not fill the memory.
MAX_PAIRS: Final = 100_000


class ProgressRecorder:
    """The fragments of this process. `add` is on the path of every fragment."""

    def __init__(self, writer: Writer, log: logging.Logger) -> None:
        self.fragments_sent = 0
        self.fragment_bytes_sent = 0
        self._writer = writer
        self._log = log
        self._faults = Faults(log)
        self._pending: dict[tuple[int, str], tuple[list[int], int]] = {}

    def add(self, computer_id: int, package_id: str, number: int, size_bytes: int, _address: str) -> None:
        """A fragment was sent to its end. `computer_id` is 0 when its path had no token: then it is only counted."""
        self.fragments_sent += 1
        self.fragment_bytes_sent += size_bytes
        if computer_id == 0:
            return
        key = computer_id, package_id
        if key in self._pending:
            numbers, sent_bytes = self._pending[key]
            numbers.append(number)
            self._pending[key] = numbers, sent_bytes + size_bytes
        elif len(self._pending) < MAX_PAIRS:
            self._pending[key] = [number], size_bytes

    async def run(self) -> None:
        """Write what was sent, every second, for ever."""
        while True:
            await trio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what was sent since the last time, and what an outage has kept. What the catalogue does not take for
        another reason is lost, with a warning."""
        pending, self._pending = self._pending, {}
        if not pending:
            return
        rows = [
            Fetched(computer_id, package_id, numbers, sent_bytes)
            for (computer_id, package_id), (numbers, sent_bytes) in pending.items()
        ]
        try:
            await self._writer.run(partial(record, fetches=rows, now_s=time.time()))
        except Unreachable:
            self._put_back(pending)
        except Unavailable as error:
            self._log.warning("progress is not recorded, of downloads: %d; %s", len(rows), error)
        except Exception as error:
            self._faults.tell(error, f"progress is not recorded, of downloads: {len(rows)}")

    def _put_back(self, unwritten: dict[tuple[int, str], tuple[list[int], int]]) -> None:
        """For the next time, as far as there is space beside what was sent since."""
        for key, (numbers, sent_bytes) in unwritten.items():
            if key in self._pending:
                later, later_bytes = self._pending[key]
                self._pending[key] = numbers + later, sent_bytes + later_bytes
            elif len(self._pending) < MAX_PAIRS:
                self._pending[key] = numbers, sent_bytes
