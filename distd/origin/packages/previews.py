"""What a package will be, of an order whose file has been uploaded: before anything is made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.origin.packages import publishing
from distd.origin.packages.orders import new_package
from distd.storage import uploads

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.settings import DownloadConfig
    from distd.origin.packages.orders import PackageOrder
    from distd.storage.data_dir import DataDir

MAX_HASHED_BYTES: Final = 268_435_456  # of larger files the digest is not computed before they are built
PIECE_BYTES: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class PackagePreview:
    """`total_bytes` are to be cut: as they are, or, where the file `is_packed` first, perhaps less. `digest` is that
    which agents check (hexadecimal), empty where it is not known yet. `files`: how many are in it. `stamp`: of
    the upload, see `stamp_of`."""

    file_name: str
    total_bytes: int
    is_packed: bool
    files: int
    target: str
    digest: str
    warnings: tuple[str, ...]
    stamp: str = ""


def preview(data: DataDir, order: PackageOrder, config: DownloadConfig) -> PackagePreview:
    """Reads the upload. Raises `BadInput` for what cannot be built, `NotFound` for an upload that is not there."""
    source = None if order.source is None else uploads.find_whole(data, order.source.upload)
    checked = publishing.check(new_package(order, source, config), config)
    facts = checked.source.facts
    digest = ""
    if source is not None and facts.is_archive and facts.size_bytes <= MAX_HASHED_BYTES:
        digest = _digest(source, order.digest.value)
    return PackagePreview(
        file_name="" if source is None else source.name,
        total_bytes=facts.size_bytes,
        is_packed=source is not None and not facts.is_archive,
        files=len(facts.file_names),
        target=checked.spec.target,
        digest=digest,
        warnings=checked.warnings,
        stamp=stamp_of(data, order),
    )


def stamp_of(data: DataDir, order: PackageOrder) -> str:
    """Another text when an upload of the same name has taken the place of the order's; empty without one. Raises
    `NotFound`."""
    if order.source is None:
        return ""
    state = uploads.find_whole(data, order.source.upload).stat()
    return f"{state.st_size}-{state.st_mtime_ns}-{state.st_ino}"


def _digest(path: Path, algorithm: str) -> str:
    hashed = hashlib.new(algorithm.lower(), usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            hashed.update(piece)
    return hashed.hexdigest()
