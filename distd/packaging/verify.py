"""Hashing a package on the disk again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from blake3 import blake3

from distd.domain.errors import BadInput, Corrupt
from distd.packaging.hashing import chained, open_hashing_reader
from distd.packaging.progress import ProgressMeter
from distd.storage import package_dirs
from distd.wire import ocs_info

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.records import Fragment, Info, Manifest
    from distd.packaging.progress import Progress
    from distd.storage.data_dir import DataDir
    from distd.wire.trust import Authority

    Faults = dict[str, Corrupt]


def verify(
    data: DataDir, package_id: str, ca: Authority, progress: Progress | None = None, *, version: int | None = None
) -> Faults:
    """Hash a package on the disk again: what is wrong, by the names of its files; empty when it is whole.

    `version`: the one that it must have; None: any. The name "" stands for the whole package: each fragment is right,
    but not the digest that agents check.
    """
    try:
        manifest = package_dirs.read_manifest(data, package_id, ca)
    except Corrupt as error:
        return {"manifest": error}
    except OSError as error:
        return {"manifest": Corrupt(f"manifest of {package_id}", "a readable file", str(error.strerror))}
    if version not in (None, manifest.version):
        return {"manifest": Corrupt(f"manifest of {package_id}", f"version {version}", f"version {manifest.version}")}
    folder = data.package(package_id)
    info, faults = _check_info(folder, manifest)
    expected = {"info", "manifest", *(f"{package_id}-{fragment.number}" for fragment in manifest.fragments)}
    for path in sorted(folder.iterdir()):
        if path.name not in expected:
            faults[path.name] = Corrupt(f"folder of {package_id}", "only its own files", path.name)
    meter = ProgressMeter(progress, manifest.size)
    try:
        return faults | _check_all(folder, manifest, info, meter)
    except (OSError, EOFError, ValueError):  # a fragment is missing, unreadable, shorter or longer
        return faults | _check_each(folder, manifest)


def _check_info(folder: Path, manifest: Manifest) -> tuple[Info | None, Faults]:
    what = f"info of {manifest.package_id}"
    try:
        text = (folder / "info").read_bytes()
        info = ocs_info.parse(text)
    except (OSError, BadInput) as error:
        return None, {"info": Corrupt(what, "a readable info", str(error))}
    digest = blake3(text).digest()
    if digest != manifest.info_blake3:
        return None, {"info": Corrupt(what, f"BLAKE3 {manifest.info_blake3.hex()}", digest.hex())}
    if info.fragments != len(manifest.fragments):
        return None, {"info": Corrupt(what, f"FRAGS {len(manifest.fragments)}", str(info.fragments))}
    return info, {}


def _check_all(folder: Path, manifest: Manifest, info: Info | None, meter: ProgressMeter) -> Faults:
    """All fragments in one pass, at the speed of the digest that agents check."""
    thread_hash = hashlib.new(info.digest_algo.lower() if info else "md5", usedforsecurity=False)
    whole, faults = blake3(), {}
    paths = (package_dirs.fragment_path(folder, fragment) for fragment in manifest.fragments)
    with chained(paths) as read, open_hashing_reader(read, thread_hash, (whole,) if manifest.blake3 else ()) as reader:
        for fragment in manifest.fragments:
            digest = blake3()
            for piece in reader.read_pieces(fragment.length):
                digest.update(piece)
                meter.add(len(piece))
            if digest.digest() != fragment.blake3:
                name = package_dirs.fragment_path(folder, fragment).name
                expected = f"BLAKE3 {fragment.blake3.hex()}"
                faults[name] = package_dirs.bad_fragment(folder, fragment, expected, digest.hexdigest())
        reader.end()
    if faults and any(not _has_its_length(folder, fragment) for fragment in manifest.fragments):
        raise ValueError("the lengths add up, but are others")
    if not faults and info is not None and info.fragments and manifest.size:
        faults |= _check_whole(manifest, info, thread_hash.digest(), whole.digest())
    return faults


def _has_its_length(folder: Path, fragment: Fragment) -> bool:
    return package_dirs.fragment_path(folder, fragment).stat().st_size == fragment.length


def _check_whole(manifest: Manifest, info: Info, digest: bytes, whole: bytes) -> Faults:
    named = {"MD5": manifest.md5, "SHA256": manifest.sha256}.get(info.digest_algo.upper(), b"")
    expected = {
        f"{info.digest_algo} {info.digest}": (ocs_info.is_digest(info, digest), digest),
        f"{info.digest_algo} {named.hex()}": (not named or named == digest, digest),
        f"BLAKE3 {manifest.blake3.hex()}": (not manifest.blake3 or manifest.blake3 == whole, whole),
    }
    for words, (is_right, got) in expected.items():
        if not is_right:
            return {"": Corrupt(f"package {manifest.package_id}", words, got.hex())}
    return {}


def _check_each(folder: Path, manifest: Manifest) -> Faults:
    """The fragments one by one."""
    faults = {}
    for fragment in manifest.fragments:
        fault = package_dirs.check_fragment(folder, fragment)
        if fault is not None:
            faults[package_dirs.fragment_path(folder, fragment).name] = fault
    return faults
