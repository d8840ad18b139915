"""Packages of the site's origin that come on a disk: folders as `download` has them, with their signed manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.errors import Corrupt
from distd.storage.atomic import map_disk_full
from distd.storage.incoming import assemble, check_info
from distd.storage.version_floors import VersionFloors
from distd.wire import manifest as manifest_format

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.records import Fragment, Manifest
    from distd.storage.data_dir import DataDir
    from distd.storage.incoming import IncomingFragments
    from distd.wire.trust import Authority

PIECE_BYTES: Final = 1_048_576


def import_package(data: DataDir, incoming: IncomingFragments, folder: Path, ca: Authority) -> Manifest:
    """Take the package in `folder` into `data`. Every byte is checked before it counts.

    Raises `Corrupt` for what is missing, unreadable or not what the manifest says, and for an earlier version than was
    in `data` already; `Unavailable` for a full disk.
    """
    try:
        signed, info = (folder / "manifest").read_bytes(), (folder / "info").read_bytes()
    except OSError as error:
        raise Corrupt(str(folder), "a package with its manifest and info", str(error.strerror)) from None
    manifest = manifest_format.read(signed, ca)
    check_info(manifest, info)
    floors = VersionFloors(data.version_floors)
    floors.check(manifest.package_id, manifest.version)
    for fragment in manifest.fragments:
        if not incoming.has(fragment):
            _take_fragment(incoming, folder / f"{manifest.package_id}-{fragment.number}", fragment)
    floors.raise_to({manifest.package_id: manifest.version})
    assemble(data, incoming, manifest, signed, info)
    return manifest


def _take_fragment(incoming: IncomingFragments, file: Path, fragment: Fragment) -> None:
    with incoming.open(fragment) as part:
        part.restart()
        try:
            with map_disk_full(), file.open("rb") as source:
                while piece := source.read(PIECE_BYTES):
                    part.append([piece])
        except OSError as error:
            raise Corrupt(str(file), "a readable fragment", str(error.strerror)) from None
        incoming.accept(part)
