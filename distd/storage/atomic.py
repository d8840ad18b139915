"""The atomic primitives: a crash at any moment leaves the old state or the new one, never a half.

What is being written has a hidden name (".building-…", ".deleted-…", ".new-…") beside its final one, so that a web
server which serves the folder, and `remove_stale` after a crash, recognise it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from distd.domain.errors import NoSpace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUILDING: Final = ".building-"
DELETED: Final = ".deleted-"
NEW: Final = ".new-"
LOCK: Final = ".lock"  # in a folder that is being built: whoever builds it holds a lock on it

# Why there can be no (further) link to a file: another file system, one without links, too many.
_LINK_REFUSED: Final = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK)

# Two calls of Linux that Python does not have.
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


def write_file(path: Path, data: bytes, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """`path` holds `data`, or what it held before. `owner`: user and group by number; None: those of the process."""
    new = path.with_name(f"{NEW}{path.name}-{os.getpid()}")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "wb") as file:
            if owner is not None:
                os.fchown(fd, *owner)
            os.fchmod(fd, mode)  # whatever the umask says
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.rename(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def building(parent: Path, name: str) -> Iterator[Path]:
    """A hidden folder in `parent` to build `name` in. Whatever is left of it at the end of the block is removed.

    It is locked for as long as the block lasts, so that `remove_stale` does not take it for a leftover.
    """
    folder = parent / f"{BUILDING}{name}-{os.getpid()}"
    folder.mkdir()
    try:
        folder.chmod(0o755)  # whatever the umask says: it is going to be served
        with (folder / f"{LOCK}-{os.getpid()}").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(lock.name, folder / LOCK)  # it is never seen unlocked
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sync_tree(folder: Path) -> None:
    """Put everything in a folder, and the folder, onto the disk.

    The whole file system is synced: one call for any number of fragments, where an fsync of each would take minutes.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_LIBC.syncfs(fd), folder)
    finally:
        os.close(fd)


def publish_directory(folder: Path, final: Path) -> None:
    """Give a folder that is built, and on the disk, its final name. `final` must not exist.

    Raises `FileExistsError` when it does.
    """
    (folder / LOCK).unlink(missing_ok=True)
    _sync(folder)
    if final.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
    os.rename(folder, final)
    sync_folder(final.parent)


def replace_directory(folder: Path, final: Path) -> None:
    """Put a folder that is built, and on the disk, in the place of `final`, which then has the name of `folder`.

    At every moment `final` is one of the two, as a whole.
    """
    (folder / LOCK).unlink(missing_ok=True)
    _sync(folder)
    names = os.fsencode(folder), os.fsencode(final)
    _check(_LIBC.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE), final)
    sync_folder(final.parent)


@contextmanager
def removing(path: Path) -> Iterator[None]:
    """Remove a folder: its name is gone at once, whatever happens to its files.

    In the block its files are gone too, and what depends on them can be removed. A crash until then leaves the folder
    under a hidden name, by which `remove_stale` knows that there is something to remove.
    """
    hidden = rename_for_deletion(path)
    for entry in hidden.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    yield
    hidden.rmdir()


def rename_for_deletion(path: Path) -> Path:
    """Take a folder's name away; the path that it has now. `remove_stale` removes what a crash leaves of it."""
    hidden = path.with_name(f"{DELETED}{path.name}-{os.getpid()}")
    os.rename(path, hidden)
    sync_folder(path.parent)
    return hidden


def remove_stale(folder: Path) -> list[str]:
    """Remove what crashes have left in `folder`; gives the names. What a living process works on stays."""
    removed = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((DELETED, NEW, BUILDING)) and not _is_held(path):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def link_or_copy(source: Path, target: Path) -> None:
    """`target` becomes another name of `source`, or a copy where there can be no link."""
    try:
        os.link(source, target)
    except OSError as error:
        if not is_link_refused(error):
            raise
        shutil.copy2(source, target)


def is_link_refused(error: OSError) -> bool:
    """Whether it says that there can be no (further) link to a file, so that a copy must do."""
    return error.errno in _LINK_REFUSED


def sync_folder(folder: Path) -> None:
    """Put a folder onto the disk: only then is a new name in it there too."""
    _sync(folder)


def _check(result: int, path: Path) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _is_held(path: Path) -> bool:
    """Whether a process works on it: by its lock, or where there is none (yet, or any more), by the pid in its name."""
    if not (path / LOCK).exists():
        return _is_alive(path.name.rpartition("-")[2])
    try:
        with (path / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True  # locked, or removed at this moment
    return False


def _is_alive(pid: str) -> bool:
    return pid.isdecimal() and os.path.exists(f"/proc/{pid}")


@contextmanager
def map_disk_full() -> Iterator[None]:
    """Turns a full disk or quota into `NoSpace`: something to be retried, not a bug."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace("data directory", "the disk is full") from error
        raise
