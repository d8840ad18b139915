"""Reading the catalogue from trio: each reading in a thread, few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue

    T = TypeVar("T")

READERS: Final = 2  # threads: SQLite would take more, this process's interpreter would not


class Reader:
    """Runs functions over a reading connection. WAL keeps readers and the writer out of each other's way."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._threads = trio.CapacityLimiter(READERS)

    async def run(self, operation: Callable[[Connection], T]) -> T:
        """What `operation(connection)` gives. Raises what it raises, and `Unavailable`."""
        return await trio.to_thread.run_sync(self._read, operation, limiter=self._threads)

    def _read(self, operation: Callable[[Connection], T]) -> T:
        with self._catalogue.read() as connection:
            return operation(connection)
