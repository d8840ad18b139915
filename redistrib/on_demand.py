"""Fragments that agents ask for before they are here: fetched at once, for all agents that ask meanwhile.

A fragment is sent when it is here and verified, and not before: a body that has begun could not be taken back when
its source fails or sends wrong bytes (distd/docs/protocol.md, trap 4; ADR 10). An agent that has waited too long, or
asks for what cannot be had, is sent elsewhere.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from distd.domain.errors import DistdError
from distd.domain.lru import Lru
from distd.lane.backend import LOCAL, Located
from distd.lane.file_cache import OpenFile

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.domain.records import Fragment
    from distd.lane.backend import FileRequest
    from distd.storage.incoming import IncomingFragments
    from redistrib.fetcher import Fetcher
    from redistrib.manifests import ManifestFetcher

MAX_WAITING: Final = 20_000  # requests of agents that wait for fragments
FAILED_S: Final = 2.0  # what could not be had just now is not tried again for so long
MAX_FAILED: Final = 20_000


class _Waiting(NamedTuple):
    request: FileRequest
    version: int
    answer: Callable[[Located], None]


class OnDemand:
    """Fetches what is submitted. `elsewhere(request)`: where an agent is sent that gets nothing here."""

    def __init__(
        self,
        manifests: ManifestFetcher,
        fetcher: Fetcher,
        incoming: IncomingFragments,
        elsewhere: Callable[[FileRequest], Located],
        wait_s: float,
        log: logging.Logger,
    ) -> None:
        """`wait_s`: how long an agent waits for a fragment at the most."""
        self._manifests = manifests
        self._fetcher = fetcher
        self._incoming = incoming
        self._elsewhere = elsewhere
        self._wait_s = wait_s
        self._log = log
        self._failed_s: Lru[str, float] = Lru(MAX_FAILED)  # by key: when it could not be had
        self._send, self._receive = trio.open_memory_channel[_Waiting](MAX_WAITING)

    def submit(self, request: FileRequest, version: int, answer: Callable[[Located], None]) -> Located | None:
        """Fetch a fragment of this version of a package. None: `answer(located)` is called later, once."""
        failed_s = self._failed_s.get(request.key)
        if failed_s is not None and trio.current_time() < failed_s + FAILED_S:
            return self._elsewhere(request)
        try:
            self._send.send_nowait(_Waiting(request, version, answer))
        except trio.WouldBlock:
            return self._elsewhere(request)
        return None

    async def run(self) -> None:
        """Fetch what is submitted, for ever."""
        async with trio.open_nursery() as nursery:
            async for waiting in self._receive:
                nursery.start_soon(self._answer, waiting)

    async def _answer(self, waiting: _Waiting) -> None:
        located = None
        with trio.move_on_after(self._wait_s):
            located = await self._fetch(waiting.request, waiting.version)
        waiting.answer(located or self._elsewhere(waiting.request))

    async def _fetch(self, request: FileRequest, version: int) -> Located | None:
        """None: it cannot be had now."""
        try:
            fragments = (await self._manifests.fetch(request.package_id, version)).manifest.fragments
            if request.number > len(fragments):
                return Located(status=404)
            fragment = fragments[request.number - 1]
            await self._fetcher.fetch(request.package_id, fragment)
        except (DistdError, OSError) as error:
            self._log.warning("%s: %s", request.key, error)
            self._failed_s.put(request.key, trio.current_time())
            return None
        # Meanwhile the package may have been published: then the fragment is in its folder.
        return self._open(request, fragment) or LOCAL

    def _open(self, request: FileRequest, fragment: Fragment) -> Located | None:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(self._incoming.path(fragment), os.O_RDONLY | os.O_CLOEXEC)
            try:
                name, etag = request.key.rpartition("/")[2], b'"%s"' % fragment.blake3.hex().encode()
                return Located(OpenFile(fd, os.fstat(fd), name, etag, trio.current_time()))
            except BaseException:
                os.close(fd)
                raise
        return None
