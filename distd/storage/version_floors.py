"""Version floors: the latest version of each package that was ever taken, so that no earlier one is taken again.

An earlier version is as validly signed as the latest one, and may be what was withdrawn since. The file is text, a line
"ID VERSION" for each package, the one that was raised last at the end. Several processes may raise floors at once.
"""

from __future__ import annotations

import fcntl
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from distd.domain.errors import Corrupt
from distd.storage import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_FLOORS: Final = 100_000
FIRST_VERSION: Final = 1  # nothing is lower: such floors need not be kept

_LINE: Final = re.compile("([0-9]{1,20}) ([0-9]{1,18})")


class VersionFloors:
    """The floors in a file, which need not be there yet. All calls block.

    Of more than `limit` packages those are forgotten whose floors were raised first.
    """

    def __init__(self, path: Path, limit: int = MAX_FLOORS) -> None:
        self._path = path
        self._limit = limit

    def verify(self) -> None:
        """Raises `Corrupt` when the file cannot be read."""
        self._read()

    def check(self, package_id: str, version: int) -> None:
        """Raises `Corrupt` for a version below the package's floor."""
        floor = self._read().get(package_id, FIRST_VERSION)
        if version < floor:
            raise Corrupt(f"version of {package_id}", f"{floor} or later, as was here already", str(version))

    def raise_to(self, versions: Mapping[str, int]) -> None:
        """These versions, by package id, have been taken. On the disk at the return."""
        higher = {package_id: version for package_id, version in versions.items() if version > FIRST_VERSION}
        if not higher or not self._lower_than(higher, self._read()):
            return
        with self._held():
            floors = self._read()
            for package_id in self._lower_than(higher, floors):
                floors.pop(package_id, None)
                floors[package_id] = higher[package_id]
            kept = list(floors.items())[-self._limit :]
            atomic.write_file(self._path, "".join(f"{name} {version}\n" for name, version in kept).encode())

    def _lower_than(self, versions: Mapping[str, int], floors: Mapping[str, int]) -> list[str]:
        return [name for name, version in versions.items() if floors.get(name, FIRST_VERSION) < version]

    def _read(self) -> dict[str, int]:
        """Raises `Corrupt`: with a floor that cannot be read anything might be taken."""
        try:
            lines = self._path.read_text("ascii").splitlines()
        except FileNotFoundError:
            return {}
        except ValueError:
            raise Corrupt(str(self._path), "lines of an id and a version", "something else") from None
        found = [_LINE.fullmatch(line) for line in lines]
        if None in found:
            raise Corrupt(str(self._path), "lines of an id and a version", "another line")
        return {match[1]: int(match[2]) for match in found if match is not None}

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._path.with_name(f"{self._path.name}.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
