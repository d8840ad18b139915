"""Bad files of a package: each is replaced by a good one, in one step, if it matches the signed manifest."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from blake3 import blake3

from distd.domain.errors import Corrupt
from distd.storage import atomic, package_dirs
from distd.storage.fragment_store import FragmentStore, hash_file
from distd.storage.partial_file import PartialFile
from distd.wire import manifest as manifest_format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distd.domain.records import Fragment, Manifest
    from distd.storage.data_dir import DataDir
    from distd.wire.trust import Authority


class PackageRepair:
    """The files of one package, of the `version` that the catalogue has.

    `source` in these methods names where the new bytes came from.
    """

    def __init__(self, data: DataDir, package_id: str, version: int, ca: Authority) -> None:
        self._data = data
        self._package_id = package_id
        self._version = version
        self._folder = data.package(package_id)
        self._store = FragmentStore(data.fragments)
        self._ca = ca

    def manifest(self) -> Manifest:
        """The manifest on the disk. Raises `Corrupt`."""
        return package_dirs.read_manifest(self._data, self._package_id, self._ca)

    def replace_manifest(self, content: bytes, source: str) -> None:
        """Raises `Corrupt` when it is not signed, or is that of another package or version.

        An earlier version is as validly signed, but may be what was withdrawn since.
        """
        manifest = manifest_format.read(content, self._ca)
        if manifest.package_id != self._package_id:
            raise Corrupt(source, f"id {self._package_id}", f"id {manifest.package_id}")
        if manifest.version != self._version:
            raise Corrupt(source, f"version {self._version}, as the catalogue has it", f"version {manifest.version}")
        atomic.write_file(self._folder / "manifest", content)

    def replace_info(self, content: bytes, source: str) -> None:
        """Raises `Corrupt` when it is not the one of the manifest."""
        expected, digest = self.manifest().info_blake3, blake3(content)
        if digest.digest() != expected:
            raise Corrupt(source, expected.hex(), digest.hexdigest())
        atomic.write_file(self._folder / "info", content)

    def restore_fragment(self, fragment: Fragment) -> bool:
        """Replace a fragment by its copy in the fragment store, if there is a good one; gives whether there was."""
        with suppress(OSError):
            is_good = hash_file(self._store.path(fragment.blake3)) == (fragment.length, fragment.blake3)
            return is_good and self._store.link_to(fragment.blake3, self._folder / self.name(fragment))
        return False

    @contextmanager
    def replace_fragment(self, fragment: Fragment) -> Iterator[PartialFile]:
        """A file to append the fragment to; at the end of the block it replaces the bad one.

        Raises `Corrupt` for other bytes than those of the manifest.
        """
        file = self._folder / self.name(fragment)
        part = file.with_name(f"{atomic.NEW}{file.name}-{os.getpid()}")
        with PartialFile(file, part=part, limit_bytes=fragment.length, resume=False) as incoming:
            try:
                yield incoming
                incoming.check(fragment.length, fragment.blake3)
                incoming.commit(durable=True)
            finally:
                incoming.discard()
        self._store.add(file, fragment.blake3)

    def name(self, fragment: Fragment) -> str:
        """The name of a fragment's file."""
        return f"{self._package_id}-{fragment.number}"
