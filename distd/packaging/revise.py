"""The same package with another `info`, or withdrawn: a new folder that takes the old one's place in one step."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from blake3 import blake3

from distd.domain.records import Fragment
from distd.storage import atomic, package_dirs
from distd.storage.atomic import map_disk_full
from distd.storage.staged_package import StagedPackage, sign_description
from distd.wire import ocs_info

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.records import Info, Manifest
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer
    from distd.wire.trust import Authority


def edit(data: DataDir, info: Info, signer: Signer, ca: Authority) -> StagedPackage:
    """The package of `info.id` with this info and its fragments as they are, one version on: to be `replace`d.

    Raises `Corrupt` when its manifest is, and `Unavailable` when the disk is full.
    """
    manifest = package_dirs.read_manifest(data, info.id, ca)
    with ExitStack() as stack, map_disk_full():
        folder = stack.enter_context(atomic.building(data.download, info.id))
        for fragment in manifest.fragments:
            name = f"{info.id}-{fragment.number}"
            atomic.link_or_copy(data.package(info.id) / name, folder / name)
        described = _describe(folder, info, manifest, signer)
        return StagedPackage(data, folder, described, stack.pop_all())


def withdraw(data: DataDir, package_id: str, signer: Signer, ca: Authority) -> StagedPackage:
    """The package with all its fragments empty: to be `replace`d.

    An agent that is fetching it gets 200 for whatever it still asks for, finds that the digest is wrong, drops it and
    reports so. A 404 would have it ask until TIMEOUT (distd/docs/protocol.md, traps 3 and 7).
    """
    manifest = package_dirs.read_manifest(data, package_id, ca)
    info = package_dirs.read_info(data, package_id)
    empty = tuple(Fragment(fragment.number, 0, blake3().digest()) for fragment in manifest.fragments)
    with ExitStack() as stack, map_disk_full():
        folder = stack.enter_context(atomic.building(data.download, package_id))
        for fragment in empty:
            file = folder / f"{package_id}-{fragment.number}"
            file.touch()
            file.chmod(0o644)
        emptied = replace(manifest, size=0, md5=b"", sha256=b"", blake3=b"", fragments=empty)
        described = _describe(folder, info, emptied, signer)
        return StagedPackage(data, folder, described, stack.pop_all())


def _describe(folder: Path, info: Info, manifest: Manifest, signer: Signer) -> Manifest:
    """Write info and manifest, one version on."""
    return sign_description(folder, ocs_info.render(info), replace(manifest, version=manifest.version + 1), signer)
