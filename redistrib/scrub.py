"""Integrity at rest: what a mirror holds is hashed again, at a limited rate, and bad files are replaced."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol

import trio

from distd.domain.errors import Corrupt, DistdError, Unavailable
from distd.domain.token_bucket import TokenBucket
from distd.storage import atomic, package_dirs
from distd.storage.fragment_store import FragmentStore

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable

    from distd.domain.records import Fragment
    from redistrib.local_packages import LocalPackages

    class ReportFault(Protocol):
        """What is called for each bad file."""

        def __call__(self, package_id: str, name: str, *, healed: bool) -> None:
            """A file was bad, and was replaced or could not be."""


MIB: Final = 1_048_576
PAUSE_S: Final = 60.0  # between two rounds


class Scrub:
    """Checks the packages in `local` against their manifests, and heals what is bad.

    `fetch` puts a good fragment into `local.incoming`. `report` is called for each bad file, when it is healed or
    cannot be.
    """

    def __init__(
        self,
        local: LocalPackages,
        fetch: Callable[[str, Fragment], Awaitable[None]],
        report: ReportFault,
        log: logging.Logger,
    ) -> None:
        self._local = local
        self._fetch = fetch
        self._report = report
        self._log = log
        self._threads = trio.CapacityLimiter(1)

    async def run(self, mib_per_s: int) -> None:
        """Check all packages, again and again, at so many MiB a second; 0: never."""
        if not mib_per_s:
            return
        bucket = TokenBucket(mib_per_s * MIB, 0, trio.current_time())
        while True:
            for package_id in list(self._local.versions):
                try:
                    await self._check_package(package_id, bucket)
                except (DistdError, OSError) as error:
                    self._log.warning("package %s: %s", package_id, error)
            await trio.sleep(PAUSE_S)

    async def _check_package(self, package_id: str, bucket: TokenBucket) -> None:
        manifest = await trio.to_thread.run_sync(self._local.read_manifest, package_id, limiter=self._threads)
        for fragment in manifest.fragments:
            if self._local.versions.get(package_id) != manifest.version:
                return  # another version has come, or the package is gone
            bucket.spend(fragment.length)
            await self.check(package_id, fragment)
            await trio.sleep(bucket.wait_s(0, trio.current_time()))

    async def check(self, package_id: str, fragment: Fragment) -> bool:
        """Whether a fragment is good, or has been healed. While it is bad it is not served."""
        folder = self._local.data.package(package_id)
        fault = await trio.to_thread.run_sync(package_dirs.check_fragment, folder, fragment, limiter=self._threads)
        name = f"{package_id}-{fragment.number}"
        if fault is None:
            self._local.mark_good(package_id, name)
            return True
        self._log.error("%s", fault)
        self._local.mark_bad(package_id, name)
        try:
            await self._heal(package_id, name, fragment)
        except (DistdError, OSError) as error:
            self._log.error("%s cannot be healed now: %s", name, error)
            self._report(package_id, name, healed=False)
            return False
        self._local.mark_good(package_id, name)
        self._report(package_id, name, healed=True)
        self._log.info("%s is healed", name)
        return True

    async def _heal(self, package_id: str, name: str, fragment: Fragment) -> None:
        store = FragmentStore(self._local.data.fragments)
        store.path(fragment.blake3).unlink(missing_ok=True)  # the same bytes as the bad file
        await self._fetch(package_id, fragment)
        await trio.to_thread.run_sync(self._replace, package_id, name, fragment, limiter=self._threads)

    def _replace(self, package_id: str, name: str, fragment: Fragment) -> None:
        """Put the fragment that has come in the place of the bad file. Raises `Corrupt`, `Unavailable`, `OSError`."""
        incoming, data = self._local.incoming, self._local.data
        if fragment not in self._local.read_manifest(package_id).fragments:
            raise Unavailable(name, "the package has changed meanwhile")
        if not incoming.has(fragment):
            raise Corrupt(name, "a good fragment", "none")
        file = data.package(package_id) / name
        new = file.with_name(f"{atomic.NEW}{name}-{os.getpid()}")
        new.unlink(missing_ok=True)
        os.link(incoming.path(fragment), new)
        os.replace(new, file)
        atomic.sync_tree(file.parent)
        FragmentStore(data.fragments).add(file, fragment.blake3)
        incoming.forget([fragment])
