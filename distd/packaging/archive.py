"""Archives: a file or folder becomes a zip (Windows) or tar.gz (others), the same input always the same bytes.

Stable means: sorted names, no owner, one fixed time, nothing of this machine, and each larger file compressed by
itself. So two builds of the same thing have the same digest, and versions of a thing stay similar.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from distd.domain.errors import BadInput
from distd.domain.records import OperatingSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

    Progress = Callable[[int, int], None]

LEVEL: Final = 6
STEPS: Final = 500  # of a progress
# A file of so many bytes is compressed by itself, as all are in a zip, so that a change before it does not change it.
# Smaller ones share a run: each by itself would compress much worse.
RESTART_BYTES: Final = 16_384
PIECE_BYTES: Final = 1_048_576
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_TAR_TIME_S: Final = 315_532_800  # the same moment
_SUFFIXES: Final = (".zip", ".tar.gz", ".tgz")

# What the libraries make of bytes that are no archive, or a broken or encrypted one.
_BROKEN: Final = (zipfile.BadZipFile, tarfile.TarError, zlib.error, RuntimeError, ValueError, EOFError, OSError)


@dataclass(frozen=True, slots=True)
class Member:
    """What goes into an archive: its name there ("a/b"), where it is, its mode and size."""

    name: str
    path: Path
    mode: int
    size_bytes: int


def pack(source: Path, out: Path, system: OperatingSystem, progress: Progress | None) -> None:
    """Write the archive of `source` to `out`. `progress(done, total)` counts bytes read.

    Raises `BadInput` that names what cannot be packed.
    """
    members = list(scan(source, links=system is not OperatingSystem.WINDOWS))
    meter = Meter(progress, sum(member.size_bytes for member in members))
    with out.open("wb") as file:
        (_pack_zip if system is OperatingSystem.WINDOWS else _pack_tar)(file, members, meter)


def kind_of(path: Path) -> str | None:
    """ "zip" or "tar.gz" when `path` really is one, else None: it is opened, and its first member read."""
    try:
        with zipfile.ZipFile(path) as archive:
            first = archive.infolist()[:1]
            if first:
                archive.open(first[0]).close()
            return "zip"
    except _BROKEN:
        pass
    try:
        with tarfile.open(path, "r:gz") as tar:
            return "tar.gz" if tar.next() is not None else None
    except _BROKEN:
        return None


def claims_to_be_one(path: Path) -> bool:
    """Whether its name says that it is an archive."""
    return path.name.lower().endswith(_SUFFIXES)


def is_ready(path: Path) -> bool:
    """Whether it goes to the agents as it is. A wheel or a jar is a zip too, but whoever stores one wants it whole."""
    return path.is_file() and claims_to_be_one(path) and kind_of(path) is not None


def file_names(path: Path, kind: str) -> set[str]:
    """The names of the files in an archive, without leading "./". Raises `BadInput` when it is not whole."""
    try:
        if kind == "zip":
            with zipfile.ZipFile(path) as archive:
                names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        else:
            with tarfile.open(path, "r:gz") as tar:
                names = [entry.name for entry in tar if not entry.isdir()]
                # The last member is there; its bytes, and the checksum behind them, must be too.
                while tar.fileobj is not None and tar.fileobj.read(PIECE_BYTES):
                    pass
    except _BROKEN as error:
        raise BadInput("FILE", "a whole archive", f"{path}: {error}") from None
    return {name.removeprefix("./") for name in names}


def scan(source: Path, *, links: bool) -> Iterator[Member]:
    """The members of an archive of `source`, sorted by name. Raises `BadInput` for what does not belong in one."""
    if not source.is_dir():
        yield _member(source, source.name, source.stat())
        return
    paths = []
    for folder, names, file_names in os.walk(source, onerror=_unreadable):
        base = source.__class__(folder)
        paths += [base / name for name in (*names, *file_names)]
    for path in sorted(paths, key=lambda path: path.relative_to(source).as_posix()):
        state = path.lstat()
        if stat.S_ISLNK(state.st_mode):
            _check_link(path, source, links=links)
        yield _member(path, path.relative_to(source).as_posix(), state)


def _member(path: Path, name: str, state: os.stat_result) -> Member:
    try:
        if stat.S_ISREG(state.st_mode):
            _open(path).close()
        elif not (stat.S_ISDIR(state.st_mode) or stat.S_ISLNK(state.st_mode)):
            raise BadInput("FILE", "files, folders and links only", str(path))
        name.encode()
    except UnicodeEncodeError:
        raise BadInput("FILE", "names in UTF-8", repr(str(path))) from None
    size_bytes = state.st_size if stat.S_ISREG(state.st_mode) else 0
    return Member(name, path, state.st_mode, size_bytes)


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise BadInput("FILE", "a readable file", f"{path}: {error.strerror}") from None


def _check_link(path: Path, root: Path, *, links: bool) -> None:
    target = os.readlink(path)
    if not links:
        raise BadInput("FILE", "no links in a zip for Windows", f"{path} → {target}")
    inside = os.path.normpath(path.parent / target)
    if os.path.isabs(target) or not f"{inside}/".startswith(f"{os.path.normpath(root)}/"):
        raise BadInput("FILE", "links that stay inside the folder", f"{path} → {target}")


def _unreadable(error: OSError) -> None:
    raise BadInput("FILE", "a readable folder", f"{error.filename}: {error.strerror}")


class Meter:
    """Counts bytes and tells `progress` of them, some hundred times in all, so that small pieces cost nothing."""

    def __init__(self, progress: Progress | None, total_bytes: int) -> None:
        self._progress = progress
        self._total_bytes = total_bytes
        self._step_bytes = total_bytes // STEPS
        self._done_bytes = 0
        self._told_bytes = 0

    def add(self, size_bytes: int) -> None:
        self._done_bytes += size_bytes
        news_bytes = self._done_bytes - self._told_bytes
        if self._progress is None or (news_bytes < self._step_bytes and self._done_bytes < self._total_bytes):
            return
        self._told_bytes = self._done_bytes
        self._progress(self._done_bytes, self._total_bytes)


def _pack_zip(file: IO[bytes], members: list[Member], meter: Meter) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for member in members:
            is_folder = stat.S_ISDIR(member.mode)
            entry = zipfile.ZipInfo(member.name + "/" * is_folder, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix: whose modes these are
            entry.external_attr = (member.mode & 0xFFFF) << 16
            entry.file_size = member.size_bytes
            if is_folder:
                archive.writestr(entry, b"")
                continue
            with _content(member, meter) as content, archive.open(entry, "w") as target:
                while piece := content.read(PIECE_BYTES):
                    target.write(piece)


def _pack_tar(file: IO[bytes], members: list[Member], meter: Meter) -> None:
    packed = _Gzip(file)
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        large = False
        for member in members:
            after, large = large, member.size_bytes >= RESTART_BYTES
            if after or large:
                packed.restart()
            _add(archive, member, meter)
    packed.close()


def _add(archive: tarfile.TarFile, member: Member, meter: Meter) -> None:
    entry = tarfile.TarInfo(member.name)
    entry.mode = stat.S_IMODE(member.mode)
    entry.mtime = _TAR_TIME_S
    if stat.S_ISDIR(member.mode):
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    elif stat.S_ISLNK(member.mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(member.path)
        archive.addfile(entry)
    else:
        entry.size = member.size_bytes
        with _content(member, meter) as content:
            try:
                archive.addfile(entry, content)
            except OSError as error:
                if error.errno is not None:
                    raise  # a full disk, say; tarfile's own word for a short file has no number


class _Gzip:
    """A gzip stream, always of the same bytes, that can forget what came before, and so keeps versions similar."""

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
def _content(member: Member, meter: Meter) -> Iterator[_Metered]:
    """The bytes of a member; at the end all of them must have been read."""
    with _open(member.path) as file:
        metered = _Metered(file, member.path, meter)
        yield metered
        metered.check(member)


class _Metered:
    """A file that tells a meter what is read of it."""

    def __init__(self, file: IO[bytes], path: Path, meter: Meter) -> None:
        self._file = file
        self._path = path
        self._meter = meter
        self._read_bytes = 0

    def read(self, size: int = -1) -> Any:
        try:
            data = self._file.read(size)
        except OSError as error:
            raise BadInput("FILE", "a readable file", f"{self._path}: {error.strerror}") from None
        self._meter.add(len(data))
        self._read_bytes += len(data)
        return data

    def check(self, member: Member) -> None:
        """Raises `BadInput` when the file has another length than it had when the packing began."""
        if self._read_bytes != member.size_bytes or self._file.read(1):
            raise BadInput("FILE", "files that do not change while they are read", str(self._path))
