"""Fragments from any source that has them, each fetched once however many tasks ask for it.

`Fetcher.fetch` may be called by any number of tasks: all that ask for a fragment while it is being fetched wait for the
same download. A download goes on inside a fragment where the last try was cut off, also at another source, since the
manifest says what the fragment must be. It ends with a verified fragment or with an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.backoff import Backoff
from distd.domain.errors import BadInput, Corrupt, DistdError, Unavailable
from redistrib.download import Download

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distd.domain.records import Fragment
    from distd.storage.incoming import IncomingFragments, PartialFragment
    from redistrib.download import Downloader

MAX_TRIES: Final = 3  # of each source
FIRST_PAUSE_S: Final = 0.2
MAX_PAUSE_S: Final = 10.0
HASHERS: Final = 2


@dataclass(slots=True)
class _Running:
    """A fragment that is being fetched. `error`: how it ended, None: well."""

    done: trio.Event = field(default_factory=trio.Event)
    error: DistdError | OSError | None = None


class Fetcher:
    """`sources()` gives the URLs of download folders, the best first. Downloads run in `nursery`."""

    def __init__(
        self,
        downloader: Downloader,
        incoming: IncomingFragments,
        sources: Callable[[], Sequence[str]],
        connections: int,
        nursery: trio.Nursery,
    ) -> None:
        """`connections`: how many downloads run in parallel."""
        self._downloader = downloader
        self._incoming = incoming
        self._sources = sources
        self._connections = trio.CapacityLimiter(connections)
        self._threads = trio.CapacityLimiter(HASHERS)
        self._nursery = nursery
        self._running: dict[bytes, _Running] = {}

    async def fetch(self, package_id: str, fragment: Fragment) -> None:
        """Fetch a fragment into `incoming`, verified. One that is there already is not fetched.

        Raises `Unavailable`, `Corrupt` when no source has a good one, `OSError` when it cannot be written.
        """
        running = self._running.get(fragment.blake3)
        if running is None:
            running = self._running[fragment.blake3] = _Running()
            self._nursery.start_soon(self._run, running, package_id, fragment)
        await running.done.wait()
        if running.error is not None:
            raise running.error

    @property
    def running(self) -> set[bytes]:
        """The BLAKE3s of the fragments that are being fetched."""
        return set(self._running)

    async def _run(self, running: _Running, package_id: str, fragment: Fragment) -> None:
        running.error = Unavailable(f"{package_id}-{fragment.number}", "the mirror is stopping")
        try:
            async with self._connections:
                await self._fetch(package_id, fragment)
            running.error = None
        except (DistdError, OSError) as error:
            running.error = error
        finally:
            del self._running[fragment.blake3]
            running.done.set()

    async def _fetch(self, package_id: str, fragment: Fragment) -> None:
        part = await trio.to_thread.run_sync(self._open, fragment, limiter=self._threads)
        if part is None:
            return
        try:
            await self._try_sources(package_id, fragment, part)
            self._downloader.traffic.fragments += 1
        finally:
            part.close()

    def _open(self, fragment: Fragment) -> PartialFragment | None:
        """What has come of it; None: it is here. One call, as each has a thread hand the interpreter over twice."""
        return None if self._incoming.has(fragment) else self._incoming.open(fragment)

    async def _try_sources(self, package_id: str, fragment: Fragment, part: PartialFragment) -> None:
        name = f"{package_id}-{fragment.number}"
        error: DistdError = Unavailable(name, "no source is known")
        backoff = Backoff(FIRST_PAUSE_S, MAX_PAUSE_S, factor=4)
        for attempt in range(MAX_TRIES):
            if attempt:
                await trio.sleep(backoff.next_s())
            for base in self._sources():
                try:
                    await self._try(f"{base}/{package_id}/{name}", fragment, part)
                    return
                except (Unavailable, Corrupt, BadInput) as failure:
                    error = failure
        raise error

    async def _try(self, url: str, fragment: Fragment, part: PartialFragment) -> None:
        if not part.size_bytes or part.size_bytes < fragment.length:
            etag = f'"{fragment.blake3.hex()}"'
            await self._downloader.append_rest(url, Download(part, fragment.length, etag))
        await trio.to_thread.run_sync(self._incoming.accept, part, limiter=self._threads)
