"""What the lane asks of a mirror: whose token it is, what was sent, and where a file is that is not here (yet).

A fragment that has not come is fetched at once, and every agent that asks meanwhile waits for the same fetch. It is
sent when it is here and verified, and not before: a body that has begun could not be taken back when its source dies
or lies (docs/protocol.md, trap 4; ADR 10). Who has waited too long, or asks for what cannot be had, is sent to the
origin.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio

from distd.domain.errors import DistdError
from distd.lane.backend import LOCAL, Located
from distd.lane.file_cache import OpenFile

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from distd.domain.records import Fragment
    from distd.lane.backend import FileRequest, Post
    from distd.lane.streams import PlainStream, TlsStream
    from distd.storage.incoming import IncomingFragments
    from redistrib.control_port import Door
    from redistrib.fetcher import Fetcher
    from redistrib.reporter import Books
    from redistrib.sync import Sync

WAITING: Final = 20_000  # agents that wait for fragments
REFUSED_S: Final = 2.0  # what could not be had just now is not tried again for so long
TOKENS: Final = 200_000


class MirrorSite:
    """The lane's `Backend`. All but `run` is called on the trio thread and returns at once."""

    def __init__(
        self,
        books: Books,
        sync: Sync,
        incoming: IncomingFragments,
        fetcher: Fetcher,
        door: Door,
        wait_s: float,
        log: logging.Logger,
        holders: Callable[[], Sequence[str]],
    ) -> None:
        """`holders()`: download folders, as URLs, to which agents are sent for what is not here."""
        self.bad: dict[str, set[str]] = {}  # by package: the names of files that are known to be bad
        self._books = books
        self._sync = sync
        self._incoming = incoming
        self._fetcher = fetcher
        self._door = door
        self._wait_s = wait_s
        self._log = log
        self._holders = holders
        self._tokens: dict[int, str] = {}
        self._waiting = 0
        self._refused: dict[str, float] = {}
        self._send, self._receive = trio.open_memory_channel[tuple["FileRequest", "Callable[[Located], None]"]](WAITING)

    # --- whose -------------------------------------------------------------------------------------------------------

    def computer_of(self, token: str) -> int | None:
        """Only the origin can tell whether a token is good: here each is somebody's, and the origin is told of it."""
        number = int(token.partition("-")[0], 36)
        if self._tokens.get(number) != token:
            if len(self._tokens) >= TOKENS:
                self._tokens.clear()
            self._tokens[number] = token
        return number

    def fetched(self, computer_id: int, package_id: str, number: int, size_bytes: int, address: str) -> None:
        self._books.fetched(self._tokens.get(computer_id, ""), address, package_id, number, size_bytes)
        self._books.counts.hits += 1
        self._sync.used(package_id)

    def post(self, post: Post, answer: Callable[[int, bytes], None]) -> None:
        answer(404, b"this is a redistribution server: agents talk to the origin\n")

    def hand_over(self, stream: PlainStream | TlsStream, path: bytes) -> None:
        self._door.take(stream)

    # --- where -------------------------------------------------------------------------------------------------------

    def answered_elsewhere(self, package_id: str) -> bool:
        return package_id in self.bad

    def find(self, wanted: FileRequest, answer: Callable[[Located], None]) -> Located | None:
        names = self.bad.get(wanted.package_id)
        if names is not None:
            if wanted.key.rpartition("/")[2] in names:
                return self._elsewhere(wanted)
            if wanted.package_id in self._sync.have:
                return LOCAL
        if wanted.package_id not in self._sync.wanted:
            return Located(status=404)
        self._books.counts.misses += 1
        if not wanted.number or trio.current_time() < self._refused.get(wanted.key, 0.0):
            return self._elsewhere(wanted)
        try:
            self._send.send_nowait((wanted, answer))
        except trio.WouldBlock:
            return self._elsewhere(wanted)
        return None

    async def run(self) -> None:
        """Fetch what agents wait for, for ever."""
        async with trio.open_nursery() as nursery:
            async for wanted, answer in self._receive:
                nursery.start_soon(self._pull, wanted, answer)

    async def _pull(self, wanted: FileRequest, answer: Callable[[Located], None]) -> None:
        found = None
        with trio.move_on_after(self._wait_s):
            found = await self._bring(wanted)
        answer(found or self._elsewhere(wanted))

    async def _bring(self, wanted: FileRequest) -> Located | None:
        try:
            coming = await self._sync.coming(wanted.package_id)
            if wanted.number > len(coming.manifest.fragments):
                return Located(status=404)
            fragment = coming.manifest.fragments[wanted.number - 1]
            await self._fetcher.fragment(wanted.package_id, fragment)
            # Meanwhile the package may have been published, and the fragment is where it belongs.
            return self._open(wanted, fragment) or LOCAL
        except (DistdError, OSError) as error:
            self._log.warning("%s: %s", wanted.key, error)
            self._refused[wanted.key] = trio.current_time() + REFUSED_S
            if len(self._refused) > WAITING:
                self._refused.clear()
            return None

    def _open(self, wanted: FileRequest, fragment: Fragment) -> Located | None:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(self._incoming.path(fragment), os.O_RDONLY | os.O_CLOEXEC)
            try:
                name, tag = wanted.key.rpartition("/")[2], b'"%s"' % fragment.blake3.hex().encode()
                return Located(OpenFile(fd, os.fstat(fd), name, tag, trio.current_time()))
            except BaseException:
                os.close(fd)
                raise
        return None

    def _elsewhere(self, wanted: FileRequest) -> Located:
        """At somebody's who has it."""
        for base in self._holders():
            scheme, host = urlsplit(base)[:2]
            path = f"~{wanted.token}/{wanted.key}" if wanted.token else wanted.key
            self._books.counts.redirected += 1
            return Located(location=f"{scheme}://{host}/download/{path}")
        return Located(status=503, why="it has not come yet")
