"""Fragments from whoever has them, each fetched once however many ask for it.

`Fetcher.fragment` may be called by any number of tasks: who comes while it is being fetched waits for the same flight.
A flight goes on inside a fragment where the last try was cut off, also at another source, since the manifest says what
must come out; and it ends with a verified fragment or not at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from distd.domain.errors import BadInput, Corrupt, DistdError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distd.domain.records import Fragment
    from distd.lane.client.http_client import Client, Stream
    from distd.storage.incoming import IncomingFragments, PartialFragment

    T = TypeVar("T")

GATHER_BYTES: Final = 1_048_576  # before a thread writes and hashes them
STALLED_S: Final = 30.0  # without a byte: the next source has its turn
TRIES: Final = 3  # of each source, for one flight
PAUSE_S: Final = 0.2
WRITERS: Final = 2

_SPAN: Final = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})")


@dataclass(slots=True)
class _Flight:
    done: trio.Event = field(default_factory=trio.Event)
    error: DistdError | OSError | None = None


@dataclass(slots=True)
class Traffic:
    """What was fetched so far."""

    fragments: int = 0
    received_bytes: int = 0
    requests: int = 0


class Fetcher:
    """`sources` gives the URLs of download folders, the best first. Flights run in `nursery`."""

    def __init__(
        self,
        client: Client,
        incoming: IncomingFragments,
        sources: Callable[[], Sequence[str]],
        connections: int,
        nursery: trio.Nursery,
    ) -> None:
        self.traffic = Traffic()
        self._client = client
        self._incoming = incoming
        self._sources = sources
        self._room = trio.CapacityLimiter(connections)
        self._threads = trio.CapacityLimiter(WRITERS)
        self._nursery = nursery
        self._flights: dict[bytes, _Flight] = {}

    async def fragment(self, package_id: str, fragment: Fragment) -> None:
        """Have it in `incoming`, verified. Raises `Unavailable`, `Corrupt` (no source has a good one), `OSError`."""
        flight = self._flights.get(fragment.blake3)
        if flight is None:
            flight = self._flights[fragment.blake3] = _Flight()
            self._nursery.start_soon(self._fly, flight, package_id, fragment)
        await flight.done.wait()
        if flight.error is not None:
            raise flight.error

    async def small(self, package_id: str, name: str, limit_bytes: int, base: str) -> bytes:
        """An info or manifest. Raises `Unavailable`."""
        url = f"{base}/{package_id}/{name}"
        with trio.move_on_after(STALLED_S):
            answer = await self._client.request("GET", url, max_body_bytes=limit_bytes)
            if answer.status != 200:
                raise Unavailable(url, f"HTTP {answer.status}")
            return answer.body
        raise Unavailable(url, f"nothing has come for {STALLED_S:g} s")

    def sources(self) -> Sequence[str]:
        return self._sources()

    async def _fly(self, flight: _Flight, package_id: str, fragment: Fragment) -> None:
        flight.error = Unavailable(f"{package_id}-{fragment.number}", "the mirror is stopping")
        try:
            async with self._room:
                await self._bring(package_id, fragment)
            flight.error = None
        except (DistdError, OSError) as error:
            flight.error = error
        finally:
            del self._flights[fragment.blake3]
            flight.done.set()

    async def _bring(self, package_id: str, fragment: Fragment) -> None:
        if await self._in_thread(self._incoming.has, fragment):
            return
        part = await self._in_thread(self._incoming.open, fragment)
        try:
            await self._from_anywhere(package_id, fragment, part)
            self.traffic.fragments += 1
        finally:
            part.close()

    async def _from_anywhere(self, package_id: str, fragment: Fragment, part: PartialFragment) -> None:
        error: DistdError = Unavailable(f"{package_id}-{fragment.number}", "nobody is known who has it")
        for attempt in range(TRIES):
            for base in self._sources():
                try:
                    await self._from(f"{base}/{package_id}/{package_id}-{fragment.number}", part)
                    await self._in_thread(self._incoming.accept, part)
                    return
                except (Unavailable, Corrupt, BadInput) as failure:
                    error = failure
            await trio.sleep(PAUSE_S * 4**attempt)
        raise error

    async def _from(self, url: str, part: PartialFragment) -> None:
        """As much of the rest as comes. Raises `Unavailable` when it is not all."""
        size, tag = part.size_bytes, f'"{part.fragment.blake3.hex()}"'
        if size == part.fragment.length and size:
            return
        headers = [("Range", f"bytes={size}-"), ("If-Range", tag)] if size else []
        self.traffic.requests += 1
        with trio.move_on_after(STALLED_S) as patience:
            async with self._client.stream("GET", url, headers) as answer:
                await self._take_up(answer, part)
                await self._receive(answer, part, patience)
        if patience.cancelled_caught:
            raise Unavailable(url, f"nothing has come for {STALLED_S:g} s")
        if part.size_bytes < part.fragment.length:
            length = part.fragment.length
            got = part.size_bytes
            await self._in_thread(part.restart)  # a body that ends well, and too early: somebody lies
            raise Corrupt(url, f"{length} bytes", f"{got} bytes")

    async def _receive(self, answer: Stream, part: PartialFragment, patience: trio.CancelScope) -> None:
        """What has come is kept, however it ends."""
        gathered: list[bytes] = []
        gathered_bytes = 0
        try:
            async for piece in answer:
                patience.deadline = trio.current_time() + STALLED_S
                self.traffic.received_bytes += len(piece)
                gathered.append(piece)
                gathered_bytes += len(piece)
                if gathered_bytes >= GATHER_BYTES:
                    ready, gathered, gathered_bytes = gathered, [], 0
                    await self._in_thread(part.append, ready)
        finally:
            with trio.CancelScope(shield=True):
                await self._in_thread(part.append, gathered)

    async def _take_up(self, answer: Stream, part: PartialFragment) -> None:
        """206 goes on, 200 begins anew; what cannot be right is refused before its body is read."""
        if answer.status == 206:
            span = _SPAN.fullmatch(answer.headers.get("content-range", ""))
            if span is None or (int(span[1]), int(span[2])) != (part.size_bytes, part.fragment.length):
                await self._in_thread(part.restart)
                raise Corrupt(answer.url, "the rest of the fragment", answer.headers.get("content-range", "nothing"))
            return
        if answer.status == 416:
            await self._in_thread(part.restart)
        if answer.status != 200:
            raise Unavailable(answer.url, f"HTTP {answer.status}")
        if answer.length is not None and answer.length != part.fragment.length:
            raise Corrupt(answer.url, f"{part.fragment.length} bytes", f"{answer.length} bytes")
        if part.size_bytes:
            await self._in_thread(part.restart)

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        return await trio.to_thread.run_sync(partial(call, *arguments), limiter=self._threads)
