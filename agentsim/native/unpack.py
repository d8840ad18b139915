"""Archives become folders: what is in a tar.gz or a zip, within limits.

Nothing in an archive may reach out of the folder it is unpacked into: no absolute name, no "..", no link to the
outside, no device. Links are made after all files, so that no file is ever written through one. Nobody but the owner
and the group may write what is unpacked, and no file runs as another user than the one who starts it.

Sizes are checked as declared before anything is written, and again as they come.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import time
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final

from distd.domain.errors import BadInput
from distd.domain.units import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

COPY_BYTES: Final = 1_048_576
GZIP_MAGIC: Final = b"\x1f\x8b"
EXECUTABLE: Final = 0o755
MODES: Final = 0o775  # what is taken of a mode: no setuid, setgid, sticky; not writable by everybody
ANY_RATIO_BYTES: Final = 67_108_864  # so much any archive may unpack to, however small it is
TAR_MEMBER_BYTES: Final = 4096  # of heads and padding of a member of a tar
MAX_TAR_HEAD_BYTES: Final = COPY_BYTES  # tarfile reads long names, and other attributes, into memory
MAX_LINK_BYTES: Final = 4096
MAX_DEPTH: Final = 100  # folders in each other


_UNREADABLE: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """What a package may unpack to: `size_bytes`, at most `ratio` times its own size, `members` files and folders."""

    size_bytes: int = 17_179_869_184
    ratio: int = 200
    members: int = 200_000

    def allowed_bytes(self, archive_bytes: int) -> int:
        """How much an archive of this size may become."""
        return min(self.size_bytes, max(self.ratio * archive_bytes, ANY_RATIO_BYTES))


DEFAULT_LIMITS: Final = UnpackLimits()


class _Meter:
    """Counts what is unpacked. Raises `BadInput` where that is too much."""

    def __init__(self, allowed_bytes: int, members: int) -> None:
        self.allowed_bytes = allowed_bytes
        self._members_left = self.members = members
        self._declared_bytes = 0
        self._written_bytes = 0

    def declare(self, size_bytes: int) -> None:
        """A member, as large as the archive says."""
        self._members_left -= 1
        if self._members_left < 0:
            raise BadInput("package", f"at most {self.members} files and folders", "more")
        self._declared_bytes += size_bytes
        self.check(self._declared_bytes)

    def wrote(self, size_bytes: int) -> None:
        """So many bytes of a file have come."""
        self._written_bytes += size_bytes
        self.check(self._written_bytes)

    def check(self, size_bytes: int) -> None:
        """All that is unpacked, or read of it, has this size so far."""
        if size_bytes > self.allowed_bytes:
            raise BadInput("package", f"at most {format_size(self.allowed_bytes)} when it is unpacked", "more")


class _Inflated:
    """The tar in a tar.gz, as tarfile reads it; not beyond what the limits allow, and nothing large at once."""

    def __init__(self, file: gzip.GzipFile, meter: _Meter) -> None:
        self._file = file
        self._end = meter.allowed_bytes + meter.members * TAR_MEMBER_BYTES

    def read(self, size: int) -> bytes:
        if size > MAX_TAR_HEAD_BYTES:
            raise BadInput("package", f"heads of at most {MAX_TAR_HEAD_BYTES} bytes", size)
        data = self._file.read(size)
        self._check(self._file.tell())
        return data

    def seek(self, offset: int) -> int:
        self._check(offset)
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        if position > self._end:
            raise BadInput("package", f"a tar of at most {format_size(self._end)}", "more")


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of an archive. `open` is None for a folder and for a link, which has a `link` instead.

    `size_bytes`: of a file, as the archive says.
    """

    name: str
    mode: int
    mtime_s: float
    open: Callable[[], IO[bytes] | None] | None = None
    symlink: str = ""
    hardlink: str = ""
    size_bytes: int = 0


