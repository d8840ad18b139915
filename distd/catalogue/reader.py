"""Reading the catalogue from trio: each read in a thread, few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue

    T = TypeVar("T")

MAX_THREADS: Final = 2  # the database would take more, but they share one interpreter


class Reader:
    """Runs functions on a connection that reads; readers and the writer do not wait for each other."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._threads = trio.CapacityLimiter(MAX_THREADS)

    async def run(self, operation: Callable[[Connection], T]) -> T:
        """What `operation(connection)` returns. Raises what it raises, and `Unavailable`."""
        return await trio.to_thread.run_sync(self._read, operation, limiter=self._threads)

    def _read(self, operation: Callable[[Connection], T]) -> T:
        with self._catalogue.read() as connection:
            return operation(connection)
