"""Requests of a mirror to the server that it follows: the origin, or a mirror that forwards to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from distd.domain.errors import Unavailable
from distd.wire import packing
from distd.wire.trust import MAX_TRUST_BYTES
from redistrib.problem_text import reason_of

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from distd.lane.client.http_client import Client, Stream
    from redistrib.mirror_dir import Identity

EVENTS: Final = "/api/v1/mirror/events"
REPORT: Final = "/api/v1/mirror/report"
CERTIFICATE: Final = "/api/v1/mirror/certificate"
TRUST: Final = "/api/v1/mirror/trust"


class _Renewed(msgspec.Struct):
    """What the origin gives a mirror that renews its certificate."""

    certificate: bytes


class OriginClient:
    """`url` is whom it asks; each request carries the mirror's key."""

    def __init__(self, client: Client, identity: Identity) -> None:
        self.url = identity.origin
        self._client = client
        self._authorization = ("Authorization", f"Bearer {identity.key}")

    def open_events(self, after: int) -> AbstractAsyncContextManager[Stream]:
        """The event stream from the event after `after` on; 0: from what is wanted now."""
        return self._client.stream("GET", f"{self.url}{EVENTS}?after={after}", [self._authorization])

    async def fetch_trust(self) -> bytes:
        """The origin's trust file (`wire.trust`). Raises `Unavailable`."""
        url = self.url + TRUST
        answer = await self._client.request("GET", url, max_body_bytes=MAX_TRUST_BYTES)
        if answer.status != 200:
            raise Unavailable(url, f"HTTP {answer.status}")
        return answer.body

    async def renew(self, request: bytes, replaces: int) -> bytes:
        """Ask for a certificate in PEM; empty: it is not signed yet. `replaces`: the serial number of the one before.

        Raises `Unavailable`, `Corrupt`.
        """
        url, body = self.url + CERTIFICATE, packing.pack({"request": request, "replaces": f"{replaces:x}"})
        headers = [self._authorization, ("Content-Type", "application/msgpack")]
        answer = await self._client.request("POST", url, body=body, headers=headers)
        if answer.status == 404:
            raise Unavailable(url, "the origin is of a version that renews no certificates yet")
        if answer.status != 200:
            reason = reason_of(answer.body)
            raise Unavailable(url, f"HTTP {answer.status}: {reason}" if reason else f"HTTP {answer.status}")
        return packing.unpack(answer.body, _Renewed, "certificate").certificate

    async def report(self, message: dict[str, Any]) -> None:
        """Send a report. Raises `Unavailable` when it is not taken."""
        url, body = self.url + REPORT, packing.pack(message)
        headers = [self._authorization, ("Content-Type", "application/msgpack")]
        answer = await self._client.request("POST", url, body=body, headers=headers)
        if answer.status != 200:
            reason = reason_of(answer.body)
            raise Unavailable(url, f"HTTP {answer.status}: {reason}" if reason else f"HTTP {answer.status}")
