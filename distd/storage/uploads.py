"""Files that operators upload, in parts if need be: `uploads/NAME`, and `uploads/.part-NAME` until it is whole.

What has come stays when the connection breaks, so the next part goes on behind it. The size of the part file is all
the state there is.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from distd.domain.errors import BadInput, Conflict, Corrupt, TooLarge
from distd.storage import atomic, quota
from distd.storage.atomic import map_disk_full

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path

    from distd.storage.data_dir import DataDir
    from distd.storage.quota import Room

PART: Final = ".part-"
PARTS_LIMIT: Final = 64  # unfinished uploads at once
PART_DAYS: Final = 7  # after which an unfinished one is given up
HASHES_KEPT: Final = 16
PIECE_BYTES: Final = 1_048_576

_NAME: Final = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9._+@ ()-]{0,199}")


class OutOfPlace(Conflict):
    """A part that does not begin where the upload stands. `size_bytes` says where that is."""

    def __init__(self, name: str, size_bytes: int, offset: int) -> None:
        super().__init__("Content-Range", f"{name} stands at byte {size_bytes}, the part begins at {offset}")
        self.size_bytes = size_bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """`size_bytes` have come. `path` is where the whole file lies; empty until then, as `blake3` (hexadecimal) is."""

    name: str
    size_bytes: int
    path: str = ""
    blake3: str = ""


class Uploads:
    """The uploads of a data directory. All calls block: they belong in threads. `max_bytes`: of one upload."""

    def __init__(self, data: DataDir, max_bytes: int, limits: Room) -> None:
        self._data = data
        self._max_bytes = max_bytes
        self._limits = limits
        # BLAKE3 of what has come of an upload, by the number of the part file: a part need not hash the others again.
        self._hashes: dict[int, tuple[int, blake3]] = {}

    def all(self) -> list[Upload]:
        """Those that are whole and those that are not, by name."""
        names = {path.name.removeprefix(PART) for path in self._paths()}
        return [one for one in map(self.state, sorted(names)) if one is not None]

    def state(self, name: str) -> Upload | None:
        """None: nothing of it has come. An upload that is begun anew counts, not the whole file that it replaces."""
        part, whole = self._part(name), self._data.uploads / name
        with suppress(FileNotFoundError):
            return Upload(name, part.stat().st_size)
        with suppress(FileNotFoundError):
            return Upload(name, whole.stat().st_size, str(whole))
        return None

    def remove(self, name: str) -> bool:
        """Whether there was one."""
        found = self.state(name) is not None
        self._part(name).unlink(missing_ok=True)
        (self._data.uploads / name).unlink(missing_ok=True)
        return found

    def sweep(self) -> None:
        """Give up what nobody has gone on with for long."""
        for path in self._paths():
            if path.name.startswith(PART) and path.stat().st_mtime < time.time() - PART_DAYS * 86_400:
                path.unlink(missing_ok=True)

    @contextmanager
    def open(self, name: str, offset: int, total_bytes: int) -> Iterator[Part]:
        """The part of `name` from `offset` on, to `append` to; 0 begins anew. It stays as far as it has come.

        Raises `BadInput` for a name, `TooLarge`, `OutOfPlace`, `Conflict` when somebody else is at it, `Unavailable`
        when there is no room.
        """
        path = self._part(name)
        if total_bytes > self._max_bytes:
            raise TooLarge("Content-Length", f"at most {self._max_bytes} bytes", f"{total_bytes} bytes")
        quota.check(self._data, self._limits, work_bytes=total_bytes - offset, stay_bytes=0)
        self._data.uploads.mkdir(exist_ok=True)
        parts = [other for other in self._paths() if other.name.startswith(PART) and other != path]
        if len(parts) >= PARTS_LIMIT:
            raise Conflict("uploads", f"{PARTS_LIMIT} are unfinished", "finish or delete some")
        with map_disk_full(), path.open("ab", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict("uploads", f"{name} is being uploaded right now") from None
            if offset == 0:
                file.truncate(0)
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes != offset:
                if not size_bytes:
                    path.unlink()
                raise OutOfPlace(name, size_bytes, offset)
            part = Part(name, file, path, self._hash(file, path, offset), offset)
            try:
                yield part
            finally:
                self._remember(file, part)

    def _hash(self, file: FileIO, path: Path, size_bytes: int) -> blake3:
        """Of what has come already: known, or read again."""
        known_bytes, known = self._hashes.pop(os.fstat(file.fileno()).st_ino, (0, blake3()))
        if known_bytes == size_bytes:
            return known
        digest = blake3()
        with path.open("rb", buffering=0) as again:
            while piece := again.read(PIECE_BYTES):
                digest.update(piece)
        return digest

    def _remember(self, file: FileIO, part: Part) -> None:
        while len(self._hashes) >= HASHES_KEPT:
            del self._hashes[next(iter(self._hashes))]
        if not part.is_whole:
            self._hashes[os.fstat(file.fileno()).st_ino] = part.size_bytes, part.digest

    def _paths(self) -> list[Path]:
        return list(self._data.uploads.iterdir()) if self._data.uploads.is_dir() else []

    def _part(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or name.endswith(" "):
            raise BadInput("name", "letters, digits and . _ + @ ( ) -, at most 200 of them", name)
        return self._data.uploads / f"{PART}{name}"


class Part:
    """An upload that somebody is at. Made by `Uploads.open`."""

    def __init__(self, name: str, file: FileIO, path: Path, digest: blake3, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.digest = digest
        self.is_whole = False
        self._name = name
        self._file = file
        self._path = path

    def append(self, data: bytes) -> None:
        """Raises `Unavailable` when the disk is full: what was written of it stays."""
        view = memoryview(data)
        with map_disk_full():
            while view:
                written = self._file.write(view)
                self.digest.update(view[:written])
                self.size_bytes += written
                view = view[written:]

    def finish(self, expected_blake3: str) -> Upload:
        """All has come: it gets its name. `expected_blake3`: hexadecimal, empty when the client told none.

        Raises `Corrupt` when it is another one; nothing is left of the upload then.
        """
        got = self.digest.hexdigest()
        if expected_blake3 and expected_blake3.lower() != got:
            self._path.unlink()
            self.is_whole = True
            raise Corrupt(f"upload {self._name}", expected_blake3, got)
        whole = self._path.with_name(self._name)
        os.fsync(self._file.fileno())
        os.chmod(self._path, 0o640)
        os.replace(self._path, whole)
        atomic.sync_folder(whole.parent)
        self.is_whole = True
        return Upload(self._name, self.size_bytes, str(whole), got)
