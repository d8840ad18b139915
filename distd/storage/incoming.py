"""Packages that come from elsewhere, fragment by fragment: what a mirror has of them until they are whole.

A fragment that is still coming is `incoming/<BLAKE3>.part`, and `incoming/<BLAKE3>` once it is verified. So it is the
same file for whatever package needs it, can be resumed, and stays when the process ends.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from blake3 import blake3

from distd.domain.errors import Corrupt
from distd.storage import atomic
from distd.storage.atomic import map_disk_full
from distd.storage.fragment_store import FragmentStore, hash_file
from distd.storage.partial_file import SUFFIX, PartialFile
from distd.storage.staged_package import StagedPackage, write_description
from distd.wire import manifest as manifest_format

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from distd.domain.records import Fragment, Manifest
    from distd.storage.data_dir import DataDir
    from distd.wire.trust import Authority


class IncomingFragments:
    """The fragments that have come and are not yet in a package. All calls but `path` block."""

    def __init__(self, data: DataDir, folder: Path) -> None:
        self._store = FragmentStore(data.fragments)
        self._folder = folder
        self._verified: set[bytes] = set()

    def path(self, fragment: Fragment) -> Path:
        """Where it is once it is verified."""
        return self._folder / fragment.blake3.hex()

    def has(self, fragment: Fragment) -> bool:
        """Whether it is here, or in the content store, and good: what an earlier process left is hashed."""
        path = self.path(fragment)
        if fragment.blake3 in self._verified and path.exists():
            return True
        for found in (path, self._store.path(fragment.blake3)):
            with suppress(FileNotFoundError):
                if hash_file(found) == (fragment.length, fragment.blake3):
                    if found != path:
                        self._store.link_to(fragment.blake3, path)
                    if path.exists():
                        self._verified.add(fragment.blake3)
                        return True
        return False

    def open(self, fragment: Fragment) -> PartialFragment:
        """What has come of it so far, to add to and then to `accept`. To be closed by the caller."""
        return PartialFragment(self.path(fragment), fragment)

    def accept(self, part: PartialFragment) -> None:
        """Take it as verified. Raises `Corrupt`, and begins anew, when it is not what it should be."""
        fragment = part.fragment
        part.check(fragment.length, fragment.blake3)
        part.commit()
        self._verified.add(fragment.blake3)

    def forget(self, fragments: Iterable[Fragment]) -> None:
        """Remove these: whole ones and what has come of others."""
        for fragment in fragments:
            self._verified.discard(fragment.blake3)
            for suffix in ("", SUFFIX):
                self.path(fragment).with_suffix(suffix).unlink(missing_ok=True)

    def remove_unwanted(self, wanted: Iterable[bytes]) -> None:
        """Remove all but those with these BLAKE3s."""
        names = {digest.hex() for digest in wanted}
        for path in self._folder.iterdir():
            if path.name.removesuffix(SUFFIX) not in names:
                path.unlink(missing_ok=True)


class PartialFragment(PartialFile):
    """What has come of a fragment. Made by `IncomingFragments.open`."""

    def __init__(self, path: Path, fragment: Fragment) -> None:
        super().__init__(path, limit_bytes=fragment.length)
        self.fragment = fragment


def assemble(data: DataDir, incoming: IncomingFragments, manifest: Manifest, signed: bytes, info: bytes) -> None:
    """Put a package, all of whose fragments have come, into `download` in one step; it replaces the version before."""
    package_id = manifest.package_id
    with ExitStack() as stack, map_disk_full():
        folder = stack.enter_context(atomic.building(data.download, package_id))
        for fragment in manifest.fragments:
            # Equal fragments are one file, which is then linked several times.
            os.link(incoming.path(fragment), folder / f"{package_id}-{fragment.number}")
        write_description(folder, info, signed)
        with StagedPackage(data, folder, manifest, stack.pop_all()) as staged:
            staged.sync()
            staged.publish_or_replace()
    incoming.forget(manifest.fragments)


def check_info(manifest: Manifest, info: bytes) -> None:
    """Raises `Corrupt` when it is not the info that the manifest was signed for."""
    digest = blake3(info)
    if digest.digest() != manifest.info_blake3:
        raise Corrupt(f"info of {manifest.package_id}", manifest.info_blake3.hex(), digest.hexdigest())


def read_manifest(signed: bytes, package_id: str, version: int, ca: Authority) -> Manifest:
    """The manifest in bytes from anywhere. Raises `Corrupt` when it is not signed, or of another package or version."""
    manifest = manifest_format.read(signed, ca)
    if (manifest.package_id, manifest.version) != (package_id, version):
        got = f"{manifest.package_id}, version {manifest.version}"
        raise Corrupt("manifest", f"{package_id}, version {version}", got)
    return manifest
