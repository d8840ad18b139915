"""Packages that another server made: `info` and fragments in a folder, as OCS lays them out."""

from __future__ import annotations

import errno
import os
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.domain.errors import BadInput, Corrupt
from distd.domain.fragment_plan import MAX_FRAGMENTS
from distd.domain.records import Digest, Fragment, OperatingSystem
from distd.packaging.cutting import NO_FRAGMENTS, FragmentSet, cut
from distd.packaging.hashing import chained, new_hash, open_hashing_reader
from distd.packaging.progress import ProgressMeter
from distd.storage import atomic, quota
from distd.storage.atomic import map_disk_full
from distd.storage.quota import NO_LIMITS
from distd.storage.staged_package import StagedPackage, sign_description
from distd.wire import ocs_info
from distd.wire.ocs_info import MAX_INFO_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distd.domain.records import Info
    from distd.packaging.hashing import Read
    from distd.packaging.progress import Progress
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer
    from distd.storage.quota import DiskLimits

# OCS's ids are Unix times. A longer number would not fit the catalogue.
_ID: Final = re.compile("[1-9][0-9]{0,17}")
_MAGIC: Final = {b"PK": OperatingSystem.WINDOWS, b"\x1f\x8b": OperatingSystem.LINUX}


@dataclass(frozen=True, slots=True)
class OcsPackage:
    """A package as it was found. `text` is its info, byte for byte; `lengths` those of its fragments."""

    folder: Path
    text: bytes
    info: Info
    digest: Digest
    lengths: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Of all fragments together."""
        return sum(self.lengths)

    @property
    def os(self) -> OperatingSystem:
        """For whom it is, by its archive: Windows agents take zip only, for the others OCS makes tar.gz."""
        if not self.lengths:
            return OperatingSystem.OTHER
        with (self.folder / f"{self.info.id}-1").open("rb") as first:
            return _MAGIC.get(first.read(2), OperatingSystem.OTHER)


def find(folder: Path) -> list[Path]:
    """The folders of packages: this one, or those in it, lowest id first. Raises `BadInput` when there are none."""
    if (folder / "info").is_file():
        return [folder]
    try:
        found = [path for path in folder.iterdir() if _ID.fullmatch(path.name) and (path / "info").is_file()]
    except OSError as error:
        raise BadInput("folder", "a folder that can be read", f"{folder}: {error.strerror}") from None
    if not found:
        raise BadInput("folder", "the folder of a package, or one with folders of packages in it", str(folder))
    return sorted(found, key=lambda path: int(path.name))


def read(folder: Path) -> OcsPackage:
    """The package in a folder. Raises `BadInput` that says what does not fit."""
    with _readable(folder):
        with (folder / "info").open("rb") as file:
            text = file.read(MAX_INFO_BYTES + 1)
        info = ocs_info.parse(text)
        if not _ID.fullmatch(info.id):
            raise BadInput("info/ID", "1 to 18 decimal digits", info.id)
        if info.fragments > MAX_FRAGMENTS:
            raise BadInput("info/FRAGS", f"at most {MAX_FRAGMENTS}", info.fragments)
        lengths = tuple((folder / f"{info.id}-{number}").stat().st_size for number in range(1, info.fragments + 1))
    return OcsPackage(folder, text, info, _digest(info), lengths)


def prepare(
    data: DataDir,
    package: OcsPackage,
    signer: Signer,
    progress: Progress | None = None,
    limits: DiskLimits = NO_LIMITS,
    *,
    link: bool = False,
) -> StagedPackage:
    """Prepare a package of the same bytes, which are copied, or (`link`) only linked.

    Raises `BadInput`, `Corrupt` when the digest is not the one in its info, `Unavailable` for a full disk.
    """
    size_bytes = package.size_bytes
    quota.check(data, limits, work_bytes=0 if link else size_bytes, stay_bytes=size_bytes)
    info = package.info
    with ExitStack() as stack, map_disk_full(), _readable(package.folder):
        folder = stack.enter_context(atomic.building(data.download, info.id))
        fragments = _read_fragments(package, folder, ProgressMeter(progress, size_bytes), link=link)
        if package.lengths and not ocs_info.is_digest(info, fragments.digest):
            got = ocs_info.encoded(fragments.digest, info.digest_encode)
            raise Corrupt(f"package {info.id} in {package.folder}", f"{package.digest} {info.digest}", got)
        manifest = fragments.manifest(info.id, package.digest)
        manifest = sign_description(folder, package.text, manifest, signer)
        return StagedPackage(data, folder, manifest, stack.pop_all())


def _read_fragments(package: OcsPackage, folder: Path, meter: ProgressMeter, *, link: bool) -> FragmentSet:
    if not package.lengths:
        return NO_FRAGMENTS
    package_id = package.info.id
    paths = [package.folder / f"{package_id}-{number}" for number in range(1, len(package.lengths) + 1)]
    try:
        with chained(paths) as read:
            if link:
                return _link_all(read, package, folder, meter)
            return cut(read, package.lengths, folder, package_id, package.digest, meter)
    except (EOFError, ValueError):
        raise BadInput("folder", "fragments that do not change while they are read", str(package.folder)) from None


def _link_all(read: Read, package: OcsPackage, folder: Path, meter: ProgressMeter) -> FragmentSet:
    thread_hash = new_hash(package.digest)
    fragments = []
    with open_hashing_reader(read, thread_hash) as reader:
        for number, length in enumerate(package.lengths, 1):
            digest, name = blake3(), f"{package.info.id}-{number}"
            for piece in reader.read_pieces(length):
                digest.update(piece)
            try:
                os.link(package.folder / name, folder / name)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                raise BadInput(
                    "link", "a folder on the file system of the data directory", str(package.folder)
                ) from None
            fragments.append(Fragment(number, length, digest.digest()))
            meter.add(length)
        reader.end()
    return FragmentSet(tuple(fragments), thread_hash.digest(), b"")


def _digest(info: Info) -> Digest:
    try:
        return Digest(info.digest_algo.upper())
    except ValueError:
        raise BadInput("info/DIGEST_ALGO", f"one of {', '.join(Digest)}", info.digest_algo) from None


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionError) as error:
        raise BadInput("folder", f"a whole package in {folder}", f"{error.filename}: {error.strerror}") from None
