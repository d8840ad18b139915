"""Integrity at rest: what a mirror holds is hashed again, at a bounded rate, and a bad file is made good elsewhere."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import trio

from distd.domain.errors import Corrupt, DistdError
from distd.storage import atomic
from distd.storage import package_dirs as directories
from distd.storage.fragment_store import FragmentStore

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping

    from cryptography import x509

    from distd.domain.records import Fragment
    from distd.storage.data_dir import DataDir
    from distd.storage.incoming import IncomingFragments

    class Fault(Protocol):
        def __call__(self, package_id: str, name: str, *, healed: bool) -> None: ...


MIB: Final = 1_048_576
REST_S: Final = 60.0  # between two rounds


class Scrub:
    """`run` goes round all packages, for ever."""

    def __init__(
        self,
        data: DataDir,
        ca: x509.Certificate,
        have: Mapping[str, int],
        incoming: IncomingFragments,
        bring: Callable[[str, Fragment], Awaitable[None]],
        bad: dict[str, set[str]],
        fault: Fault,
        log: logging.Logger,
    ) -> None:
        """`have`: the packages and their versions. `bring` puts a good fragment into `incoming`. `bad`, by package, is
        kept here for those who serve. `fault` is told what was found."""
        self._data = data
        self._ca = ca
        self._have = have
        self._incoming = incoming
        self._bring = bring
        self._bad = bad
        self._fault = fault
        self._log = log
        self._threads = trio.CapacityLimiter(1)

    async def run(self, mib_per_s: int) -> None:
        if not mib_per_s:
            return
        while True:
            for package_id in list(self._have):
                try:
                    await self._package(package_id, mib_per_s * MIB)
                except (DistdError, OSError) as error:
                    self._log.warning("package %s: %s", package_id, error)
            await trio.sleep(REST_S)

    async def _package(self, package_id: str, bytes_per_s: int) -> None:
        read = partial(directories.read_manifest, self._data, package_id, self._ca)
        manifest = await trio.to_thread.run_sync(read, limiter=self._threads)
        for fragment in manifest.fragments:
            if self._have.get(package_id) != manifest.version:
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
        self._bad.setdefault(package_id, set()).add(name)
        try:
            await self._heal(package_id, name, fragment)
        except (DistdError, OSError) as error:
            self._log.error("%s cannot be made good now: %s", name, error)
            self._fault(package_id, name, healed=False)
            return False
        names = self._bad[package_id]
        names.discard(name)
        if not names:
            del self._bad[package_id]
        self._fault(package_id, name, healed=True)
        self._log.info("%s is good again", name)
        return True

    async def _heal(self, package_id: str, name: str, fragment: Fragment) -> None:
        store, file = FragmentStore(self._data.fragments), self._data.package(package_id) / name
        store.path(fragment.blake3).unlink(missing_ok=True)  # the same bytes as the bad file
        await self._bring(package_id, fragment)

        def put() -> None:
            if not self._incoming.has(fragment):
                raise Corrupt(name, "a good fragment", "none")
            new = file.with_name(f"{atomic.NEW}{name}-{os.getpid()}")
            new.unlink(missing_ok=True)
            os.link(self._incoming.path(fragment), new)
            os.replace(new, file)
            atomic.sync_tree(file.parent)
            store.keep(file, fragment.blake3)
            self._incoming.forget([fragment])

        await trio.to_thread.run_sync(put, limiter=self._threads)
