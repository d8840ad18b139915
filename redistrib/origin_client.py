"""Requests of a mirror to the server that it follows: the origin, or a mirror that forwards to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from distd.domain.errors import Unavailable
from distd.wire import packing
from redistrib.problem_text import reason_of

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from distd.lane.client.http_client import Client, Stream
    from redistrib.mirror_dir import Identity

EVENTS: Final = "/api/v1/mirror/events"
REPORT: Final = "/api/v1/mirror/report"


class OriginClient:
    """`url` is whom it asks; each request carries the mirror's key."""

    def __init__(self, client: Client, identity: Identity) -> None:
        self.url = identity.origin
        self._client = client
        self._authorization = ("Authorization", f"Bearer {identity.key}")

    def open_events(self, after: int) -> AbstractAsyncContextManager[Stream]:
        """The event stream from the event after `after` on; 0: from what is wanted now."""
        return self._client.stream("GET", f"{self.url}{EVENTS}?after={after}", [self._authorization])

    async def report(self, message: dict[str, Any]) -> None:
        """Send a report. Raises `Unavailable` when it is not taken."""
        url, body = self.url + REPORT, packing.pack(message)
        headers = [self._authorization, ("Content-Type", "application/msgpack")]
        answer = await self._client.request("POST", url, body=body, headers=headers)
        if answer.status != 200:
            reason = reason_of(answer.body)
            raise Unavailable(url, f"HTTP {answer.status}: {reason}" if reason else f"HTTP {answer.status}")
