"""Getting the packages that the origin says mirrors are to have: compare, plan, fetch, publish.

What is wanted comes from the event stream; what is here is read from the disk. Whatever happened meanwhile, the
difference is the work, so a mirror that was away for a week does the same as one that was away for a second.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import trio

from distd.domain.backoff import Backoff
from distd.domain.errors import Corrupt, DistdError, Unavailable
from distd.packaging.verify import verify
from distd.storage import incoming, package_dirs
from distd.wire.mirror_events import State

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterable

    from distd.domain.records import Fragment
    from distd.wire.mirror_events import PackageChange, WantedPackage
    from redistrib.fetcher import Fetcher
    from redistrib.local_packages import LocalPackages
    from redistrib.manifests import ManifestFetcher

    T = TypeVar("T")

    class PackageObserver(Protocol):
        """What is called as soon as packages are here, or are not any more."""

        def ready(self, package_id: str, version: int) -> None:
            """A version of a package is here."""

        def gone(self, package_id: str) -> None:
            """A package is not here any more."""

        def fault(self, package_id: str, name: str, *, healed: bool) -> None:
            """A file of a package is bad, and is replaced or cannot be."""


FIRST_PAUSE_S: Final = 1.0  # after a failure
MAX_PAUSE_S: Final = 60.0


class Sync:
    """Keeps the packages in `local` as the origin says. `wanted`, by id: those that are to be here.

    `missing_bytes`: of packages that are wanted and not here yet.
    """

    def __init__(
        self,
        local: LocalPackages,
        manifests: ManifestFetcher,
        fetcher: Fetcher,
        report: PackageObserver,
        log: logging.Logger,
    ) -> None:
        self.wanted: dict[str, WantedPackage] = {}
        self.missing_bytes = 0
        self._local = local
        self._manifests = manifests
        self._fetcher = fetcher
        self._report = report
        self._log = log
        self._refused: set[WantedPackage] = set()  # versions below the floor, which the origin has been told of
        self._used_s: dict[str, float] = {}
        self._changed = trio.Event()
        self._start_s = 0.0  # not before this time
        self._threads = trio.CapacityLimiter(1)
        self._trust_changed = False
        self._knows_all = False  # whether the origin has ever said all that is wanted
        self._is_current = False  # whether it has in this run, and nothing was removed for it yet

    @property
    def is_complete(self) -> bool:
        """Whether all that is wanted is here."""
        return not self._missing()

    def apply(self, event: State | PackageChange) -> None:
        """Take what an event says of packages."""
        packages = {package.package_id: package for package in event.packages}
        if isinstance(event, State):
            self.wanted, self._knows_all = packages, True
            self._is_current = self._is_current or event.seq > 0  # 0: of the last run
        else:
            self.wanted |= packages
            for package_id in event.gone:
                self.wanted.pop(package_id, None)
            self._start_s = max(self._start_s, trio.current_time() + event.wait_s)
        self._changed.set()

    def trust_changed(self) -> None:
        """Packages whose signer is revoked are not served any more, and are fetched anew."""
        self._manifests.forget_all()
        self._trust_changed = True
        self._changed.set()

    def used(self, package_id: str) -> None:
        """Something of a package was sent to an agent."""
        self._used_s[package_id] = trio.current_time()

    async def run(self) -> None:
        """Reconcile after each event, and again after failures, for ever."""
        backoff = Backoff(FIRST_PAUSE_S, MAX_PAUSE_S)
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            await trio.sleep_until(self._start_s)
            if await self._reconcile():
                backoff.reset()
            else:
                with trio.move_on_after(backoff.next_s()):
                    await self._changed.wait()
                self._changed.set()

    async def _reconcile(self) -> bool:
        """Make the packages here those that are wanted; whether nothing has failed.

        What is not wanted any more is not served from now on, but its fragments stay until all is done: a new version
        is mostly made of the old one's.
        """
        failed: set[str] = set()
        if self._trust_changed:
            self._trust_changed = False
            await self._retire(await self._in_thread(self._local.distrusted))
        if self._knows_all:
            await self._retire(sorted(self._local.versions.keys() - self.wanted.keys()))
        # A package that cannot be had now does not keep the others from coming.
        while work := [package for package in self._missing() if package.package_id not in failed]:
            try:
                await self._get(work[0])
            except (DistdError, OSError) as error:
                self._log.warning("package %s: %s", work[0].package_id, error)
                failed.add(work[0].package_id)
        await self._purge()
        self._count_missing()
        self._remove_unwanted()
        return not failed

    def _remove_unwanted(self) -> None:
        """Once, as soon as all is here that the origin says now: then no package is going to need what had come of
        others, at earlier runs too. What is being fetched meanwhile, to heal, stays."""
        if self._is_current and self.is_complete:
            self._is_current = False
            with suppress(OSError):  # a failing disk is told by those who need it
                self._local.incoming.remove_unwanted(self._fetcher.running)

    def _missing(self) -> list[WantedPackage]:
        """What agents wait for first, then what is small."""
        missing = [
            package
            for package in self.wanted.values()
            if self._local.versions.get(package.package_id) != package.version
        ]
        return sorted(missing, key=lambda package: (not package.needed, package.size_bytes, package.package_id))

    def _count_missing(self) -> None:
        self.missing_bytes = sum(package.size_bytes for package in self._missing())

    async def _retire(self, package_ids: Iterable[str]) -> None:
        for package_id in package_ids:
            self._local.retired.append(await self._in_thread(package_dirs.retire, self._local.data, package_id))
            self._local.remove(package_id)
            self._report.gone(package_id)
            self._log.info("package %s is removed", package_id)

    async def _purge(self) -> None:
        retired, self._local.retired = self._local.retired, []
        if retired:
            await self._in_thread(package_dirs.purge, self._local.data, retired)

    # --- get a package -----------------------------------------------------------------------------------------------

    async def _get(self, package: WantedPackage) -> None:
        await self._check_floor(package)
        if await self._in_thread(self._is_installed, package):
            self._publish(package)
            self._log.info(
                "package %s, version %d: it is here already, and verified", package.package_id, package.version
            )
            return
        started_s = trio.current_time()
        self._count_missing()
        description = await self._manifests.fetch(package.package_id, package.version)
        manifest = description.manifest
        fragments = list({fragment.blake3: fragment for fragment in manifest.fragments}.values())
        missing = await self._in_thread(self._not_here, fragments)
        missing_bytes = sum(fragment.length for fragment in missing)
        await self._make_space(missing_bytes, package.package_id)
        self.missing_bytes -= package.size_bytes - missing_bytes
        await self._fetch_all(package.package_id, fragments, frozenset(missing))
        if self.wanted.get(package.package_id) != package:
            return  # it was withdrawn, or there is another version by now
        await self._in_thread(self._local.floors.raise_to, {package.package_id: package.version})
        data, source = self._local.data, self._local.incoming
        await self._in_thread(incoming.assemble, data, source, manifest, description.signed, description.info)
        self._manifests.forget(package.package_id)
        self._publish(package)
        self._log.info(
            "package %s, version %d: ready after %.1f s; %d of %d bytes were fetched",
            package.package_id,
            package.version,
            trio.current_time() - started_s,
            missing_bytes,
            manifest.size,
        )

    async def _check_floor(self, package: WantedPackage) -> None:
        """Raises `Corrupt` for an earlier version than was here already; the origin is told of it once."""
        self._refused &= {*self.wanted.values()}
        try:
            await self._in_thread(self._local.floors.check, package.package_id, package.version)
        except Corrupt:
            if package not in self._refused:
                self._refused.add(package)
                self._report.fault(package.package_id, "manifest", healed=False)
            raise

    def _publish(self, package: WantedPackage) -> None:
        self._local.publish(package.package_id, package.version)
        self._report.ready(package.package_id, package.version)

    def _is_installed(self, package: WantedPackage) -> bool:
        """Whether another process has put it there: `redistrib import`, beside this server."""
        try:
            manifest = self._local.read_manifest(package.package_id)
        except (Corrupt, OSError):
            return False
        return manifest.version == package.version and not verify(self._local.data, package.package_id, self._local.ca)

    def _not_here(self, fragments: list[Fragment]) -> list[Fragment]:
        return [fragment for fragment in fragments if not self._local.incoming.has(fragment)]

    async def _fetch_all(self, package_id: str, fragments: Iterable[Fragment], missing: Collection[Fragment]) -> None:
        """Raises the first error; the other fragments are then not waited for. Those that were `missing` are counted
        when they come."""
        errors: list[DistdError | OSError] = []

        async def fetch(fragment: Fragment) -> None:
            try:
                await self._fetcher.fetch(package_id, fragment)
                self.missing_bytes -= fragment.length if fragment in missing else 0
            except (DistdError, OSError) as error:
                errors.append(error)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for fragment in fragments:
                nursery.start_soon(fetch, fragment)
        if errors:
            raise errors[0]

    # --- space -------------------------------------------------------------------------------------------------------

    async def _make_space(self, need_bytes: int, package_id: str) -> None:
        """Remove packages that no agent needs, the least used first, until it fits. Raises `Unavailable`."""
        if await self._in_thread(self._fits, need_bytes):
            return
        await self._purge()
        for removed_id in self._removable(package_id):
            if await self._in_thread(self._fits, need_bytes):
                return
            await self._retire([removed_id])
            await self._purge()
            # It would be fetched again at once: it is left out until the origin says all that is wanted anew.
            self.wanted.pop(removed_id, None)
        if not await self._in_thread(self._fits, need_bytes):
            raise Unavailable("disk", f"package {package_id} needs {need_bytes} bytes more than may be taken")

    def _removable(self, for_id: str) -> list[str]:
        there = [package for package in self.wanted.values() if package.package_id in self._local.versions]
        ids = [package.package_id for package in there if package.package_id != for_id and not package.needed]
        return sorted(ids, key=lambda package_id: self._used_s.get(package_id, 0.0))

    def _fits(self, need_bytes: int) -> bool:
        limits = self._local.limits
        if need_bytes + limits.keep_free_bytes > shutil.disk_usage(self._local.data.download).free:
            return False
        if not limits.quota_bytes:
            return True
        return self._local.usage.used_bytes() + need_bytes <= limits.quota_bytes

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        return await trio.to_thread.run_sync(call, *arguments, limiter=self._threads)
