"""Having what the origin says that mirrors are to have: compare, plan, fetch, publish.

What is wanted comes from the event stream; what is there is read from the disk. Whatever happened meanwhile, the
difference is the work, so a mirror that was away for a week does the same as one that was away for a second.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from distd.domain.errors import BadInput, Corrupt, DistdError, Unavailable
from distd.packaging.verify import verify
from distd.storage import incoming as received
from distd.storage import package_dirs as directories
from distd.storage.fragment_store import FragmentStore
from distd.wire.manifest import MAX_MANIFEST_BYTES
from distd.wire.mirror_events import State
from distd.wire.ocs_info import MAX_INFO_BYTES

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cryptography import x509

    from distd.domain.records import Fragment, Manifest
    from distd.storage.data_dir import DataDir
    from distd.storage.incoming import IncomingFragments
    from distd.storage.quota import DiskLimits
    from distd.wire.mirror_events import PackageChange
    from redistrib.fetcher import Fetcher

    T = TypeVar("T")

FIRST_PAUSE_S: Final = 1.0  # after a failure; it doubles
LAST_PAUSE_S: Final = 60.0
MANIFESTS: Final = 64  # of packages on their way, remembered


@dataclass(frozen=True, slots=True)
class Wanted:
    """A package to have: see `distd.origin.mirrors.mirrors.Wanted`."""

    version: int
    size_bytes: int
    needed: bool


@dataclass(frozen=True, slots=True)
class Coming:
    """A package on its way: its checked manifest as it was signed, and its info."""

    manifest: Manifest
    signed: bytes
    info: bytes


class Sync:
    """`report(ready, gone)` tells of packages (id, version) and ids as soon as they are there, or are not any more."""

    def __init__(
        self,
        data: DataDir,
        ca: x509.Certificate,
        incoming: IncomingFragments,
        fetcher: Fetcher,
        room: DiskLimits,
        log: logging.Logger,
        report: Callable[[list[tuple[str, int]], list[str]], None],
    ) -> None:
        self.wanted: dict[str, Wanted] = {}
        self.have: dict[str, int] = {}
        self.missing_bytes = 0
        self.used_s: dict[str, float] = {}
        self._data = data
        self._ca = ca
        self._incoming = incoming
        self._fetcher = fetcher
        self._room = room
        self._log = log
        self._report = report
        self._coming: dict[str, Coming] = {}
        self._retired: list[Path] = []
        self._wake = trio.Event()
        self._not_before_s = 0.0
        self._threads = trio.CapacityLimiter(1)
        self._told = False  # whether the origin has ever said everything

    # --- what is to be had -------------------------------------------------------------------------------------------

    def apply(self, event: State | PackageChange) -> None:
        """Take an event of the stream."""
        rows = {row.package_id: Wanted(row.version, row.size_bytes, row.needed) for row in event.packages}
        wait_s = 0.0
        if isinstance(event, State):
            self.wanted, self._told = rows, True
        else:
            wait_s = event.wait_s
            self.wanted |= rows
            for package_id in event.gone:
                self.wanted.pop(package_id, None)
        self._not_before_s = max(self._not_before_s, trio.current_time() + wait_s)
        self._wake.set()

    async def look(self) -> None:
        """Read from the disk what is there."""
        await self._in_thread(directories.sweep, self._data)
        self.have.update(await self._in_thread(self._read))

    def _read(self) -> dict[str, int]:
        have = {}
        for package_id in directories.list_ids(self._data):
            try:
                have[package_id] = directories.read_manifest(self._data, package_id, self._ca).version
            except (Corrupt, BadInput, OSError) as error:
                self._log.warning("%s", error)
        return have

    async def run(self) -> None:
        """Do the work, for ever."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            await trio.sleep(max(0.0, self._not_before_s - trio.current_time()))
            if await self._converge():
                pause_s = FIRST_PAUSE_S
            else:
                with trio.move_on_after(pause_s):
                    await self._wake.wait()
                self._wake.set()
                pause_s = min(2 * pause_s, LAST_PAUSE_S)

    async def _converge(self) -> bool:
        """Whether all is done that could be. What is not wanted any more is gone at once, but its fragments stay until
        all is done: a new version is mostly made of the old one's."""
        failed: set[str] = set()
        await self._retire(sorted(self.have.keys() - self.wanted.keys()) if self._told else [])
        # What cannot be had now does not keep the others from coming.
        while work := [one for one in self._work() if one not in failed]:
            package_id = work[0]
            try:
                await self._bring(package_id, self.wanted[package_id])
            except (DistdError, OSError) as error:
                self._log.warning("package %s: %s", package_id, error)
                failed.add(package_id)
        await self._purge()
        self.missing_bytes = sum(self.wanted[one].size_bytes for one in self._work())
        return not failed

    def _work(self) -> list[str]:
        """What agents wait for first, then what is small."""
        missing = [one for one, wanted in self.wanted.items() if self.have.get(one) != wanted.version]
        return sorted(missing, key=lambda one: (not self.wanted[one].needed, self.wanted[one].size_bytes, one))

    async def _retire(self, package_ids: Iterable[str]) -> None:
        for package_id in package_ids:
            self._retired.append(await self._in_thread(directories.retire, self._data, package_id))
            self.have.pop(package_id, None)
            self._report([], [package_id])
            self._log.info("package %s is gone", package_id)

    async def _purge(self) -> None:
        retired, self._retired = self._retired, []
        if retired:
            await self._in_thread(directories.purge, self._data, retired)

    # --- a package comes ---------------------------------------------------------------------------------------------

    async def _bring(self, package_id: str, wanted: Wanted) -> None:
        if await self._in_thread(self._stands, package_id, wanted.version):
            self._note(package_id, wanted.version)
            self._log.info("package %s, version %d: it is here already, and whole", package_id, wanted.version)
            return
        begun_s = trio.current_time()
        self.missing_bytes = sum(self.wanted[one].size_bytes for one in self._work())
        coming = await self.coming(package_id)
        fragments = {one.blake3: one for one in coming.manifest.fragments}
        missing = await self._in_thread(self._missing, list(fragments.values()))
        await self._make_room(sum(one.length for one in missing), package_id)
        async with _failing_together() as nursery:
            for fragment in fragments.values():
                nursery.start_soon(self._fetcher.fragment, package_id, fragment)
        if self.wanted.get(package_id) != wanted:
            return  # it was withdrawn, or is another version by now
        manifest, signed, info = coming.manifest, coming.signed, coming.info
        await self._in_thread(received.assemble, self._data, self._incoming, manifest, signed, info)
        self._coming.pop(package_id, None)
        self._note(package_id, wanted.version)
        took_s = trio.current_time() - begun_s
        fresh_bytes = sum(one.length for one in missing)
        self._log.info(
            "package %s, version %d: ready after %.1f s; %d of %d bytes were fetched",
            package_id,
            wanted.version,
            took_s,
            fresh_bytes,
            coming.manifest.size,
        )

    def _note(self, package_id: str, version: int) -> None:
        self.have[package_id] = version
        self._report([(package_id, version)], [])

    def _stands(self, package_id: str, version: int) -> bool:
        """Whether somebody else has put it there: `redistrib import`, beside this server."""
        try:
            there = directories.read_manifest(self._data, package_id, self._ca)
        except (Corrupt, OSError):
            return False
        return there.version == version and not verify(self._data, package_id, self._ca)

    async def coming(self, package_id: str) -> Coming:
        """Manifest and info of a package that is wanted. Raises `Unavailable`, `Corrupt`."""
        wanted = self.wanted.get(package_id)
        if wanted is None:
            raise Unavailable(package_id, "no package that this mirror is to have")
        known = self._coming.get(package_id)
        if known is not None and known.manifest.version == wanted.version:
            return known
        error: DistdError = Unavailable(package_id, "nobody is known who has it")
        for base in self._fetcher.sources():
            try:
                coming = await self._ask(base, package_id, wanted.version)
            except (Unavailable, Corrupt, BadInput) as failure:
                error = failure
                continue
            while len(self._coming) >= MANIFESTS:
                del self._coming[next(iter(self._coming))]
            self._coming[package_id] = coming
            return coming
        raise error

    async def _ask(self, base: str, package_id: str, version: int) -> Coming:
        signed = await self._fetcher.small(package_id, "manifest", MAX_MANIFEST_BYTES, base)
        manifest = await self._in_thread(received.read_manifest, signed, package_id, version, self._ca)
        info = await self._fetcher.small(package_id, "info", MAX_INFO_BYTES, base)
        received.check_info(manifest, info)
        return Coming(manifest, signed, info)

    def _missing(self, fragments: list[Fragment]) -> list[Fragment]:
        return [one for one in fragments if not self._incoming.has(one)]

    async def _make_room(self, need_bytes: int, for_id: str) -> None:
        """Drop packages that no agent needs, the least used first, until it fits. Raises `Unavailable`."""
        if await self._in_thread(self._fits, need_bytes):
            return
        await self._purge()
        for victim in [*self._droppable(for_id), None]:
            if await self._in_thread(self._fits, need_bytes):
                return
            if victim is not None:
                await self._retire([victim])
                await self._purge()
                # It stays wanted, and would be fetched again at once: it is left out until the origin says all anew.
                self.wanted.pop(victim, None)
        raise Unavailable("disk", f"package {for_id} needs {need_bytes} bytes more than may be taken")

    def _droppable(self, for_id: str) -> list[str]:
        there = [one for one in self.have if one != for_id and one in self.wanted and not self.wanted[one].needed]
        return sorted(there, key=lambda one: self.used_s.get(one, 0.0))

    def _fits(self, need_bytes: int) -> bool:
        free_bytes = shutil.disk_usage(self._data.download).free
        if need_bytes + self._room.keep_free_bytes > free_bytes:
            return False
        quota_bytes = self._room.quota_bytes
        return not quota_bytes or FragmentStore(self._data.fragments).used_bytes() + need_bytes <= quota_bytes

    def used(self, package_id: str) -> None:
        """An agent has had something of it."""
        self.used_s[package_id] = time.time()

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        return await trio.to_thread.run_sync(partial(call, *arguments), limiter=self._threads)


class _failing_together:
    """A nursery whose first failure is raised as it is."""

    def __init__(self) -> None:
        self._manager = trio.open_nursery()

    async def __aenter__(self) -> trio.Nursery:
        return await self._manager.__aenter__()

    async def __aexit__(self, *error: object) -> bool | None:
        try:
            return await self._manager.__aexit__(*error)  # type: ignore[arg-type]
        except* (DistdError, OSError) as group:
            failures = group
        raise _first(failures)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
