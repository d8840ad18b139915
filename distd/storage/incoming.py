"""Packages that come from elsewhere, fragment by fragment: what a mirror holds of them until they are whole.

A fragment on its way is `incoming/<BLAKE3>.part`, and `incoming/<BLAKE3>` when it is verified. So it is the same one
for whatever package needs it, goes on where it was cut off, and outlives the process.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.domain.errors import Corrupt
from distd.storage import atomic
from distd.storage.atomic import map_disk_full
from distd.storage.fragment_store import FragmentStore, hash_file
from distd.wire import manifest as manifest_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryptography import x509

    from distd.domain.records import Fragment, Manifest
    from distd.storage.data_dir import DataDir

PART: Final = ".part"


class Incoming:
    """The fragments that have come and are not yet in a package. All calls but `find` block."""

    def __init__(self, data: DataDir, folder: Path) -> None:
        self._store = FragmentStore(data.fragments)
        self._folder = folder
        self._verified: set[bytes] = set()

    def path(self, fragment: Fragment) -> Path:
        return self._folder / fragment.blake3.hex()

    def has(self, fragment: Fragment) -> bool:
        """Whether it is here, and good: what an earlier process left is hashed."""
        path = self.path(fragment)
        if fragment.blake3 in self._verified and path.exists():
            return True
        for there in (path, self._store.path(fragment.blake3)):
            with suppress(FileNotFoundError):
                if hash_file(there) == (fragment.length, fragment.blake3):
                    if there != path:
                        self._store.fetch(fragment.blake3, path)
                    if path.exists():
                        self._verified.add(fragment.blake3)
                        return True
        return False

    def open(self, fragment: Fragment) -> Part:
        return Part(self.path(fragment), fragment)

    def accept(self, part: Part) -> None:
        """It is whole. Raises `Corrupt`, and throws it away, when it is not what it should be."""
        part.finish()
        self._verified.add(part.fragment.blake3)

    def forget(self, fragments: Iterable[Fragment]) -> None:
        for fragment in fragments:
            self._verified.discard(fragment.blake3)
            for suffix in ("", PART):
                self.path(fragment).with_suffix(suffix).unlink(missing_ok=True)

    def sweep(self, wanted: Iterable[bytes]) -> None:
        """Throw away what nobody wants any more."""
        names = {digest.hex() for digest in wanted}
        for path in self._folder.iterdir():
            if path.name.removesuffix(PART) not in names:
                path.unlink(missing_ok=True)


class Part:
    """A fragment on its way: a file that grows, and the BLAKE3 of what is in it."""

    def __init__(self, path: Path, fragment: Fragment) -> None:
        self.fragment = fragment
        self._path = path
        self._part = path.with_suffix(PART)
        self._digest = blake3()
        self.size_bytes = 0
        self._fd = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        while piece := os.read(self._fd, 1_048_576):
            self._digest.update(piece)
            self.size_bytes += len(piece)
        if self.size_bytes > fragment.length:
            self.restart()

    def append(self, pieces: Sequence[bytes]) -> None:
        """Raises `Corrupt` when it grows too long, and `OSError` when the disk is full."""
        for piece in pieces:
            if self.size_bytes + len(piece) > self.fragment.length:
                self.restart()
                raise Corrupt(self._path.name, f"{self.fragment.length} bytes", "more")
            view = memoryview(piece)
            while view:
                view = view[os.write(self._fd, view) :]
            self._digest.update(piece)
            self.size_bytes += len(piece)

    def restart(self) -> None:
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self._digest, self.size_bytes = blake3(), 0

    def finish(self) -> None:
        if (self.size_bytes, self._digest.digest()) != (self.fragment.length, self.fragment.blake3):
            expected = f"{self.fragment.length} bytes, {self.fragment.blake3.hex()}"
            got = f"{self.size_bytes} bytes, {self._digest.hexdigest()}"
            self.restart()
            raise Corrupt(f"fragment {self.fragment.number}", expected, got)
        os.fchmod(self._fd, 0o644)
        os.rename(self._part, self._path)

    def close(self) -> None:
        os.close(self._fd)


def assemble(data: DataDir, incoming: Incoming, manifest: Manifest, signed: bytes, info: bytes) -> None:
    """Have the package in `download`, in one step, in the place of the version before. All its fragments have come."""
    name = manifest.package_id
    store, final = FragmentStore(data.fragments), data.package(name)
    with ExitStack() as stack, map_disk_full():
        folder = stack.enter_context(atomic.building(data.download, name))
        for fragment in manifest.fragments:
            file = folder / f"{name}-{fragment.number}"
            _link(incoming.path(fragment), file)
            store.keep(file, fragment.blake3)
        for part, content in (("info", info), ("manifest", signed)):
            (folder / part).write_bytes(content)
            (folder / part).chmod(0o644)
        atomic.sync_tree(folder)
        if final.exists():
            atomic.replace_directory(folder, final)
        else:
            atomic.publish_directory(folder, final)
    incoming.forget(manifest.fragments)
    store.sweep()


def take_in(data: DataDir, incoming: Incoming, folder: Path, ca: x509.Certificate) -> Manifest:
    """A package from a folder as `download` has them: every byte is checked before it counts. Raises `Corrupt`."""
    try:
        signed, info = (folder / "manifest").read_bytes(), (folder / "info").read_bytes()
    except OSError as error:
        raise Corrupt(str(folder), "a package with its manifest and info", str(error.strerror)) from None
    manifest = manifest_format.read(signed, ca)
    check_info(manifest, info)
    for fragment in manifest.fragments:
        if not incoming.has(fragment):
            _take_fragment(incoming, folder / f"{manifest.package_id}-{fragment.number}", fragment)
    assemble(data, incoming, manifest, signed, info)
    return manifest


def _take_fragment(incoming: Incoming, file: Path, fragment: Fragment) -> None:
    part = incoming.open(fragment)
    try:
        part.restart()
        with map_disk_full(), file.open("rb") as source:
            while piece := source.read(1_048_576):
                part.append([piece])
        incoming.accept(part)
    except OSError as error:
        raise Corrupt(str(file), "a readable fragment", str(error.strerror)) from None
    finally:
        part.close()


def check_info(manifest: Manifest, info: bytes) -> None:
    """Raises `Corrupt` when the manifest does not vouch for it."""
    digest = blake3(info)
    if digest.digest() != manifest.info_blake3:
        raise Corrupt(f"info of {manifest.package_id}", manifest.info_blake3.hex(), digest.hexdigest())


def read_manifest(signed: bytes, package_id: str, version: int, ca: x509.Certificate) -> Manifest:
    """A manifest from a source that nobody vouches for. Raises `Corrupt`, also for another version than was told."""
    manifest = manifest_format.read(signed, ca)
    if (manifest.package_id, manifest.version) != (package_id, version):
        got = f"{manifest.package_id}, version {manifest.version}"
        raise Corrupt("manifest", f"{package_id}, version {version}", got)
    return manifest


def _link(source: Path, name: Path) -> None:
    """Fragments may be equal, so that one of them is linked several times."""
    os.link(source, name)
