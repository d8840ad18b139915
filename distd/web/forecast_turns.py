"""How many may wait for a forecast: each takes some seconds, and a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from distd.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    T = TypeVar("T")

MAX_WAITING: Final = 6  # others are told to come again


class ForecastTurns:
    """Those whose forecasts are being made, or who wait for it."""

    def __init__(self) -> None:
        self._waiting = 0

    async def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` makes. Raises `Unavailable` where many wait already."""
        if self._waiting >= MAX_WAITING:
            raise Unavailable("forecast", "others are being made")
        self._waiting += 1
        try:
            return await make()
        finally:
            self._waiting -= 1
