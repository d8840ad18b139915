"""STORE: the unpacked files are copied to where the package says, and nowhere else, whoever changes links meanwhile.

An agent runs as root, and users may own a part of the path that it writes to. So each folder is opened by its name in
the folder above, which is open already, never through a link; files are made, written and renamed in the open folder.
A folder that is replaced by a link meanwhile is still the one that is written to.

Links in the path of the target itself (`/bin`, `/var/run`) are followed where no user can have made them.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

COPY_BYTES: Final = 1_048_576
MAX_LINKS: Final = 40  # in a path, as Linux has it
NEW_FOLDER: Final = 0o755
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_IS_LINK: Final = (errno.ELOOP, errno.ENOTDIR)


def store(tree: Path, target: Path) -> None:
    """Copy the unpacked files to `target`, made if need be; each file is there whole or not at all.

    A second run does no harm, so an interrupted STORE is simply done again. `tree` is the agent's own.

    Raises `OSError`, and `BadInput` for a target that is relative, or leads through a link of a user.
    """
    with ExitStack() as stack:
        top = _open_target(target, stack)
        _copy_folder(tree, top)


def _copy_folder(source: Path, folder: int) -> None:
    """All that is in `source` into the open `folder`."""
    with os.scandir(source) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_symlink():
            _place_link(os.readlink(entry.path), folder, entry.name)
        elif entry.is_dir():
            with _open_or_make(folder, entry.name, stat.S_IMODE(entry.stat().st_mode)) as below:
                _copy_folder(Path(entry.path), below)
        else:
            _place_file(entry, folder)
    os.fsync(folder)


def _place_link(link: str, folder: int, name: str) -> None:
    beside = _beside(folder, name)
    os.symlink(link, beside, dir_fd=folder)
    os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)


def _place_file(source: os.DirEntry[str], folder: int) -> None:
    facts = source.stat()
    beside = _beside(folder, source.name)
    fd = os.open(beside, _NEW_FILE, 0o600, dir_fd=folder)
    with open(source.path, "rb") as data, os.fdopen(fd, "wb") as out:
        while piece := data.read(COPY_BYTES):
            out.write(piece)
        out.flush()
        os.fchmod(fd, stat.S_IMODE(facts.st_mode))
        os.utime(fd, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        os.fsync(fd)
    os.replace(beside, source.name, src_dir_fd=folder, dst_dir_fd=folder)


def _beside(folder: int, name: str) -> str:
    """The name under which a file is made; what a crash has left there is removed."""
    beside = f".{name}.distd-new"
    with suppress(FileNotFoundError):
        os.unlink(beside, dir_fd=folder)
    return beside


@contextmanager
def _open_or_make(parent: int, name: str, mode: int) -> Iterator[int]:
    """The folder `name` of the open folder `parent`. One of the computer's own keeps its mode.

    Raises `BadInput` for a link.
    """
    fd = _open_below(parent, name, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def _open_below(parent: int, name: str, mode: int) -> int:
    """Open the folder `name`, or make it with this mode. Raises `BadInput` for a link."""
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno in _IS_LINK and _is_link(parent, name):
            raise BadInput("info/PATH", "a folder that is reached through no link", name) from None
        raise
    os.mkdir(name, 0o700, dir_fd=parent)
    fd = os.open(name, _FOLDER, dir_fd=parent)
    os.fchmod(fd, mode)  # whatever the umask says
    return fd


def _is_link(parent: int, name: str) -> bool:
    with suppress(FileNotFoundError):
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    return False


def _open_target(target: Path, stack: ExitStack) -> int:
    """The folder `target`, opened from the root on. Raises `BadInput`, `OSError`."""
    if not target.is_absolute() or ".." in target.parts:
        raise BadInput("info/PATH", "an absolute path without ..", str(target))
    opened = [_close_at_end(os.open("/", _FOLDER), stack)]  # all the folders down to where it is, for ".." in links
    left = list(target.parts[1:])
    links = 0
    while left:
        name = left.pop(0)
        if name == "..":
            opened = opened[:-1] or opened
            continue
        link = _trusted_link(opened[-1], name)
        if link is None:
            opened.append(_close_at_end(_open_below(opened[-1], name, NEW_FOLDER), stack))
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
        path = PurePosixPath(link)
        opened = opened[:1] if path.is_absolute() else opened
        left = [part for part in path.parts if part != "/"] + left
    return opened[-1]


def _close_at_end(fd: int, stack: ExitStack) -> int:
    stack.callback(os.close, fd)
    return fd


def _trusted_link(parent: int, name: str) -> str | None:
    """Where the link `name` leads, if only the system's administrator and this user can have made it; None: it is no
    such link."""
    ours = (0, os.geteuid())
    folder = os.fstat(parent)
    if folder.st_uid not in ours or folder.st_mode & 0o022 or not _is_link(parent, name):
        return None
    return os.readlink(name, dir_fd=parent)
