"""What a package is made of: read once, before anything is written, into a `Source`.

An archive is opened once, to tell its kind, whether it is whole and the names of its files. A file or folder is walked
once (`packaging.source_files`); `packaging.archive` packs the members that were found then.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.domain.package_spec import NO_SOURCE, SourceFacts, SourceKind
from distd.packaging.source_files import find_members, opened_file

if TYPE_CHECKING:
    from pathlib import Path

    from distd.packaging.source_files import Member

PIECE_BYTES: Final = 1_048_576
_SUFFIXES: Final = (".zip", ".tar.gz", ".tgz")

# What the libraries make of bytes that are no archive, or a broken or encrypted one.
_BROKEN: Final = (zipfile.BadZipFile, tarfile.TarError, zlib.error, RuntimeError, ValueError, EOFError, OSError)


@dataclass(frozen=True, slots=True)
class Source:
    """A source that was read. `members`: what is to be packed; none of an archive. `archive`: the file that is one."""

    facts: SourceFacts
    members: tuple[Member, ...] = ()
    archive: Member | None = None


def read_source(path: Path | None, *, links: bool = True, is_script: bool = False, follow: bool = True) -> Source:
    """Read what `path` holds. `links`: whether symbolic links may be in it. `is_script`: a file is one. `follow`:
    whether `path` may lead over links.

    Raises `BadInput` for what is not there, cannot be read, or does not belong in a package.
    """
    if path is None:
        return Source(NO_SOURCE)
    mode = _mode(path)
    if stat.S_ISREG(mode) and has_archive_name(path):
        with opened_file(path, follow=follow) as (found, file):
            return Source(_read_archive(path, found, file), archive=found)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise BadInput("source", "a file or folder", f"{path}, which is neither")
    kind = SourceKind.FOLDER if stat.S_ISDIR(mode) else SourceKind.SCRIPT if is_script else SourceKind.FILE
    members = find_members(path, links=links, follow=follow)
    facts = SourceFacts(
        kind=kind,
        name=str(path),
        size_bytes=sum(member.size_bytes for member in members),
        file_names=frozenset(member.name for member in members if not stat.S_ISDIR(member.mode)),
        top_names=tuple(member.name for member in members if "/" not in member.name),
    )
    return Source(facts, members)


def has_archive_name(path: Path) -> bool:
    """Whether its name says that it is an archive.

    A wheel or a jar is a zip too, but whoever stores one wants it whole.
    """
    return path.name.lower().endswith(_SUFFIXES)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput("source", "a file or folder", f"{path}, which is not there") from None
    except (OSError, ValueError) as error:
        raise BadInput("source", "a file or folder", str(error)) from None


def _read_archive(path: Path, found: Member, file: IO[bytes]) -> SourceFacts:
    """Raises `BadInput` when it is none, or not whole."""
    names, kind = _zip_names(file), SourceKind.ZIP
    if names is None:
        file.seek(0)
        names, kind = _tar_gz_names(file, path), SourceKind.TAR_GZ
    if names is None:
        raise BadInput("source", "a zip or tar.gz archive, as its name says", str(path))
    return SourceFacts(kind, str(path), found.size_bytes, frozenset(name.removeprefix("./") for name in names))


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
