"""Package directories as they are on the disk: list, read, check, delete."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from distd.domain.errors import BadInput, Corrupt
from distd.storage import atomic, pki
from distd.storage.fragment_store import FragmentStore, hash_file
from distd.wire import manifest as manifest_format
from distd.wire import ocs_info

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from distd.domain.records import Fragment, Info, Manifest
    from distd.storage.data_dir import DataDir
    from distd.wire.manifest import Digests
    from distd.wire.trust import Authority


def list_ids(data: DataDir) -> list[str]:
    """The ids of the packages that have a directory, lowest first."""
    names = (path.name for path in data.download.iterdir())
    return sorted((name for name in names if re.fullmatch("[0-9]{1,20}", name)), key=int)


def read_info(data: DataDir, package_id: str) -> Info:
    """What agents are told. Raises `BadInput` when it is no info, and `OSError`."""
    return ocs_info.parse((data.package(package_id) / "info").read_bytes())


def read_manifest(data: DataDir, package_id: str, ca: Authority) -> Manifest:
    """Raises `Corrupt` when it is not the origin's, or not this package's."""
    manifest = manifest_format.read((data.package(package_id) / "manifest").read_bytes(), ca)
    if manifest.package_id != package_id:
        raise Corrupt(f"manifest of {package_id}", f"id {package_id}", f"id {manifest.package_id}")
    return manifest


def read_digests(data: DataDir, package_id: str, ca: Authority) -> Digests:
    """Raises `Corrupt` when the manifest is not the origin's, or not this package's, and `OSError`."""
    digests = manifest_format.read_digests((data.package(package_id) / "manifest").read_bytes(), ca)
    if digests.package_id != package_id:
        raise Corrupt(f"manifest of {package_id}", f"id {package_id}", f"id {digests.package_id}")
    return digests


def delete(data: DataDir, package_id: str) -> None:
    """Remove its files, and of the stored fragments those that no other package has."""
    digests = _fragments_of(data, data.package(package_id))
    with atomic.removing(data.package(package_id)):
        FragmentStore(data.fragments).remove_unused(digests)


def retire(data: DataDir, package_id: str) -> Path:
    """Take its name away: what it has can still be linked by others. `purge` what this gives."""
    return atomic.rename_for_deletion(data.package(package_id))


def purge(data: DataDir, retired: Iterable[Path]) -> None:
    """Remove retired packages, and of the stored fragments those that no other package has."""
    for folder in retired:
        empty(data, folder)
        shutil.rmtree(folder)


def empty(data: DataDir, folder: Path) -> None:
    """Remove the files of a package in a hidden folder, and then the stored fragments that no other package has.

    The folder stays: if this is cut off, `remove_stale` knows by it that there is something to remove.
    """
    digests = _fragments_of(data, folder)
    for path in folder.iterdir():
        if path.name != atomic.LOCK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    FragmentStore(data.fragments).remove_unused(digests)


def _fragments_of(data: DataDir, folder: Path) -> set[bytes] | None:
    """The BLAKE3s of the fragments of the package in a folder; None: its manifest does not say it."""
    try:
        manifest = manifest_format.read((folder / "manifest").read_bytes(), pki.load_ca(data.ca_certificate))
    except (Corrupt, BadInput, OSError):
        return None
    return {fragment.blake3 for fragment in manifest.fragments}


def remove_stale(data: DataDir) -> bool:
    """Remove what crashes have left of packages that were built, changed or deleted; whether there was anything."""
    removed = atomic.remove_stale(data.download)
    if removed:
        FragmentStore(data.fragments).remove_unused()
    return bool(removed)


def check_fragment(folder: Path, fragment: Fragment) -> Corrupt | None:
    """What is wrong with a fragment in a package's folder, if anything."""
    try:
        length, digest = hash_file(fragment_path(folder, fragment))
    except OSError as error:
        return bad_fragment(folder, fragment, "a readable file", str(error.strerror))
    if length != fragment.length:
        return bad_fragment(folder, fragment, f"{fragment.length} bytes", f"{length} bytes")
    if digest != fragment.blake3:
        return bad_fragment(folder, fragment, f"BLAKE3 {fragment.blake3.hex()}", digest.hex())
    return None


def fragment_path(folder: Path, fragment: Fragment) -> Path:
    """The file of a fragment in its package's folder."""
    return folder / f"{folder.name}-{fragment.number}"


def bad_fragment(folder: Path, fragment: Fragment, expected: str, got: str) -> Corrupt:
    """The error that names a fragment of the package in `folder`."""
    return Corrupt(f"fragment {fragment.number} of {folder.name}", expected, got)
