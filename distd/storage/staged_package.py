"""A package's directory that is complete but for its name: what is built, imported, changed or mirrored ends here.

The hidden folder is made by `atomic.building`, and filled by the caller.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from blake3 import blake3

from distd.storage import atomic, package_dirs
from distd.storage.atomic import map_disk_full
from distd.storage.fragment_store import FragmentStore
from distd.wire import manifest as manifest_format

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from distd.domain.records import Manifest
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer


class StagedPackage:
    """A complete package in a hidden folder, which `stack` holds with its lock.

    First `sync`, which takes long; then one of `publish`, `replace` and `publish_or_replace`, which takes no longer for
    a large package than for a small one. Resource handling: the folder is removed, unless it was published, by
    `discard`, or at the end of a `with` block.
    """

    def __init__(self, data: DataDir, folder: Path, manifest: Manifest, stack: ExitStack) -> None:
        self.manifest = manifest
        self._data = data
        self._folder = folder
        self._stack = stack

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    @property
    def package_id(self) -> str:
        """In decimal digits."""
        return self.manifest.package_id

    @property
    def size_bytes(self) -> int:
        """Of all fragments together."""
        return self.manifest.size

    @property
    def fragments(self) -> int:
        """How many there are."""
        return len(self.manifest.fragments)

    def sync(self) -> None:
        """Link the fragments into the content store; all is on the disk then. Raises `Unavailable` for a full disk."""
        store = FragmentStore(self._data.fragments)
        with map_disk_full():
            for fragment in self.manifest.fragments:
                store.add(f"{self._folder}/{self.package_id}-{fragment.number}", fragment.blake3)
            atomic.sync_tree(self._folder)

    def publish(self) -> None:
        """Give it its name. Raises `FileExistsError` when there is a package of this name already."""
        with map_disk_full():
            atomic.publish_directory(self._folder, self._data.package(self.package_id))
        self._stack.close()

    def replace(self) -> None:
        """Swap it with the package that has the name; a second call swaps back. `discard` removes the other one."""
        with map_disk_full():
            atomic.replace_directory(self._folder, self._data.package(self.package_id))

    def publish_or_replace(self) -> None:
        """Give it its name, whether there is a package of this name or not. Of one that was there nothing is left."""
        if self._data.package(self.package_id).exists():
            self.replace()
            package_dirs.empty(self._data, self._folder)
        else:
            self.publish()

    def discard(self) -> None:
        """Remove what is in the hidden folder; once more does nothing."""
        self._stack.close()


def sign_description(folder: Path, info: bytes, manifest: Manifest, signer: Signer) -> Manifest:
    """Write `info`, and the manifest signed for it, into a folder that is being built; the manifest as it is now."""
    manifest = replace(manifest, info_blake3=blake3(info).digest())
    write_description(folder, info, manifest_format.sign(manifest, signer.key, signer.certificate_der))
    return manifest


def write_description(folder: Path, info: bytes, signed: bytes) -> None:
    """Write an info and a signed manifest into a folder that is being built."""
    for name, content in (("info", info), ("manifest", signed)):
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o644)  # whatever the umask says
