"""Looks at watched sources; what is new becomes a job.

Error handling: what is wrong with one source is said of that source, once in the log when it begins and once when it is
over; it is looked at again when its time comes. So is a fault of the program.
Resource handling: a look ends before its lease does. What it fetches is in a file of its own until it is whole; those
of looks that were killed go, and so do the folders of sources that are deleted. A folder of another machine that does
not answer holds threads of its own kind.
"""

from __future__ import annotations

import json
import shutil
import ssl
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

from distd.catalogue.outage import warn
from distd.catalogue.schema import TEXT_LIMIT
from distd.domain.errors import BadInput, Conflict, Corrupt, TooLarge, Unavailable
from distd.domain.watched_source import (
    PlaceKind,
    Settling,
    SourceVersion,
    file_name,
    read_folders,
    without_queries,
)
from distd.lane.client.http_client import open_client
from distd.origin.installation import MIB, disk_limits
from distd.origin.jobs import jobs
from distd.origin.packages import watched_sources
from distd.packaging import source_version
from distd.server.repeating import Faults, describe, repeat
from distd.storage import quota
from distd.storage.atomic import map_disk_full

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings
    from distd.lane.client.http_client import Stream
    from distd.origin.packages.watched_sources import DueSource
    from distd.storage.data_dir import DataDir

