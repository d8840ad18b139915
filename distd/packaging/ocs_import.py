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
from distd.packaging import builder
from distd.packaging.archive import Meter
from distd.packaging.hashing import chained, flow
from distd.storage import atomic, quota
from distd.storage.atomic import map_disk_full
from distd.storage.quota import Room
from distd.wire import ocs_info as info_format
from distd.wire.ocs_info import MAX_INFO_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from distd.domain.records import Info
    from distd.packaging.builder import Built, Cut
    from distd.packaging.hashing import Read
    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer

    Progress = Callable[[int, int], None]

# OCS's ids are Unix times. A longer number would not fit the catalogue.
_ID: Final = re.compile("[1-9][0-9]{0,17}")
_MAGIC: Final = {b"PK": OperatingSystem.WINDOWS, b"\x1f\x8b": OperatingSystem.LINUX}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A package as it was found. `text` is its info, byte for byte; `lengths` those of its fragments."""

    folder: Path
    text: bytes
    info: Info
    digest: Digest
    lengths: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        return sum(self.lengths)

    @property
    def os(self) -> OperatingSystem:
        """For whom it looks to be: Windows agents take zip only, for the others OCS makes tar.gz."""
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
        raise BadInput("DIR", "a folder that can be read", f"{folder}: {error.strerror}") from None
    if not found:
        raise BadInput("DIR", "the folder of a package, or one with folders of packages in it", str(folder))
    return sorted(found, key=lambda path: int(path.name))


def read(folder: Path) -> Foreign:
    """What a folder holds. Raises `BadInput` that says what does not fit."""
    with _readable(folder):
        with (folder / "info").open("rb") as file:
            text = file.read(MAX_INFO_BYTES + 1)
        info = info_format.parse(text)
        if not _ID.fullmatch(info.id):
            raise BadInput("info/ID", "1 to 18 decimal digits", info.id)
        if info.fragments > MAX_FRAGMENTS:
            raise BadInput("info/FRAGS", f"at most {MAX_FRAGMENTS}", info.fragments)
        lengths = tuple((folder / f"{info.id}-{number}").stat().st_size for number in range(1, info.fragments + 1))
    return Foreign(folder, text, info, _digest(info), lengths)


def take(
    data: DataDir,
    foreign: Foreign,
    signer: Signer,
    progress: Progress | None = None,
    limits: Room = Room(),  # noqa: B008  # a value
    *,
    link: bool = False,
) -> Built:
    """Prepare a package of its bytes, which are copied, or (`link`) only linked.

    Raises `BadInput`, `Corrupt` when the digest is not the one that its info tells, `Unavailable` for a full disk.
    """
    quota.check(data, limits, work_bytes=0 if link else foreign.size_bytes, stay_bytes=foreign.size_bytes)
    info = foreign.info
    with ExitStack() as stack, map_disk_full(), _readable(foreign.folder):
        folder = stack.enter_context(atomic.building(data.download, info.id))
        its = _pass(foreign, folder, Meter(progress, foreign.size_bytes), link=link)
        if foreign.lengths and not info_format.is_digest(info, its.digest):
            got = info_format.encoded(its.digest, info.digest_encode)
            raise Corrupt(f"package {info.id} in {foreign.folder}", f"{foreign.digest} {info.digest}", got)
        manifest = builder.manifest_of(info.id, foreign.digest, its)
        built = builder.Built(data, folder, info, builder.describe(folder, foreign.text, manifest, signer))
        built.keep(stack)
    return built


def _pass(foreign: Foreign, folder: Path, meter: Meter, *, link: bool) -> Cut:
    if not foreign.lengths:
        return builder.NOTHING
    package_id = foreign.info.id
    paths = [foreign.folder / f"{package_id}-{number}" for number in range(1, len(foreign.lengths) + 1)]
    try:
        with chained(paths) as read:
            if link:
                return _link(read, foreign, folder, meter)
            return builder.cut(read, foreign.lengths, folder, package_id, foreign.digest, meter)
    except (EOFError, ValueError):
        raise BadInput("DIR", "fragments that do not change while they are read", str(foreign.folder)) from None


def _link(read: Read, foreign: Foreign, folder: Path, meter: Meter) -> Cut:
    slow = builder.new_hash(foreign.digest)
    fragments = []
    with flow(read, slow) as flowing:
        for number, length in enumerate(foreign.lengths, 1):
            digest, name = blake3(), f"{foreign.info.id}-{number}"
            for piece in flowing.take(length):
                digest.update(piece)
            try:
                os.link(foreign.folder / name, folder / name)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                raise BadInput("--link", "a folder on the file system of --data", str(foreign.folder)) from None
            fragments.append(Fragment(number, length, digest.digest()))
            meter.add(length)
        flowing.end()
    return builder.Cut(tuple(fragments), slow.digest(), b"")


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
        raise BadInput("DIR", f"a whole package in {folder}", f"{error.filename}: {error.strerror}") from None
