"""The packages on a mirror's disk: which versions it serves, and which of their files are known to be bad."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from distd.domain.errors import BadInput, Corrupt
from distd.storage import package_dirs
from distd.storage.store_usage import StoreUsage
from distd.storage.version_floors import VersionFloors
from distd.wire.trust import trust_of

if TYPE_CHECKING:
    import logging
    from pathlib import Path

    from distd.domain.records import Manifest
    from distd.storage.data_dir import DataDir
    from distd.storage.incoming import IncomingFragments
    from distd.storage.quota import DiskLimits
    from distd.wire.manifest import Digests
    from distd.wire.trust import Authority


class LocalPackages:
    """`versions`, by package id: the packages that are here and verified; changed by `publish` and `remove`.

    `data`: where they are. `ca`: whose manifests count. `incoming`: fragments that are not yet in a package. `limits`:
    how much of the disk may be taken; `usage`: how much of it the content store takes. `floors`: no package is taken in
    an earlier version than was here. `retired`: folders of packages that are not served any more; fragments of them may
    still be of use until they are purged.
    """

    def __init__(self, data: DataDir, ca: Authority, incoming: IncomingFragments, limits: DiskLimits) -> None:
        self.versions: dict[str, int] = {}
        self.data = data
        self.ca = ca
        self.incoming = incoming
        self.limits = limits
        self.usage = StoreUsage(data.fragments)
        self.floors = VersionFloors(data.version_floors)
        self.retired: list[Path] = []
        self._bad_names: dict[str, set[str]] = {}

    async def load(self, log: logging.Logger) -> None:
        """Read from the disk what is there. Packages that do not count (any more) are logged, and not served."""

        def read() -> dict[str, int]:
            package_dirs.remove_stale(self.data)
            versions = {}
            for package_id in package_dirs.list_ids(self.data):
                try:
                    version = self.read_manifest(package_id).version
                    self.floors.check(package_id, version)
                except (Corrupt, BadInput, OSError) as error:
                    log.warning("package %s is not served: %s", package_id, error)
                    with suppress(OSError):  # of a disk that cannot be written to
                        self.retired.append(package_dirs.retire(self.data, package_id))
                else:
                    versions[package_id] = version
            self.floors.raise_to(versions)
            return versions

        self.versions.update(await trio.to_thread.run_sync(read))

    def distrusted(self) -> list[str]:
        """Those of `versions` whose manifests do not count any more. Blocks."""
        found = []
        for package_id in list(self.versions):
            try:
                self.read_manifest(package_id)
            except Corrupt:
                found.append(package_id)
            except OSError:
                continue
        return found

    def read_manifest(self, package_id: str) -> Manifest:
        """The manifest on the disk. Blocks. Raises `Corrupt`, `OSError`."""
        return package_dirs.read_manifest(self.data, package_id, trust_of(self.ca).undated())

    def read_digests(self, package_id: str) -> Digests:
        """Those of the manifest on the disk. Blocks. Raises `Corrupt`, `OSError`."""
        return package_dirs.read_digests(self.data, package_id, trust_of(self.ca).undated())

    def publish(self, package_id: str, version: int) -> None:
        """A version of a package is on the disk, verified; the version before, and what was bad in it, is not."""
        self.versions[package_id] = version
        self._bad_names.pop(package_id, None)

    def remove(self, package_id: str) -> bool:
        """A package is not served any more. Whether it was."""
        self._bad_names.pop(package_id, None)
        return self.versions.pop(package_id, None) is not None

    def mark_bad(self, package_id: str, name: str) -> None:
        """From now on a file of a package is not served from here."""
        self._bad_names.setdefault(package_id, set()).add(name)

    def mark_good(self, package_id: str, name: str) -> None:
        """A file that was bad is served again."""
        names = self._bad_names.get(package_id, set())
        names.discard(name)
        if not names:
            self._bad_names.pop(package_id, None)

    def has_bad(self, package_id: str) -> bool:
        """Whether any file of a package is bad."""
        return package_id in self._bad_names

    def is_bad(self, package_id: str, name: str) -> bool:
        """Whether this file of a package is bad."""
        return name in self._bad_names.get(package_id, ())