POLL_S: Final = 5.0
TIDY_S: Final = 600.0
MARGIN_S: Final = 600.0  # beside the time for fetching: digests take some, too, and so may the source before
TELL_S: Final = 60.0  # of a lease, for telling what was found
PIECE_BYTES: Final = 1_048_576
THREADS: Final = 2  # of each kind
PART: Final = ".part"
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
        self._looks = trio.CapacityLimiter(THREADS)  # at paths
        self._failing: set[int] = set()
        self._faults = Faults(log)

    async def run(self) -> None:
        """Look at what is due, for ever."""
        async with trio.open_nursery() as nursery:

            async def look() -> None:
                # Else those that were taken would wait for those before, and their leases would end meanwhile.
                if len(nursery.child_tasks) >= watched_sources.AT_ONCE:
                    return
                for source in await self._take():
                    work = partial(self.look, source)
                    nursery.start_soon(self._faults.keep_from, work, f"source {source.name} is not looked at")

            async with trio.open_nursery() as others:
                others.start_soon(repeat, self.tidy, TIDY_S, "what sources no longer need stays", self._log)
                await repeat(look, POLL_S, "sources are not looked at", self._log, at_once=True)

    async def _take(self) -> list[DueSource]:
        if not await self._reader.run(partial(watched_sources.is_due, now_s=self._clock())):
            return []
        lease_s = self._time_s() + TELL_S
        return await self._writer.run(partial(watched_sources.take_due, now_s=self._clock(), lease_s=lease_s))

    def _time_s(self) -> float:
        """How long a look may take."""
        return self._settings().sources.timeout_s + MARGIN_S

    async def look(self, source: DueSource) -> None:
        """Look at one source, and write down what was found."""
        path, job_id = self._path(source), None
        try:
            try:
                found = await self._find(source, path)
                if isinstance(found, Settling):
                    settling = partial(watched_sources.settling, due=source, hint=found.hint, now_s=self._clock())
                    await self._writer.run(settling)
                    return
                tell = partial(watched_sources.found, due=source, version=found, path=str(path), now_s=self._clock())
                job_id = await self._writer.run(tell)
            except (BadInput, Conflict, Corrupt, Unavailable, OSError) as error:
                await self._fail(source, str(error))
                return
            except Exception as error:
                self._faults.tell(error, f"source {source.name} is not looked at")
                await self._fail(source, describe(error))
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

    async def _find(self, source: DueSource, path: Path) -> SourceVersion | Settling | None:
        time_s = self._time_s()
        with trio.move_on_after(time_s):
            return await (self._fetch(source, path) if source.kind is PlaceKind.URL else self._stat(source))
        raise Unavailable(source.place, f"it was not read within {time_s:.0f} s")

    async def _fail(self, source: DueSource, why: str) -> None:
        if await self._writer.run(partial(watched_sources.failed, due=source, why=why, now_s=self._clock())):
            self._log.warning("source %s: %s", source.name, without_queries(why[:TEXT_LIMIT]))
        self._failing.add(source.id)
        await self._remove(source)

    def _path(self, source: DueSource) -> Path:
        if source.kind is PlaceKind.PATH:
            return Path(source.place)
        return self._folder / str(source.id) / file_name(source.place)

    @property
    def _folder(self) -> Path:
        return self._data.root / "sources"

    async def _remove(self, source: DueSource) -> None:
        """What was fetched is not wanted."""
        if source.kind is not PlaceKind.URL:
            return
        try:
            await self._in_thread(partial(self._path(source).unlink, missing_ok=True))
        except OSError as error:
            self._log.warning("source %s: what was fetched stays: %s", source.name, error)

    async def tidy(self) -> None:
        """Remove what looks that were killed have begun, and the folders of sources that are deleted, when no job is
        left that may need them."""
        await self._in_thread(partial(_remove_parts, self._folder, round(self._clock() * 1_000_000)))
        found = await self._in_thread(partial(_numbers, self._folder))
        if not found or await self._reader.run(jobs.are_open):
            return
        for source_id in found - await self._reader.run(watched_sources.ids):
            await self._in_thread(partial(shutil.rmtree, self._folder / str(source_id), ignore_errors=True))

    async def _in_thread(self, work: Callable[[], Any], limiter: trio.CapacityLimiter | None = None) -> Any:
        return await trio.to_thread.run_sync(work, limiter=limiter or self._threads, abandon_on_cancel=True)

    async def _stat(self, source: DueSource) -> SourceVersion | Settling | None:
        settings = self._settings().sources
        folders = read_folders(settings.folders, "sources.folders")
        look = partial(source_version.look, Path(source.place), folders, self._data.root)
        look = partial(look, hint=source.hint, max_bytes=settings.max_mib * MIB, now_s=self._clock())
        found: SourceVersion | Settling | None = await self._in_thread(look, self._looks)
        return found

    async def _fetch(self, source: DueSource, path: Path) -> SourceVersion | None:
        """What the URL has, into `path`; None: it says that nothing has changed."""
        settings = self._settings().sources
        context = await self._in_thread(partial(_tls, self._data.root / settings.ca if settings.ca else None))
        part = path.with_name(f".{source.leased_to_us}{PART}")  # another look cannot write to it
        try:
            with trio.move_on_after(settings.timeout_s):
                async with (
                    open_client(context) as client,
                    client.stream("GET", source.place, _conditions(source.hint), downgrade=False) as answer,
                ):
                    if answer.status == 304:
                        return None
                    if answer.status != 200:
                        raise Unavailable(source.place, f"answers {answer.status}")
                    size_bytes = await self._receive(answer, part, settings.max_mib * MIB)
                    await self._in_thread(partial(part.replace, path))
                    digest = await self._in_thread(partial(source_version.digest_of, path))
                    return SourceVersion(digest, size_bytes, _hint(answer))
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise Unavailable(source.place, f"it has not come within {settings.timeout_s} s")

    async def _receive(self, answer: Stream, path: Path, max_bytes: int) -> int:
        limits = disk_limits(self._settings())

        def open_file() -> Any:
            quota.check(self._data, limits, work_bytes=answer.length or 0, stay_bytes=0)
            path.parent.mkdir(0o750, parents=True, exist_ok=True)
            return path.open("wb")

        def write(pieces: list[bytes]) -> None:
            # A chunked answer does not say how long it is, and others use the disk meanwhile.
            quota.check_free(self._data, limits, sum(map(len, pieces)))
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


def _numbers(folder: Path) -> set[int]:
    """The entries of a folder whose names are numbers; none, where it is not there."""
    try:
        return {int(each.name) for each in folder.iterdir() if each.name.isascii() and each.name.isdecimal()}
    except FileNotFoundError:
        return set()


def _remove_parts(folder: Path, now_us: int) -> None:
    """Of looks whose lease, the name of the file, has ended. No file that is fetched begins with a dot."""
    for part in folder.glob(f"*/.*{PART}"):
        if int(part.stem[1:]) < now_us:
            part.unlink(missing_ok=True)


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise BadInput("sources.ca", "a file of certificates", f"{ca}: {error.strerror or error}") from None


def _conditions(hint: str) -> list[tuple[str, str]]:
    """The header fields that ask whether anything has changed."""
    known: dict[str, str] = json.loads(hint) if hint else {}
    names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
    return [(names[name], value) for name, value in known.items() if value.isascii()]


def _hint(answer: Stream) -> str:
    found = {name: answer.headers.get(name, "") for name in ("etag", "last-modified")}
    kept = {name: value for name, value in found.items() if 0 < len(value) <= MAX_VALIDATOR and value.isascii()}
    return json.dumps(kept) if kept else ""
