"""Packages of servers that know nothing of mirrors: a genuine OCS server, any web server, a folder.

    BASE/<id>/info      BASE/<id>/<id>-1 … <id>-N      and, to find them, what BASE/ lists

Nobody tells of news there, so it is looked at now and then. All that there is to check is the digest in `info`, over
the whole package; so nothing counts before all of it has come. What is taken gets a manifest of this mirror's own, and
is from then on kept as any other package: hashed again, healed, served with ETags.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeVar

import trio

from distd.domain.errors import BadInput, Conflict, Corrupt, DistdError, Unavailable
from distd.domain.fragment_plan import MAX_FRAGMENTS
from distd.packaging import ocs_import
from distd.storage import package_dirs as directories
from distd.storage import quota
from distd.storage.fragment_store import FragmentStore
from distd.wire import ocs_info as info_format
from distd.wire.ocs_info import MAX_INFO_BYTES
from redistrib.fetcher import GATHER_BYTES, PAUSE_S, STALLED_S, TRIES
from redistrib.reporter import Standing

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryptography import x509

    from distd.domain.records import Fragment, Info
    from distd.lane.client.http_client import Client, Stream
    from distd.storage.data_dir import DataDir
    from distd.storage.incoming import IncomingFragments
    from distd.storage.pki import Signer
    from distd.storage.quota import DiskLimits
    from redistrib.fetcher import Traffic

    T = TypeVar("T")

LIST_BYTES: Final = 16_777_216
PACKAGES: Final = 100_000
_LISTED: Final = re.compile(r'href="(?:[^"]*/)?([1-9][0-9]{0,17})/?"', re.IGNORECASE)
_ID: Final = re.compile(r"[1-9][0-9]{0,17}")
_FROM: Final = re.compile(r"bytes (\d{1,15})-")


class Source(Protocol):
    """Where packages are. Each raises `Unavailable` when it does not answer as it should."""

    async def ids(self) -> list[str]:
        """What is there."""

    async def info(self, package_id: str) -> bytes | None:
        """None: there is no such package (any more)."""

    async def fragment(self, package_id: str, number: int, into: Path) -> None:
        """Have it as a new file."""


class WebSource:
    """A folder behind a web server; `base` is its URL."""

    def __init__(self, client: Client, base: str, traffic: Traffic) -> None:
        self._client = client
        self._base = base.rstrip("/")
        self._traffic = traffic

    async def ids(self) -> list[str]:
        answer = await self._client.request("GET", f"{self._base}/", max_body_bytes=LIST_BYTES)
        if answer.status != 200:
            why = f"HTTP {answer.status}: it does not list its packages; name them by --package"
            raise Unavailable(f"{self._base}/", why)
        return sorted(set(_LISTED.findall(answer.body.decode("utf-8", "replace"))), key=int)

    async def info(self, package_id: str) -> bytes | None:
        url = f"{self._base}/{package_id}/info"
        answer = await self._client.request("GET", url, max_body_bytes=MAX_INFO_BYTES)
        if answer.status in (404, 410):
            return None
        if answer.status != 200:
            raise Unavailable(url, f"HTTP {answer.status}")
        return answer.body

    async def fragment(self, package_id: str, number: int, into: Path) -> None:
        """What was cut off goes on where it was, as long as the server says by its ETag that it is the same file."""
        url = f"{self._base}/{package_id}/{package_id}-{number}"
        with _Growing(into) as file:
            for attempt in range(TRIES):
                try:
                    await self._from(url, file)
                except Unavailable:
                    if attempt == TRIES - 1:
                        raise
                    await trio.sleep(PAUSE_S * 4**attempt)
                else:
                    await trio.to_thread.run_sync(file.keep)
                    self._traffic.fragments += 1
                    return

    async def _from(self, url: str, file: _Growing) -> None:
        headers = [("Range", f"bytes={file.size}-"), ("If-Range", file.tag)] if file.size and file.tag else []
        self._traffic.requests += 1
        with trio.move_on_after(STALLED_S) as patience:
            async with self._client.stream("GET", url, headers) as answer:
                goes_on = answer.status == 206 and _start(answer) == file.size
                if not goes_on and answer.status != 200:
                    file.restart()
                    raise Unavailable(url, f"HTTP {answer.status}")
                if not goes_on:
                    file.restart()
                tag = answer.headers.get("etag", "")
                file.tag = "" if tag.startswith("W/") else tag
                await self._receive(answer, file, patience)
                return
        if patience.cancelled_caught:
            raise Unavailable(url, f"nothing has come for {STALLED_S:g} s")

    async def _receive(self, answer: Stream, file: _Growing, patience: trio.CancelScope) -> None:
        gathered: list[bytes] = []
        gathered_bytes = 0
        try:
            async for piece in answer:
                patience.deadline = trio.current_time() + STALLED_S
                self._traffic.received_bytes += len(piece)
                gathered.append(piece)
                gathered_bytes += len(piece)
                if gathered_bytes >= GATHER_BYTES:
                    ready, gathered, gathered_bytes = gathered, [], 0
                    await trio.to_thread.run_sync(file.append, ready)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(file.append, gathered)


class FolderSource:
    """A folder that is mounted here."""

    def __init__(self, folder: Path, traffic: Traffic) -> None:
        self._folder = folder
        self._traffic = traffic

    async def ids(self) -> list[str]:
        def look() -> list[str]:
            return sorted(
                (one.name for one in self._folder.iterdir() if _ID.fullmatch(one.name) and (one / "info").is_file()),
                key=int,
            )

        return await self._run(look)

    async def info(self, package_id: str) -> bytes | None:
        def look() -> bytes | None:
            with (
                suppress(FileNotFoundError, NotADirectoryError),
                (self._folder / package_id / "info").open("rb") as file,
            ):
                return file.read(MAX_INFO_BYTES + 1)
            self._folder.stat()  # a folder that is not mounted says nothing of its packages
            return None

        return await self._run(look)

    async def fragment(self, package_id: str, number: int, into: Path) -> None:
        def copy() -> int:
            with _Growing(into) as file:
                shutil.copyfile(self._folder / package_id / f"{package_id}-{number}", file.path)
                file.keep()
            return into.stat().st_size

        self._traffic.received_bytes += await self._run(copy)
        self._traffic.fragments += 1

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(call)
        except OSError as error:
            raise Unavailable(str(error.filename or self._folder), error.strerror or str(error)) from None


class _Growing:
    """A file on its way: it has its name when it is whole, and leaves nothing when it never is."""

    def __init__(self, into: Path) -> None:
        self.path = into.with_name(f"{into.name}.part")
        self.size = 0
        self.tag = ""
        self._into = into
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        self.path.unlink(missing_ok=True)

    def append(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(self._fd, view) :]
            self.size += len(piece)

    def restart(self) -> None:
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0

    def keep(self) -> None:
        os.fchmod(self._fd, 0o644)
        self.path.rename(self._into)


class Copier:
    """Has what `source` has: all of it, or the packages that are `named`."""

    def __init__(
        self,
        data: DataDir,
        source: Source,
        named: Sequence[str],
        ca: x509.Certificate,
        signer: Signer,
        incoming: IncomingFragments,
        folder: Path,
        limits: DiskLimits,
        connections: int,
        log: logging.Logger,
    ) -> None:
        """`folder` takes what is on its way; it is on the file system of `data`."""
        self.have: dict[str, int] = {}
        self.wanted: list[str] = []
        self.answers = False
        self._data = data
        self._source = source
        self._named = list(named)
        self._ca = ca
        self._signer = signer
        self._incoming = incoming
        self._folder = folder
        self._limits = limits
        self._room = trio.CapacityLimiter(connections)
        self._log = log

    def standing(self) -> Standing:
        return Standing(self.answers, len(self.have), len(self.wanted), 0)

    async def look(self) -> None:
        """Read from the disk what is there."""
        await trio.to_thread.run_sync(directories.sweep, self._data)
        for package_id in directories.list_ids(self._data):
            try:
                self.have[package_id] = directories.read_manifest(self._data, package_id, self._ca).version
            except (DistdError, OSError) as error:
                self._log.warning("%s", error)

    async def run(self, poll_s: float) -> None:
        """Look at the source every `poll_s`, for ever."""
        while True:
            try:
                await self._converge()
                self.answers = True
            except Unavailable as error:
                self.answers = False
                self._log.warning("%s", error)
            await trio.sleep(poll_s)

    async def _converge(self) -> None:
        """Raises `Unavailable` when the source does not answer: then nothing is taken away."""
        self.wanted = (self._named or await self._source.ids())[:PACKAGES]
        for package_id in sorted(self.have.keys() - set(self.wanted)):
            await self._remove(package_id)
        for package_id in self.wanted:
            text = await self._source.info(package_id)
            if text is None:
                await self._remove(package_id)
                continue
            try:
                if not await trio.to_thread.run_sync(self._stands, package_id, text):
                    await self._bring(package_id, text)
            except (BadInput, Corrupt, Conflict, Unavailable, OSError) as error:
                self._log.warning("package %s: %s", package_id, error)

    def _stands(self, package_id: str, text: bytes) -> bool:
        try:
            return package_id in self.have and (self._data.package(package_id) / "info").read_bytes() == text
        except OSError:
            return False

    async def _remove(self, package_id: str) -> None:
        if self.have.pop(package_id, None) is not None:
            await trio.to_thread.run_sync(directories.delete, self._data, package_id)
            self._log.info("package %s is gone", package_id)

    async def _bring(self, package_id: str, text: bytes) -> None:
        info = info_format.parse(text)
        if info.id != package_id:
            raise Corrupt(f"{package_id}/info", f"ID {package_id}", f"ID {info.id}")
        if info.fragments > MAX_FRAGMENTS:
            raise BadInput(f"{package_id}/info FRAGS", f"at most {MAX_FRAGMENTS}", info.fragments)
        folder = self._folder / f"{package_id}.{info.digest[:64].encode().hex()}"
        await trio.to_thread.run_sync(self._begin, folder, info, text)
        async with trio.open_nursery() as nursery:
            for number in range(1, info.fragments + 1):
                nursery.start_soon(self._fragment, package_id, number, folder / f"{package_id}-{number}")
        if any(not (folder / f"{package_id}-{number}").exists() for number in range(1, info.fragments + 1)):
            raise Unavailable(package_id, "not all fragments could be had; what has come is kept for the next look")
        try:
            version = await trio.to_thread.run_sync(self._take, folder)
        except (Corrupt, BadInput):
            await trio.to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))  # all anew
            raise
        self.have[package_id] = version
        self._log.info("package %s: ready, %d fragments", package_id, info.fragments)

    def _begin(self, folder: Path, info: Info, text: bytes) -> None:
        """What is there of it already, when only its info has changed, is linked."""
        for stale in self._folder.glob(f"{info.id}.*"):
            if stale != folder:
                shutil.rmtree(stale, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        (folder / "info").write_bytes(text)
        there = self._data.package(info.id)
        with suppress(FileNotFoundError, BadInput):
            known = info_format.parse((there / "info").read_bytes())
            if (known.digest, known.fragments) == (info.digest, info.fragments):
                for number in range(1, info.fragments + 1):
                    with suppress(FileExistsError):
                        os.link(there / f"{info.id}-{number}", folder / f"{info.id}-{number}")

    async def _fragment(self, package_id: str, number: int, into: Path) -> None:
        if await trio.to_thread.run_sync(into.exists):
            return
        async with self._room:
            try:
                await trio.to_thread.run_sync(
                    partial(quota.check, self._data, self._limits, work_bytes=0, stay_bytes=0)
                )
                await self._source.fragment(package_id, number, into)
            except (Unavailable, BadInput, OSError) as error:
                self._log.warning("%s-%d: %s", package_id, number, error)

    def _take(self, folder: Path) -> int:
        """Its digest is checked, and it is published with a manifest; its version."""
        found = ocs_import.read(folder)
        with ocs_import.take(self._data, found, self._signer, limits=self._limits, link=True) as staged:
            staged.sync()
            staged.publish_or_replace()
        FragmentStore(self._data.fragments).sweep()
        shutil.rmtree(folder, ignore_errors=True)
        return staged.manifest.version

    async def good(self, package_id: str, fragment: Fragment) -> None:
        """A fragment once more, into `incoming`, to heal a bad one. Raises `Corrupt`, `Unavailable`."""
        name = f"{package_id}-{fragment.number}"
        again = self._folder / f"{name}.again"

        def check() -> None:
            part = self._incoming.open(fragment)
            try:
                part.restart()
                part.append([again.read_bytes()])
                self._incoming.accept(part)
            finally:
                part.close()

        try:
            await self._source.fragment(package_id, fragment.number, again)
            await trio.to_thread.run_sync(check)
        finally:
            again.unlink(missing_ok=True)


def check_ids(named: Sequence[str]) -> None:
    """Raises `BadInput` for what is no package's id."""
    for one in named:
        if not _ID.fullmatch(one):
            raise BadInput("--package", "an id of 1 to 18 digits", one)


def _start(answer: Stream) -> int | None:
    found = _FROM.match(answer.headers.get("content-range", ""))
    return int(found[1]) if found else None