def unpack(archive: IO[bytes], tree: Path, limits: UnpackLimits) -> None:
    """tar.gz, else zip, into the empty folder `tree`.

    Raises `BadInput` for anything else, for what reaches out, and for what is over the limits; `OSError`.
    """
    meter = _Meter(limits.allowed_bytes(archive.seek(0, os.SEEK_END)), limits.members)
    archive.seek(0)
    try:
        is_tar = archive.read(2) == GZIP_MAGIC
        archive.seek(0)
        if not is_tar and zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zip_file:
                _extract(_zip_entries(zip_file), tree, meter)
        else:
            archive.seek(0)
            with gzip.GzipFile(fileobj=archive) as inflated:
                tar: Any = _Inflated(inflated, meter)
                with tarfile.open(fileobj=tar, mode="r:") as tar_file:
                    _extract(_tar_entries(tar_file), tree, meter)
    except _UNREADABLE as error:
        raise BadInput("package", "a readable tar.gz or zip", str(error)) from error


def _tar_entries(tar_file: tarfile.TarFile) -> Iterator[Entry]:
    for member in tar_file:
        mode = member.mode & MODES
        if member.isreg():
            opener = partial(tar_file.extractfile, member)
            yield Entry(member.name, mode, member.mtime, opener, size_bytes=member.size)
        elif member.isdir():
            yield Entry(member.name, mode | 0o700, member.mtime)
        elif member.issym():
            yield Entry(member.name, mode, member.mtime, symlink=member.linkname)
        elif member.islnk():
            yield Entry(member.name, mode, member.mtime, hardlink=member.linkname)
        else:
            raise BadInput("package", "files, folders and links", f"a device or the like, {member.name}")


def _zip_entries(zip_file: zipfile.ZipFile) -> Iterator[Entry]:
    for member in zip_file.infolist():
        unix = member.external_attr >> 16
        mtime_s = _zip_time_s(member)
        if member.is_dir():
            yield Entry(member.filename, EXECUTABLE, mtime_s)
        elif stat.S_ISLNK(unix):
            yield Entry(member.filename, 0, mtime_s, symlink=_link_of(zip_file, member))
        elif stat.S_IFMT(unix) in (0, stat.S_IFREG):
            mode, opener = unix & MODES or 0o644, partial(zip_file.open, member)
            yield Entry(member.filename, mode, mtime_s, opener, size_bytes=member.file_size)
        else:
            raise BadInput("package", "files, folders and links", f"a device or the like, {member.filename}")


def _link_of(zip_file: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    with zip_file.open(member) as file:
        target = file.read(MAX_LINK_BYTES)
        if file.read(1):
            raise BadInput("package", f"links of at most {MAX_LINK_BYTES} bytes", member.filename)
    return os.fsdecode(target)


def _zip_time_s(member: zipfile.ZipInfo) -> float:
    """Zip has local time."""
    with suppress(ValueError, OverflowError):
        return time.mktime((*member.date_time, 0, 0, -1))
    return 0.0


def _extract(entries: Iterable[Entry], tree: Path, meter: _Meter) -> None:
    symlinks: list[tuple[Path, str]] = []
    for entry in entries:
        meter.declare(entry.size_bytes)
        place = inside(tree, entry.name)
        if place == tree:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.symlink:
            symlinks.append((place, entry.symlink))
        elif entry.hardlink:
            place.unlink(missing_ok=True)
            os.link(inside(tree, entry.hardlink), place)
        elif entry.open is None:
            place.mkdir(exist_ok=True)
            place.chmod(entry.mode)
        else:
            _write(entry, entry.open, place, meter)
    for place, target in symlinks:
        place.unlink(missing_ok=True)
        place.symlink_to(target)
    for place, target in symlinks:
        if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(tree)):
            raise BadInput("package", "links that stay inside", f"{place.relative_to(tree)} → {target}")


def inside(tree: Path, name: str) -> Path:
    """The place in `tree` that a name of a package means. Raises `BadInput` for a name that reaches out."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadInput("package", "names that stay inside", name)
    if len(path.parts) > MAX_DEPTH:
        raise BadInput("package", f"at most {MAX_DEPTH} folders in each other", f"{name[:80]}…")
    return tree / path


def _write(entry: Entry, opener: Callable[[], IO[bytes] | None], place: Path, meter: _Meter) -> None:
    place.unlink(missing_ok=True)  # a later member of one name wins, as with tar
    data = opener()
    assert data is not None  # it is a regular file
    with data, place.open("xb") as out:
        while piece := data.read(COPY_BYTES):
            meter.wrote(len(piece))
            out.write(piece)
    place.chmod(entry.mode)
    os.utime(place, (entry.mtime_s, entry.mtime_s))
