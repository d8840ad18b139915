"""Requests of a mirror to the server that it follows: the origin, or a mirror that forwards to it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from distd.domain.errors import TooLarge, Unavailable
from distd.storage import sealing
from distd.storage.sealing import SealedRequest
from distd.wire import packing
from distd.wire.trust import MAX_TRUST_BYTES
from redistrib.problem_text import reason_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from distd.lane.client.http_client import Client, Response, Stream
    from distd.wire.trust import Authority
    from redistrib.mirror_dir import Identity

EVENTS: Final = "/api/v1/mirror/events"
REPORT: Final = "/api/v1/mirror/report"
CERTIFICATE: Final = "/api/v1/mirror/certificate"
TRUST: Final = "/api/v1/mirror/trust"
KEY: Final = "/api/v1/mirror/key"
MAX_KEY_BYTES: Final = 16_384
KEY_S: Final = 3600.0  # for so long the origin's key is kept


class _Renewed(msgspec.Struct):
    """What the origin gives a mirror that renews its certificate."""

    certificate: bytes


async def fetch_origin_key(client: Client, url: str, authority: Authority) -> sealing.OriginPublicKey:
    """The origin's key, from the origin or any mirror: the CA guarantees it. Raises `Unavailable`, `Corrupt`."""
    try:
        answer = await client.request("GET", url + KEY, max_body_bytes=MAX_KEY_BYTES)
    except TooLarge as error:
        raise Unavailable(url + KEY, str(error)) from None
    if answer.status != 200:
        raise Unavailable(url + KEY, f"HTTP {answer.status}; an origin of an earlier version has none: update it first")
    return sealing.read_announcement(answer.body, authority)


class OriginClient:
    """`url` is whom it asks; each request proves that the mirror has its key. `authority()`: whom the origin's
    signer is of."""

    def __init__(self, client: Client, identity: Identity, authority: Callable[[], Authority]) -> None:
        self.url = identity.origin
        self._client = client
        self._identity = identity
        self._authority = authority
        self._origin_key: sealing.OriginPublicKey | None = None
        self._fetched_s = 0.0

    @asynccontextmanager
    async def open_events(self, after: int) -> AsyncIterator[Stream]:
        """The event stream from the event after `after` on; 0: from what is wanted now."""
        target = f"{EVENTS}?after={after}"
        authorization = await self._authorization(SealedRequest("GET", target))
        async with self._client.stream("GET", self.url + target, [authorization]) as answer:
            self._forget_key(answer.status)
            yield answer

    async def _authorization(self, request: SealedRequest) -> tuple[str, str]:
        if not self._identity.sealed:
            return "Authorization", f"Bearer {self._identity.key}"
        if self._origin_key is None or trio.current_time() - self._fetched_s > KEY_S:
            self._origin_key = await fetch_origin_key(self._client, self.url, self._authority())
            self._fetched_s = trio.current_time()
        now_s = self._origin_key.time_s + trio.current_time() - self._fetched_s
        return "Authorization", self._origin_key.authorize(request, self._identity.key, now_s)

    async def _post(self, path: str, body: bytes) -> Response:
        authorization = await self._authorization(SealedRequest("POST", path, body))
        headers = [authorization, ("Content-Type", "application/msgpack")]
        try:
            answer = await self._client.request("POST", self.url + path, body=body, headers=headers)
        except TooLarge as error:
            raise Unavailable(self.url + path, str(error)) from None
        self._forget_key(answer.status)
        return answer

    def _forget_key(self, status: int) -> None:
        """The origin may have another key by now, or this computer has slept."""
        if status == 401:
            self._origin_key = None

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
        answer = await self._post(CERTIFICATE, body)
        if answer.status == 404:
            raise Unavailable(url, "the origin is of a version that renews no certificates yet")
        if answer.status != 200:
            reason = reason_of(answer.body)
            raise Unavailable(url, f"HTTP {answer.status}: {reason}" if reason else f"HTTP {answer.status}")
        return packing.unpack(answer.body, _Renewed, "certificate").certificate

    async def report(self, message: dict[str, Any]) -> None:
        """Send a report. Raises `Unavailable` when it is not taken."""
        url, body = self.url + REPORT, packing.pack(message)
        answer = await self._post(REPORT, body)
        if answer.status != 200:
            reason = reason_of(answer.body)
            raise Unavailable(url, f"HTTP {answer.status}: {reason}" if reason else f"HTTP {answer.status}")
