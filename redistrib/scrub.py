"""Integrity at rest: what a mirror holds is hashed again, at a bounded rate, and a bad file is made good elsewhere."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.core.errors import Corrupt, DistdError
from distd.store import files
from distd.store import packages as directories
from distd.store.fragments import FragmentStore

if TYPE_CHECKING:
    import logging

    from cryptography import x509

    from distd.core.records import Fragment
    from distd.store.incoming import Incoming
    from distd.store.layout import DataDir
    from redistrib.books import Books
    from redistrib.fetch import Fetcher
    from redistrib.site import MirrorSite
    from redistrib.sync import Sync

MIB: Final = 1_048_576
REST_S: Final = 60.0  # between two rounds


class Scrub:
    """`run` goes round all packages, for ever."""

    def __init__(
        self,
        data: DataDir,
        ca: x509.Certificate,
        sync: Sync,
        incoming: Incoming,
        fetcher: Fetcher,
        site: MirrorSite,
        books: Books,
        log: logging.Logger,
    ) -> None:
        self._data = data
        self._ca = ca
        self._sync = sync
        self._incoming = incoming
        self._fetcher = fetcher
        self._site = site
        self._books = books
        self._log = log
        self._threads = trio.CapacityLimiter(1)

    async def run(self, mib_per_s: int) -> None:
        if not mib_per_s:
            return
        while True:
            for package_id in list(self._sync.have):
                try:
                    await self._package(package_id, mib_per_s * MIB)
                except (DistdError, OSError) as error:
                    self._log.warning("package %s: %s", package_id, error)
            await trio.sleep(REST_S)

    async def _package(self, package_id: str, bytes_per_s: int) -> None:
        read = partial(directories.read_manifest, self._data, package_id, self._ca)
        manifest = await trio.to_thread.run_sync(read, limiter=self._threads)
        for fragment in manifest.fragments:
            if self._sync.have.get(package_id) != manifest.version:
                return  # another version has come, or it is gone
            await self.check(package_id, fragment)
            await trio.sleep(fragment.length / bytes_per_s)

    async def check(self, package_id: str, fragment: Fragment) -> bool:
        """Whether a fragment is good, or is by now. While it is bad it is not served."""
        look = partial(directories.check_fragment, self._data.package(package_id), fragment)
        fault = await trio.to_thread.run_sync(look, limiter=self._threads)
        if fault is None:
            return True
        name = f"{package_id}-{fragment.number}"
        self._log.error("%s", fault)
        self._site.bad.setdefault(package_id, set()).add(name)
        try:
            await self._heal(package_id, name, fragment)
        except (DistdError, OSError) as error:
            self._log.error("%s cannot be made good now: %s", name, error)
            self._books.fault(package_id, name, healed=False)
            return False
        names = self._site.bad[package_id]
        names.discard(name)
        if not names:
            del self._site.bad[package_id]
        self._books.fault(package_id, name, healed=True)
        self._log.info("%s is good again", name)
        return True

    async def _heal(self, package_id: str, name: str, fragment: Fragment) -> None:
        store, file = FragmentStore(self._data.fragments), self._data.package(package_id) / name
        store.path(fragment.blake3).unlink(missing_ok=True)  # the same bytes as the bad file
        await self._fetcher.fragment(package_id, fragment)

        def put() -> None:
            if not self._incoming.has(fragment):
                raise Corrupt(name, "a good fragment", "none")
            new = file.with_name(f"{files.NEW}{name}-{os.getpid()}")
            new.unlink(missing_ok=True)
            os.link(self._incoming.path(fragment), new)
            os.replace(new, file)
            files.sync_tree(file.parent)
            store.keep(file, fragment.blake3)
            self._incoming.forget([fragment])

        await trio.to_thread.run_sync(put, limiter=self._threads)
