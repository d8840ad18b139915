"""Looks at watched sources; what is new becomes a job.

Error handling: what is wrong with one source is said of that source, once in the log when it begins and once when it is
over; it is looked at again when its time comes.
"""

from __future__ import annotations

import json
import ssl
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

from distd.catalogue.outage import warn
from distd.domain.errors import BadInput, Conflict, Corrupt, TooLarge, Unavailable
from distd.domain.watched_source import PlaceKind, SourceVersion, file_name, read_folders
from distd.lane.client.http_client import open_client
from distd.origin.installation import MIB, disk_limits
from distd.origin.packages import watched_sources
from distd.packaging import source_version
from distd.server.repeating import repeat
from distd.storage import quota
from distd.storage.atomic import map_disk_full

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.errors import DistdError
    from distd.domain.settings import Settings
    from distd.lane.client.http_client import Stream
    from distd.origin.packages.watched_sources import DueSource
    from distd.storage.data_dir import DataDir

POLL_S: Final = 5.0
MARGIN_S: Final = 600.0  # beside the time for fetching: digests take some, too
PIECE_BYTES: Final = 1_048_576
THREADS: Final = 2
MAX_VALIDATOR: Final = 1000  # characters of an ETag that is kept


class SourceWatch:
    """Until cancelled. `settings()` are those in force, `clock()` gives Unix time."""

    def __init__(
        self,
        data: DataDir,
        reader: Reader,
        writer: Writer,
        settings: Callable[[], Settings],
        log: logging.Logger,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._data = data
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._log = log
        self._clock = clock
        self._threads = trio.CapacityLimiter(THREADS)
        self._failing: set[int] = set()

    async def run(self) -> None:
        """Look at what is due, for ever."""
        async with trio.open_nursery() as nursery:

            async def look() -> None:
                for source in await self._take():
                    nursery.start_soon(self.look, source)

            await repeat(look, POLL_S, "sources are not looked at", self._log, at_once=True)

    async def _take(self) -> list[DueSource]:
        if not await self._reader.run(partial(watched_sources.is_due, now_s=self._clock())):
            return []
        lease_s = self._settings().sources.timeout_s + MARGIN_S
        return await self._writer.run(partial(watched_sources.take_due, now_s=self._clock(), lease_s=lease_s))

    async def look(self, source: DueSource) -> None:
        """Look at one source, and write down what was found."""
        path = self._path(source)
        try:
            try:
                version = await (self._fetch(source, path) if source.kind is PlaceKind.URL else self._stat(source))
                found = partial(watched_sources.found, source_id=source.id, version=version, path=str(path))
                job_id = await self._writer.run(partial(found, now_s=self._clock()))
            except (BadInput, Conflict, Corrupt, Unavailable, OSError) as error:
                await self._fail(source, error)
                return
        except Unavailable as error:  # the catalogue: the next one to whom it is due looks again
            warn(self._log, error, f"source {source.name}")
            return
        if job_id is not None:
            self._log.info("source %s has a new version: job %d", source.name, job_id)
        else:
            await self._remove(source)
        if source.id in self._failing:
            self._failing.discard(source.id)
            self._log.info("source %s can be read again", source.name)

    async def _fail(self, source: DueSource, error: DistdError | OSError) -> None:
        failed = partial(watched_sources.failed, source_id=source.id, why=str(error), now_s=self._clock())
        if await self._writer.run(failed):
            self._log.warning("source %s: %s", source.name, error)
        self._failing.add(source.id)
        await self._remove(source)

    def _path(self, source: DueSource) -> Path:
        if source.kind is PlaceKind.PATH:
            return Path(source.place)
        return self._data.root / "sources" / str(source.id) / file_name(source.place)

    async def _remove(self, source: DueSource) -> None:
        """What was fetched is not wanted."""
        if source.kind is PlaceKind.URL:
            await self._in_thread(partial(self._path(source).unlink, missing_ok=True))

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await trio.to_thread.run_sync(work, limiter=self._threads, abandon_on_cancel=True)

    async def _stat(self, source: DueSource) -> SourceVersion | None:
        settings = self._settings().sources
        folders = read_folders(settings.folders, "sources.folders")
        look = partial(source_version.look, Path(source.place), folders, self._data.root)
        look = partial(look, hint=source.hint, max_bytes=settings.max_mib * MIB, now_s=self._clock())
        version: SourceVersion | None = await self._in_thread(look)
        return version

    async def _fetch(self, source: DueSource, path: Path) -> SourceVersion | None:
        """What the URL has, into `path`; None: it says that nothing has changed."""
        settings = self._settings().sources
        context = await self._in_thread(partial(_tls, settings.ca))
        with trio.move_on_after(settings.timeout_s):
            async with (
                open_client(context) as client,
                client.stream("GET", source.place, _conditions(source.hint), downgrade=False) as answer,
            ):
                if answer.status == 304:
                    return None
                if answer.status != 200:
                    raise Unavailable(source.place, f"answers {answer.status}")
                size_bytes = await self._receive(answer, path, settings.max_mib * MIB)
                digest = await self._in_thread(partial(source_version.digest_of, path))
                return SourceVersion(digest, size_bytes, _hint(answer))
        raise Unavailable(source.place, f"it has not come within {settings.timeout_s} s")

    async def _receive(self, answer: Stream, path: Path, max_bytes: int) -> int:
        def open_file() -> Any:
            limits = disk_limits(self._settings())
            quota.check(self._data, limits, work_bytes=answer.length or 0, stay_bytes=0)
            path.parent.mkdir(0o750, parents=True, exist_ok=True)
            return path.open("wb")

        def write(pieces: list[bytes]) -> None:
            with map_disk_full():
                file.writelines(pieces)

        if (answer.length or 0) > max_bytes:
            raise TooLarge("place", f"at most {max_bytes} bytes (sources.max_mib)", f"{answer.length} bytes")
        file = await self._in_thread(open_file)
        try:
            pieces, waiting_bytes, size_bytes = list[bytes](), 0, 0
            async for chunk in answer:
                pieces.append(chunk)
                waiting_bytes, size_bytes = waiting_bytes + len(chunk), size_bytes + len(chunk)
                if size_bytes > max_bytes:
                    raise TooLarge("place", f"at most {max_bytes} bytes (sources.max_mib)", "more")
                if waiting_bytes >= PIECE_BYTES:
                    await self._in_thread(partial(write, pieces))
                    pieces, waiting_bytes = [], 0
            await self._in_thread(partial(write, pieces))
            return size_bytes
        finally:
            file.close()


def _tls(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as error:
        raise BadInput("sources.ca", "a file of certificates", f"{ca}: {error.strerror or error}") from None


def _conditions(hint: str) -> list[tuple[str, str]]:
    """The header fields that ask whether anything has changed."""
    known: dict[str, str] = json.loads(hint) if hint else {}
    names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
    return [(names[name], value) for name, value in known.items()]


def _hint(answer: Stream) -> str:
    found = {name: answer.headers.get(name, "") for name in ("etag", "last-modified")}
    kept = {name: value for name, value in found.items() if value and len(value) <= MAX_VALIDATOR}
    return json.dumps(kept) if kept else ""
