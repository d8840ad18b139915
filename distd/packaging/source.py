"""What a package is made of: read once, before anything is written, into a `Source`.

An archive is opened once, to tell its kind, whether it is whole and the names of its files. A file or folder is walked
once; `packaging.archive` packs the members that were found then.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from distd.domain.errors import BadInput
from distd.domain.package_spec import NO_SOURCE, SourceFacts, SourceKind

PIECE_BYTES: Final = 1_048_576
_SUFFIXES: Final = (".zip", ".tar.gz", ".tgz")

# What the libraries make of bytes that are no archive, or a broken or encrypted one.
_BROKEN: Final = (zipfile.BadZipFile, tarfile.TarError, zlib.error, RuntimeError, ValueError, EOFError, OSError)


@dataclass(frozen=True, slots=True)
class Member:
    """What goes into an archive: its name there ("a/b"), where it is, its mode and size, and where a link leads."""

    name: str
    path: Path
    mode: int
    size_bytes: int
    link_target: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A source that was read. `path` None: there is none. `members`: what is to be packed; none of an archive."""

    path: Path | None
    facts: SourceFacts
    members: tuple[Member, ...] = ()


def read_source(path: Path | None, *, links: bool = True, is_script: bool = False) -> Source:
    """Read what `path` holds. `links`: whether symbolic links may be in it. `is_script`: a file is one.

    Raises `BadInput` for what is not there, cannot be read, or does not belong in a package.
    """
    if path is None:
        return Source(None, NO_SOURCE)
    mode = _mode(path)
    if stat.S_ISREG(mode) and has_archive_name(path):
        return Source(path, _read_archive(path))
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise BadInput("source", "a file or folder", f"{path}, which is neither")
    kind = SourceKind.FOLDER if stat.S_ISDIR(mode) else SourceKind.SCRIPT if is_script else SourceKind.FILE
    members = find_members(path, links=links)
    facts = SourceFacts(
        kind=kind,
        name=str(path),
        size_bytes=sum(member.size_bytes for member in members),
        file_names=frozenset(member.name for member in members if not stat.S_ISDIR(member.mode)),
        top_names=tuple(member.name for member in members if "/" not in member.name),
    )
    return Source(path, facts, members)


def has_archive_name(path: Path) -> bool:
    """Whether its name says that it is an archive.

    A wheel or a jar is a zip too, but whoever stores one wants it whole.
    """
    return path.name.lower().endswith(_SUFFIXES)


def find_members(source: Path, *, links: bool) -> tuple[Member, ...]:
    """The members of an archive of `source`, sorted by name. Raises `BadInput` for what does not belong in one."""
    if not source.is_dir():
        return (_member(source, source.name, source.stat()),)
    paths = []
    for folder, folder_names, file_names in os.walk(source, onerror=_refuse_folder):
        base = Path(folder)
        paths += [base / name for name in (*folder_names, *file_names)]
    members = []
    for path in sorted(paths, key=lambda path: path.relative_to(source).as_posix()):
        state = path.lstat()
        target = _link_target(path, source, links=links) if stat.S_ISLNK(state.st_mode) else ""
        members.append(_member(path, path.relative_to(source).as_posix(), state, target))
    return tuple(members)


def open_readable(path: Path) -> IO[bytes]:
    """A file of the source. Raises `BadInput` when it cannot be read."""
    try:
        return path.open("rb")
    except OSError as error:
        raise BadInput("source", "a readable file", f"{path}: {error.strerror}") from None


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput("source", "a file or folder", f"{path}, which is not there") from None
    except (OSError, ValueError) as error:
        raise BadInput("source", "a file or folder", str(error)) from None


def _read_archive(path: Path) -> SourceFacts:
    """Raises `BadInput` when it is none, or not whole."""
    with open_readable(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        names, kind = _zip_names(file), SourceKind.ZIP
        if names is None:
            file.seek(0)
            names, kind = _tar_gz_names(file, path), SourceKind.TAR_GZ
    if names is None:
        raise BadInput("source", "a zip or tar.gz archive, as its name says", str(path))
    return SourceFacts(kind, str(path), size_bytes, frozenset(name.removeprefix("./") for name in names))


def _zip_names(file: IO[bytes]) -> list[str] | None:
    """The names of its files; None when it is no zip, or one whose first member no agent could unpack."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if entries:
                archive.open(entries[0]).close()
            return [entry.filename for entry in entries if not entry.is_dir()]
    except _BROKEN:
        return None


def _tar_gz_names(file: IO[bytes], path: Path) -> list[str] | None:
    """The names of its files; None when it does not begin as a tar.gz. Raises `BadInput` when it is not whole."""
    try:
        archive = tarfile.open(fileobj=file, mode="r:gz")  # noqa: SIM115  # closed below
        first = archive.next()
    except _BROKEN:
        return None
    with archive:
        if first is None:
            return None
        try:
            names = [entry.name for entry in archive if not entry.isdir()]
            # The last member is there; its bytes, and the checksum behind them, must be too.
            while archive.fileobj is not None and archive.fileobj.read(PIECE_BYTES):
                pass
        except _BROKEN as error:
            raise BadInput("source", "a whole archive", f"{path}: {error}") from None
    return names


def _member(path: Path, name: str, state: os.stat_result, link_target: str = "") -> Member:
    try:
        if stat.S_ISREG(state.st_mode):
            open_readable(path).close()
        elif not (stat.S_ISDIR(state.st_mode) or stat.S_ISLNK(state.st_mode)):
            raise BadInput("source", "files, folders and links only", str(path))
        name.encode()
    except UnicodeEncodeError:
        raise BadInput("source", "names in UTF-8", repr(str(path))) from None
    size_bytes = state.st_size if stat.S_ISREG(state.st_mode) else 0
    return Member(name, path, state.st_mode, size_bytes, link_target)


def _link_target(path: Path, root: Path, *, links: bool) -> str:
    target = os.readlink(path)
    if not links:
        raise BadInput("source", "no links in a zip for Windows", f"{path} → {target}")
    inside = os.path.normpath(path.parent / target)
    if os.path.isabs(target) or not f"{inside}/".startswith(f"{os.path.normpath(root)}/"):
        raise BadInput("source", "links that stay inside the folder", f"{path} → {target}")
    return target


def _refuse_folder(error: OSError) -> None:
    raise BadInput("source", "a readable folder", f"{error.filename}: {error.strerror}")
