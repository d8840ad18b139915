"""Package directories as they lie on the disk: read, verify, delete."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3

from distd.core import info as info_format
from distd.core import manifest as manifest_format
from distd.core.errors import BadInput, Corrupt
from distd.store import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography import x509

    from distd.core.records import Info, Manifest
    from distd.store.layout import DataDir

PIECE_BYTES: Final = 1_048_576


def list_ids(data: DataDir) -> list[str]:
    """The ids of the packages that have a directory, lowest first."""
    names = (path.name for path in data.download.iterdir())
    return sorted((name for name in names if re.fullmatch("[0-9]{1,20}", name)), key=int)


def read_info(data: DataDir, package_id: str) -> Info:
    return info_format.parse((data.package(package_id) / "info").read_bytes())


def read_manifest(data: DataDir, package_id: str, ca: x509.Certificate) -> Manifest:
    """Raises `Corrupt` when it is not the origin's, or not this package's."""
    manifest = manifest_format.read((data.package(package_id) / "manifest").read_bytes(), ca)
    if manifest.package_id != package_id:
        raise Corrupt(f"manifest of {package_id}", f"id {package_id}", f"id {manifest.package_id}")
    return manifest


def delete(data: DataDir, package_id: str) -> None:
    files.remove_directory(data.package(package_id))


def verify(
    data: DataDir, package_id: str, ca: x509.Certificate, progress: Callable[[int, int], None] | None = None
) -> list[Corrupt]:
    """Everything that is wrong with a package on the disk, named; an empty list when it is whole."""
    try:
        manifest = read_manifest(data, package_id, ca)
    except Corrupt as error:
        return [error]
    except OSError as error:
        return [Corrupt(f"manifest of {package_id}", "a readable file", str(error.strerror))]
    faults = _check_info(data, manifest)
    folder = data.package(package_id)
    expected = {"info", "manifest", *(f"{package_id}-{f.number}" for f in manifest.fragments)}
    faults += [
        Corrupt(f"folder of {package_id}", "only its own files", path.name)
        for path in sorted(folder.iterdir())
        if path.name not in expected
    ]
    return faults + _check_fragments(folder, manifest, progress)


def _check_info(data: DataDir, manifest: Manifest) -> list[Corrupt]:
    what = f"info of {manifest.package_id}"
    try:
        text = (data.package(manifest.package_id) / "info").read_bytes()
        info = info_format.parse(text)
    except (OSError, BadInput) as error:
        return [Corrupt(what, "a readable info", str(error))]
    digest = blake3(text).digest()
    if digest != manifest.info_blake3:
        return [Corrupt(what, f"BLAKE3 {manifest.info_blake3.hex()}", digest.hex())]
    if info.fragments != len(manifest.fragments):
        return [Corrupt(what, f"FRAGS {len(manifest.fragments)}", str(info.fragments))]
    return []


def _check_fragments(folder: Path, manifest: Manifest, progress: Callable[[int, int], None] | None) -> list[Corrupt]:
    faults: list[Corrupt] = []
    whole, done_bytes = _whole(manifest), 0
    for fragment in manifest.fragments:
        what = f"fragment {fragment.number} of {manifest.package_id}"
        digest, length = blake3(), 0
        try:
            with (folder / f"{manifest.package_id}-{fragment.number}").open("rb", buffering=0) as file:
                while piece := file.read(PIECE_BYTES):
                    digest.update(piece)
                    for _, hasher, _ in whole:
                        hasher.update(piece)
                    length += len(piece)
        except OSError as error:
            faults.append(Corrupt(what, "a readable file", str(error.strerror)))
            continue
        if length != fragment.length:
            faults.append(Corrupt(what, f"{fragment.length} bytes", f"{length} bytes"))
        elif digest.digest() != fragment.blake3:
            faults.append(Corrupt(what, f"BLAKE3 {fragment.blake3.hex()}", digest.hexdigest()))
        done_bytes += fragment.length
        if progress is not None:
            progress(done_bytes, manifest.size)
    return faults or [
        Corrupt(f"package {manifest.package_id}", f"{name} {expected.hex()}", hasher.hexdigest())
        for name, hasher, expected in whole
        if hasher.digest() != expected
    ]


def _whole(manifest: Manifest) -> list[tuple[str, Any, bytes]]:
    """Name, hasher and expected digest of everything that the manifest says of the whole."""
    return [
        ("MD5", hashlib.md5(usedforsecurity=False), manifest.md5),
        ("SHA-256", hashlib.sha256(), manifest.sha256),
        ("BLAKE3", blake3(), manifest.blake3),
    ]
