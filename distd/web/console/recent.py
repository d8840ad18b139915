"""Answers that several viewers share for some seconds: what many look at is computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from distd.domain.lru import Lru

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

MAX_ANSWERS: Final = 64


class RecentAnswers:
    """At most 64, each for `kept_s`. One is made at a time."""

    def __init__(self, kept_s: float) -> None:
        self._kept_s = kept_s
        self._lock = trio.Lock()
        self._known: Lru[Hashable, tuple[float, Any]] = Lru(MAX_ANSWERS)

    async def get(self, key: Hashable, now_s: float, make: Callable[[], Awaitable[Any]]) -> Any:
        """The answer of this key; `make` makes it where there is none that is recent."""
        async with self._lock:
            known = self._known.get(key)
            if known is not None and 0 <= now_s - known[0] < self._kept_s:
                return known[1]
            found = await make()
            self._known.put(key, (now_s, found))
            return found
