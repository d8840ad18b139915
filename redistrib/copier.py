"""Packages copied from a source that knows nothing of mirrors.

Such a source sends no events, so it is polled. All that there is to check is the digest in `info`, over the whole
package; so nothing counts before all of it has come. A copied package gets a manifest signed by this mirror, and is
kept from then on as any other package: hashed again, healed, served with ETags.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import BadInput, Conflict, Corrupt, TooLarge, Unavailable
from distd.domain.fragment_plan import MAX_FRAGMENTS
from distd.packaging import ocs_import
from distd.storage import package_dirs, quota
from distd.wire import ocs_info
from redistrib.status import MirrorState

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from distd.domain.records import Fragment, Info
    from distd.storage.pki import Signer
    from redistrib.local_packages import LocalPackages
    from redistrib.package_sources import PackageSource

MAX_PACKAGES: Final = 100_000
PIECE_BYTES: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class CopyLimits:
    """`connections`: so many fragments are fetched in parallel. `package_bytes`: of all fragments of a package."""

    connections: int
    package_bytes: int


class Copier:
    """Copies the packages of `source`: all of them, or those that are `named`.

    `folder` takes packages that are being copied; it is on the file system of the mirror's data.
    """

    def __init__(
        self,
        local: LocalPackages,
        source: PackageSource,
        named: Sequence[str],
        signer: Signer,
        folder: Path,
        limits: CopyLimits,
        log: logging.Logger,
    ) -> None:
        self.wanted: list[str] = []
        self.connected = False  # whether the source answered the last time
        self._local = local
        self._source = source
        self._named = list(named)
        self._signer = signer
        self._folder = folder
        self._limits = limits
        self._refused: dict[str, bytes] = {}  # infos of packages that are too large, by id
        self._log = log

    def state(self) -> MirrorState:
        """How far the copies are."""
        return MirrorState(self.connected, len(self._local.versions), len(self.wanted), 0)

    @property
    def is_ready(self) -> bool:
        """Whether the source answers, and all its packages are here."""
        return self.connected and all(package_id in self._local.versions for package_id in self.wanted)

    async def run(self, poll_s: float) -> None:
        """Compare with the source every `poll_s` seconds, for ever."""
        while True:
            try:
                await self._reconcile()
                self.connected = True
            except (Unavailable, BadInput, Corrupt) as error:
                self.connected = False
                self._log.warning("%s", error)
            await trio.sleep(poll_s)

    async def _reconcile(self) -> None:
        """Raises `Unavailable` when the source does not answer: then nothing is removed."""
        found = self._named or await self._source.list_ids()
        if len(found) > MAX_PACKAGES:
            self._log.warning("of %d packages only %d are copied", len(found), MAX_PACKAGES)
        self.wanted = found[:MAX_PACKAGES]
        for package_id in sorted(self._local.versions.keys() - set(self.wanted)):
            await self._remove(package_id)
        for package_id in self.wanted:
            try:
                info_text = await self._source.read_info(package_id)
            except (BadInput, Corrupt) as error:  # too large, say
                self._log.warning("package %s: %s", package_id, error)
                continue
            if info_text is None:
                await self._remove(package_id)
                continue
            if self._refused.get(package_id) == info_text:
                continue
            try:
                if not await trio.to_thread.run_sync(self._is_copied, package_id, info_text):
                    await self._copy(package_id, info_text)
            except (BadInput, Corrupt, Conflict, Unavailable, OSError) as error:
                self._log.warning("package %s: %s", package_id, error)

    def _is_copied(self, package_id: str, info_text: bytes) -> bool:
        if package_id not in self._local.versions:
            return False
        with suppress(OSError):
            return (self._local.data.package(package_id) / "info").read_bytes() == info_text
        return False

    async def _remove(self, package_id: str) -> None:
        if self._local.remove(package_id):
            await trio.to_thread.run_sync(package_dirs.delete, self._local.data, package_id)
            self._log.info("package %s is removed", package_id)

    # --- copy a package ----------------------------------------------------------------------------------------------

    async def _copy(self, package_id: str, info_text: bytes) -> None:
        info = ocs_info.parse(info_text)
        if info.id != package_id:
            raise Corrupt(f"{package_id}/info", f"ID {package_id}", f"ID {info.id}")
        if info.fragments > MAX_FRAGMENTS:
            raise BadInput(f"{package_id}/info FRAGS", f"at most {MAX_FRAGMENTS}", info.fragments)
        folder = self._folder / f"{package_id}.{info.digest[:64].encode().hex()}"
        await trio.to_thread.run_sync(self._prepare, folder, info, info_text)
        paths = [folder / f"{package_id}-{number}" for number in range(1, info.fragments + 1)]
        try:
            await self._fetch_all(package_id, paths)
        except TooLarge:
            self._refused[package_id] = info_text  # it is not fetched again before it is another one
            await trio.to_thread.run_sync(_remove_tree, folder)
            raise
        if any(not path.exists() for path in paths):
            raise Unavailable("fragments", "some are missing; those that have come are kept for the next try")
        try:
            version = await trio.to_thread.run_sync(self._publish, folder)
        except (Corrupt, BadInput):
            await trio.to_thread.run_sync(_remove_tree, folder)  # all of it is fetched anew
            raise
        self._local.publish(package_id, version)
        self._log.info("package %s is ready, fragments: %d", package_id, info.fragments)

    def _prepare(self, folder: Path, info: Info, info_text: bytes) -> None:
        """Make the folder to copy into. If only the info has changed, the fragments that are here are linked."""
        for stale in self._folder.glob(f"{info.id}.*"):
            if stale != folder:
                _remove_tree(stale)
        folder.mkdir(exist_ok=True)
        (folder / "info").write_bytes(info_text)
        copied = self._local.data.package(info.id)
        with suppress(FileNotFoundError, BadInput):
            known = ocs_info.parse((copied / "info").read_bytes())
            if (known.digest, known.fragments) == (info.digest, info.fragments):
                for number in range(1, info.fragments + 1):
                    with suppress(FileExistsError):
                        os.link(copied / f"{info.id}-{number}", folder / f"{info.id}-{number}")

    async def _fetch_all(self, package_id: str, paths: Sequence[Path]) -> None:
        """Fetch what is not here. Raises `TooLarge` as soon as it is more than a package may have."""
        room = _Room(self._limits.package_bytes)
        missing = enumerate(paths, 1)
        async with trio.open_nursery() as nursery:
            for _ in range(min(self._limits.connections, len(paths))):
                nursery.start_soon(self._fetch_some, package_id, missing, room)
        if room.left_bytes < 0:
            raise TooLarge(f"package {package_id}", f"at most {self._limits.package_bytes} bytes", "more")

    async def _fetch_some(self, package_id: str, missing: Iterator[tuple[int, Path]], room: _Room) -> None:
        """Fetch one after the other. Errors are logged only: the other fragments go on."""
        for number, path in missing:
            if room.left_bytes < 0:
                return
            limit_bytes = free_bytes = room.left_bytes
            try:
                if not await trio.to_thread.run_sync(path.exists):
                    free_bytes = await trio.to_thread.run_sync(self._free_bytes)
                    await self._source.fetch_fragment(package_id, number, path, min(limit_bytes, free_bytes))
                size_bytes = await trio.to_thread.run_sync(_size_of, path)
                room.left_bytes -= size_bytes
            except TooLarge as error:
                if limit_bytes <= free_bytes:
                    room.left_bytes = -1
                self._log.warning("%s-%d: %s", package_id, number, error)
            except (Unavailable, BadInput, Corrupt, OSError) as error:
                self._log.warning("%s-%d: %s", package_id, number, error)

    def _free_bytes(self) -> int:
        """How much one of the connections may write. Raises `NoSpace` where the disk, or the quota, is full."""
        local = self._local
        quota.check(local.data, local.limits, work_bytes=0, stay_bytes=0, usage=local.usage)
        return quota.free_bytes(local.data, local.limits) // self._limits.connections

    def _publish(self, folder: Path) -> int:
        """Check the digest, and publish with a manifest; the version. Raises `Corrupt`, `BadInput`, `Unavailable`."""
        data = self._local.data
        found = ocs_import.read(folder)
        with ocs_import.prepare(data, found, self._signer, limits=self._local.limits, link=True) as staged:
            staged.sync()
            staged.publish_or_replace()
        _remove_tree(folder)
        return staged.manifest.version

    # --- heal --------------------------------------------------------------------------------------------------------

    async def fetch_fragment(self, package_id: str, fragment: Fragment) -> None:
        """Fetch a fragment again, into `incoming`, to heal a bad one. Raises `Corrupt`, `Unavailable`, `OSError`."""
        path = self._folder / f"{package_id}-{fragment.number}.again"
        try:
            await self._source.fetch_fragment(package_id, fragment.number, path, fragment.length)
            await trio.to_thread.run_sync(self._accept, path, fragment)
        finally:
            path.unlink(missing_ok=True)

    def _accept(self, path: Path, fragment: Fragment) -> None:
        with self._local.incoming.open(fragment) as part, path.open("rb") as file:
            part.restart()
            while piece := file.read(PIECE_BYTES):
                part.append([piece])
            self._local.incoming.accept(part)


@dataclass(slots=True)
class _Room:
    """How much of a package may still come; below 0: it is too large."""

    left_bytes: int


def _size_of(path: Path) -> int:
    return path.stat().st_size


def _remove_tree(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
