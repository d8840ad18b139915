"""The same package with another `info`, or withdrawn: a new folder that takes the old one's place in one step."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.domain.records import Fragment
from distd.packaging import builder
from distd.storage import atomic, package_dirs
from distd.storage.atomic import map_disk_full
from distd.wire import ocs_info as info_format

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

    from distd.domain.records import Info, Manifest
    from distd.packaging.builder import Built
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer

_NO_LINK: Final = (errno.EPERM, errno.ENOTSUP, errno.EMLINK)


def edit(data: DataDir, info: Info, signer: Signer, ca: x509.Certificate) -> Built:
    """The package of `info.id` with this info and its fragments as they are, one version on: to be `replace`d.

    Raises `Corrupt` when its manifest is, and `Unavailable` when the disk is full.
    """
    manifest = package_dirs.read_manifest(data, info.id, ca)
    with ExitStack() as stack, map_disk_full():
        folder = stack.enter_context(atomic.building(data.download, info.id))
        for fragment in manifest.fragments:
            _link(data.package(info.id), folder, f"{info.id}-{fragment.number}")
        return _revised(data, folder, info, manifest, signer, stack)


def withdraw(data: DataDir, package_id: str, signer: Signer, ca: x509.Certificate) -> Built:
    """The package with all its fragments empty: to be `replace`d.

    An agent that is in the midst of it gets 200 for whatever it still asks for, finds that the digest is wrong, drops
    it and reports so. A 404 would have it ask until TIMEOUT (OCS-PROTOCOL.md, traps 3 and 7).
    """
    manifest = package_dirs.read_manifest(data, package_id, ca)
    info = package_dirs.read_info(data, package_id)
    empty = tuple(Fragment(one.number, 0, blake3().digest()) for one in manifest.fragments)
    with ExitStack() as stack, map_disk_full():
        folder = stack.enter_context(atomic.building(data.download, package_id))
        for fragment in empty:
            file = folder / f"{package_id}-{fragment.number}"
            file.touch()
            file.chmod(0o644)
        nothing = replace(manifest, size=0, md5=b"", sha256=b"", blake3=b"", fragments=empty)
        return _revised(data, folder, info, nothing, signer, stack)


def _revised(data: DataDir, folder: Path, info: Info, manifest: Manifest, signer: Signer, stack: ExitStack) -> Built:
    manifest = replace(manifest, version=manifest.version + 1)
    built = builder.Built(data, folder, info, builder.describe(folder, info_format.render(info), manifest, signer))
    built.keep(stack)
    return built


def _link(source: Path, target: Path, name: str) -> None:
    try:
        os.link(source / name, target / name)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copy2(source / name, target / name)
