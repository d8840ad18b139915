"""Where a native agent gets a package's fragments: the mirrors that the server named, the quickest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.lane.client.http_client import Client

PROBE_S: Final = 3.0
FRESH_S: Final = 1800.0  # then they are probed again
AVOID_S: Final = 300.0  # a place that has failed is tried last for so long


class Sources:
    """Of one package. `mirrors`: as the server ranks them. `last`: the server's own place, tried when all fail."""

    def __init__(self, client: Client, mirrors: Sequence[str], last: str) -> None:
        self.named = (*mirrors, last)
        self._client = client
        self._mirrors = list(mirrors)
        self._last = last
        self._probed_s: float | None = None
        self._failed_s: dict[str, float] = {}

    async def ranked(self, proto: str, path: str) -> list[str]:
        """The places to try, in order. `path` is that of a fragment, which they are probed by."""
        now_s = trio.current_time()
        if self._mirrors and (self._probed_s is None or now_s - self._probed_s > FRESH_S):
            await self._probe(proto, path)
            self._probed_s = now_s
        good = [place for place in self._mirrors if now_s - self._failed_s.get(place, -AVOID_S) >= AVOID_S]
        return [*good, self._last, *(place for place in self._mirrors if place not in good)]

    def failed(self, place: str) -> None:
        """It is tried last for a while."""
        self._failed_s[place] = trio.current_time()

    async def _probe(self, proto: str, path: str) -> None:
        """Sort the mirrors by how soon each answers; those that do not have failed."""
        took_s: dict[str, float] = {}

        async def ask(place: str) -> None:
            begun_s = trio.current_time()
            with trio.move_on_after(PROBE_S):
                try:
                    answer = await self._client.request("HEAD", f"{proto}://{place}/{path}")
                except (Unavailable, BadInput):
                    return
                if answer.status == 200:
                    took_s[place] = trio.current_time() - begun_s

        async with trio.open_nursery() as nursery:
            for place in self._mirrors:
                nursery.start_soon(ask, place)
        for place in self._mirrors:
            if place not in took_s:
                self.failed(place)
        self._mirrors.sort(key=lambda place: took_s.get(place, PROBE_S))
