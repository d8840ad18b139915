"""The files and folders of a source, found once and opened later as the same ones.

Whoever may write in a folder can put a link in the place of a file at any moment. So folders are read by their
descriptors, no link below the source is followed, and a file is opened only if it still is the one that was found.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH: Final = 200  # folders within folders: each is open while what is in it is read
CHANGED: Final = "files that do not change while they are read"
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # whoever put a pipe there would make us wait
_STEP: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells whether a file is the same one, and unchanged. `mode` as `stat` has it, on the disk."""

    device: int
    inode: int
    mode: int
    size_bytes: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Member:
    """What goes into an archive: its name there ("a/b"), where it is, its mode and size, and where a link leads.
    `state`: how it was when it was found."""

    name: str
    path: Path
    mode: int
    size_bytes: int
    state: FileState
    link_target: str = ""


def find_members(source: Path, *, links: bool, follow: bool = True, most: int | None = None) -> tuple[Member, ...]:
    """The members of an archive of `source`, sorted by name. `links`: whether symbolic links may be in it. `follow`:
    whether `source` may be reached by links. `most`: so many at most; None: any number. Raises `BadInput` for what does
    not belong in one, and for more."""
    with _opened(source, follow=follow) as (fd, path):
        state = os.fstat(fd)
        if not stat.S_ISDIR(state.st_mode):
            return (_member(path, source.name, state),)
        found = list(islice(_walk(path, fd, links=links), None if most is None else most + 1))
        if most is not None and len(found) > most:
            raise BadInput("source", f"at most {most:,} files and folders", "more")
        return tuple(sorted(found, key=lambda member: member.name))


@contextmanager
def opened_file(source: Path, *, follow: bool = True) -> Iterator[tuple[Member, IO[bytes]]]:
    """A file that is a source as it is, such as an archive, and as one that is open. Raises `BadInput`."""
    with _opened(source, follow=follow) as (fd, path), os.fdopen(os.dup(fd), "rb") as file:
        yield _member(path, source.name, os.fstat(fd)), file


def open_member(member: Member, buffering: int = -1) -> IO[bytes]:
    """A file that was found. Raises `BadInput` when it cannot be read, or is no longer the same."""
    fd = _open_file(member.path)
    try:
        file: IO[bytes] = os.fdopen(fd, "rb", buffering)
    except BaseException:
        os.close(fd)
        raise
    try:
        check_unchanged(file, member)
    except BaseException:
        file.close()
        raise
    return file


def check_unchanged(file: IO[bytes], member: Member) -> None:
    """Raises `BadInput` where an open file is not the one that was found, or has changed since."""
    if _state(os.fstat(file.fileno())) != member.state:
        raise BadInput("source", CHANGED, str(member.path))


def with_content(member: Member, path: Path) -> Member:
    """A member whose content is that of a file of ours."""
    state = path.stat()
    return replace(member, path=path, size_bytes=state.st_size, state=_state(state))


@contextmanager
def _opened(source: Path, *, follow: bool) -> Iterator[tuple[int, Path]]:
    """A descriptor of the source, and its path, whose last part is no link."""
    path = Path(os.path.realpath(source)) if follow and source.is_symlink() else source
    fd = _open_file(path) if follow else _open_without_links(path)
    try:
        yield fd, path
    finally:
        os.close(fd)


def _open_file(path: Path | str, folder: int | None = None, shown: Path | None = None) -> int:
    try:
        return os.open(path, _READ | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadInput("source", CHANGED, f"{shown or path}, a link by now") from None
        what = "a readable folder" if (shown or Path(path)).is_dir() else "a readable file"
        raise BadInput("source", what, f"{shown or path}: {error.strerror}") from None


def _open_without_links(path: Path) -> int:
    """Part by part from the root, so that no part is a link by now."""
    folder = os.open("/", _STEP)
    try:
        for part in path.parts[1:-1]:
            below = os.open(part, _STEP, dir_fd=folder)
            os.close(folder)
            folder = below
        return _open_file(path.name, folder, path)
    except OSError as error:
        raise BadInput("source", "a path without links", f"{path}: {error.strerror}") from None
    finally:
        os.close(folder)


def _walk(root: Path, fd: int, *, links: bool) -> Iterator[Member]:
    folders, walked = {root}, set()
    for below, folder_names, file_names, folder in os.fwalk(".", dir_fd=fd, onerror=_refuse_folder):
        base = root / below
        walked.add(base)
        if len(base.parts) - len(root.parts) > MAX_DEPTH:
            raise BadInput("source", f"at most {MAX_DEPTH} folders within each other", str(base))
        for name in (*folder_names, *file_names):
            member = _find_below(root, base / name, folder, links=links)
            if stat.S_ISDIR(member.mode):
                folders.add(member.path)
            yield member
    if walked != folders:
        raise BadInput("source", CHANGED, str(min(walked ^ folders)))


def _find_below(root: Path, path: Path, folder: int, *, links: bool) -> Member:
    try:
        state = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
        target = _link_target(path, root, folder, links=links) if stat.S_ISLNK(state.st_mode) else ""
    except OSError:
        raise BadInput("source", CHANGED, str(path)) from None
    if stat.S_ISREG(state.st_mode):
        os.close(_open_file(path.name, folder, path))  # whether it can be read
    return _member(path, path.relative_to(root).as_posix(), state, target)


def _member(path: Path, name: str, state: os.stat_result, link_target: str = "") -> Member:
    if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode) or stat.S_ISLNK(state.st_mode)):
        raise BadInput("source", "files, folders and links only", str(path))
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadInput("source", "names in UTF-8", repr(str(path))) from None
    size_bytes = state.st_size if stat.S_ISREG(state.st_mode) else 0
    return Member(name, path, state.st_mode, size_bytes, _state(state), link_target)


def _state(found: os.stat_result) -> FileState:
    return FileState(found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns)


def _link_target(path: Path, root: Path, folder: int, *, links: bool) -> str:
    target = os.readlink(path.name, dir_fd=folder)
    if not links:
        raise BadInput("source", "no links in a zip for Windows", f"{path} → {target}")
    inside = os.path.normpath(path.parent / target)
    if os.path.isabs(target) or not f"{inside}/".startswith(f"{os.path.normpath(root)}/"):
        raise BadInput("source", "links that stay inside the folder", f"{path} → {target}")
    return target


def _refuse_folder(error: OSError) -> None:
    raise BadInput("source", "a readable folder", f"{error.filename}: {error.strerror}")
