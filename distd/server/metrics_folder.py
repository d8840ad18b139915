"""The folder in which the workers of a supervisor share their metrics, among the system's temporary files.

Resource handling: it goes with the supervisor; one that was killed leaves it, and the next supervisor removes it. A
lock says that it is in use: the supervisor has it, and so has each worker that it has started, until the last one ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "distd-metrics-"
LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class MetricsFolder:
    """`lock`: a descriptor that workers get, too."""

    path: str
    lock: int


@contextmanager
def open_metrics_folder() -> Iterator[MetricsFolder]:
    """A new one, for as long as the block lasts; those of supervisors that were killed go first."""
    for left in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            _remove_unused(left)
    with TemporaryDirectory(prefix=PREFIX) as path:
        begun, lock_file = Path(path, f"{LOCK}.new"), Path(path, LOCK)
        lock = os.open(begun, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            begun.rename(lock_file)  # from now on it has the name that others look for, and is locked
            yield MetricsFolder(path, lock)
        finally:
            os.close(lock)


def _remove_unused(folder: Path) -> None:
    """Raises `OSError` for one that is in use, or is not ours."""
    if folder.lstat().st_uid != os.geteuid():
        raise PermissionError(folder)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)
