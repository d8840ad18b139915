"""Archives: a file or folder becomes a zip (Windows) or tar.gz (others), the same input always the same bytes.

Stable means: sorted names, no owner, one fixed time, nothing of this machine, and each larger file compressed by
itself. So two builds of the same thing have the same digest, and versions of a thing stay similar.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from distd.domain.errors import BadInput
from distd.domain.records import OperatingSystem
from distd.packaging.progress import ProgressMeter
from distd.packaging.source_files import CHANGED, check_unchanged, open_member

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO

    from distd.packaging.content_digest import ContentDigest
    from distd.packaging.progress import Progress
    from distd.packaging.source_files import Member

LEVEL: Final = 6
# A file of so many bytes is compressed by itself, as all are in a zip, so that a change before it does not change it.
# Smaller ones share a run: each by itself would compress much worse.
RESTART_BYTES: Final = 16_384
PIECE_BYTES: Final = 1_048_576
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_TAR_TIME_S: Final = 315_532_800  # the same moment


def pack(
    members: Sequence[Member],
    out: Path,
    system: OperatingSystem,
    progress: Progress | None,
    digest: ContentDigest | None = None,
) -> None:
    """Write an archive of `members` to `out`. `progress(done, total)` counts bytes read; `digest` gets what is packed.

    Raises `BadInput` that names a file which cannot be read any more, or has changed.
    """
    reading = _Reading(ProgressMeter(progress, sum(member.size_bytes for member in members)), digest)
    with out.open("wb") as file:
        (_pack_zip if system is OperatingSystem.WINDOWS else _pack_tar)(file, members, reading)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Who is told what is read."""

    meter: ProgressMeter
    digest: ContentDigest | None

    def begin(self, member: Member) -> None:
        if self.digest is not None:
            self.digest.begin(member)

    def add(self, data: bytes) -> None:
        self.meter.add(len(data))
        if self.digest is not None:
            self.digest.add(data)


def _pack_zip(file: IO[bytes], members: Sequence[Member], reading: _Reading) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for member in members:
            reading.begin(member)
            is_folder = stat.S_ISDIR(member.mode)
            entry = zipfile.ZipInfo(member.name + "/" * is_folder, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix: whose modes these are
            entry.external_attr = (member.mode & 0xFFFF) << 16
            entry.file_size = member.size_bytes
            if is_folder:
                archive.writestr(entry, b"")
                continue
            with _content(member, reading) as content, archive.open(entry, "w") as target:
                while piece := content.read(PIECE_BYTES):
                    target.write(piece)


def _pack_tar(file: IO[bytes], members: Sequence[Member], reading: _Reading) -> None:
    packed = _Gzip(file)
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        large = False
        for member in members:
            reading.begin(member)
            after, large = large, member.size_bytes >= RESTART_BYTES
            if after or large:
                packed.restart()
            _add(archive, member, reading)
    packed.close()


def _add(archive: tarfile.TarFile, member: Member, reading: _Reading) -> None:
    entry = tarfile.TarInfo(member.name)
    entry.mode = stat.S_IMODE(member.mode)
    entry.mtime = _TAR_TIME_S
    if stat.S_ISDIR(member.mode):
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    elif stat.S_ISLNK(member.mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, member.link_target
        archive.addfile(entry)
    else:
        entry.size = member.size_bytes
        with _content(member, reading) as content:
            try:
                archive.addfile(entry, content)
            except OSError as error:
                if error.errno is not None:
                    raise  # a full disk, say; the error that tarfile makes of a short file has no number


class _Gzip:
    """A gzip stream that is the same for the same input, and can start anew within, so that versions stay similar."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        self._size_bytes = 0

    def write(self, data: bytes) -> int:
        self._file.write(self._deflate.compress(data))
        self._size_bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size_bytes

    def restart(self) -> None:
        """What follows is compressed as if nothing were before it."""
        self._file.write(self._deflate.flush(zlib.Z_FULL_FLUSH))

    def close(self) -> None:
        self._file.write(self._deflate.flush())


@contextmanager
def _content(member: Member, reading: _Reading) -> Iterator[_Followed]:
    """The bytes of a member; at the end all of them must have been read, and it must be as it was found."""
    with open_member(member) as file:
        followed = _Followed(file, member, reading)
        yield followed
        followed.check()


class _Followed:
    """A file of which is told what is read of it."""

    def __init__(self, file: IO[bytes], member: Member, reading: _Reading) -> None:
        self._file = file
        self._member = member
        self._reading = reading
        self._read_bytes = 0

    def read(self, size: int = -1) -> Any:
        try:
            data = self._file.read(size)
        except OSError as error:
            raise BadInput("source", "a readable file", f"{self._member.path}: {error.strerror}") from None
        self._reading.add(data)
        self._read_bytes += len(data)
        return data

    def check(self) -> None:
        """Raises `BadInput` when the file is not as it was found."""
        if self._read_bytes != self._member.size_bytes or self._file.read(1):
            raise BadInput("source", CHANGED, str(self._member.path))
        check_unchanged(self._file, self._member)
