"""Files that operators upload, in parts if need be: `uploads/NAME`, and `uploads/.part-NAME` until it is whole.

What has come stays when the connection breaks, so the next part goes on behind it. The size of the part file is the
only state.
"""

from __future__ import annotations

import time
import unicodedata
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput, Conflict, DigestMismatch, NotFound, TooLarge
from distd.domain.lru import Lru
from distd.storage import quota
from distd.storage.atomic import map_disk_full
from distd.storage.partial_file import PartialFile
from distd.storage.store_usage import StoreUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distd.storage.data_dir import DataDir
    from distd.storage.partial_file import Hasher
    from distd.storage.quota import DiskLimits

PART: Final = ".part-"
FOLDER_MODE: Final = 0o750
MAX_UNFINISHED: Final = 64  # uploads at once
MAX_UNFINISHED_DAYS: Final = 7  # after which an unfinished one is removed
MAX_HASHERS: Final = 16  # kept of unfinished ones

MAX_NAME_CHARACTERS: Final = 200
MAX_NAME_BYTES: Final = 255 - len(PART)  # in UTF-8: file systems take names of 255 bytes

# Of no character in a name: control characters, surrogates, unassigned, line and paragraph ends (Unicode's categories).
_REFUSED_KINDS: Final = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})


class OffsetMismatch(Conflict):
    """A part that does not begin where the upload ends so far, which is at `size_bytes`."""

    def __init__(self, name: str, size_bytes: int, offset: int) -> None:
        super().__init__("Content-Range", f"{size_bytes} bytes of {name} have come, the part begins at {offset}")
        self.size_bytes = size_bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """`size_bytes` have come. `path` is where the whole file is; empty until then, as `blake3` (hexadecimal) is."""

    name: str
    size_bytes: int
    path: str = ""
    blake3: str = ""


class Uploads:
    """The uploads of a data directory. All calls block: they belong in threads. `max_bytes`: of one upload."""

    def __init__(self, data: DataDir, max_bytes: int, limits: DiskLimits) -> None:
        self._data = data
        self._max_bytes = max_bytes
        self._limits = limits
        self._usage = StoreUsage(data.fragments)
        # How much has come of an upload and its BLAKE3 so far, by the inode of the part file: the next part need not
        # hash the others again.
        self._hashers: Lru[int, tuple[int, Hasher]] = Lru(MAX_HASHERS)

    def limit(self, max_bytes: int, limits: DiskLimits) -> None:
        """From now on these limits count."""
        self._max_bytes, self._limits = max_bytes, limits

    def all(self) -> list[Upload]:
        """Those that are whole and those that are not, by name."""
        names = {path.name.removeprefix(PART) for path in self._paths()}
        found = []
        for name in sorted(names):
            with suppress(BadInput):  # what somebody else has put there
                found.append(self.state(name))
        return [upload for upload in found if upload is not None]

    def state(self, name: str) -> Upload | None:
        """None: nothing of it has come. An upload that is begun anew counts, not the whole file that it replaces."""
        name = _checked(name)
        part, whole = self._part(name), self._data.uploads / name
        with suppress(FileNotFoundError):
            return Upload(name, part.stat().st_size)
        with suppress(FileNotFoundError):
            return Upload(name, whole.stat().st_size, str(whole))
        return None

    def remove(self, name: str) -> bool:
        """Remove an upload; whether there was one."""
        name = _checked(name)
        found = self.state(name) is not None
        self._part(name).unlink(missing_ok=True)
        (self._data.uploads / name).unlink(missing_ok=True)
        return found

    def remove_stale(self) -> None:
        """Remove unfinished uploads that nothing was added to for `MAX_UNFINISHED_DAYS`.

        The others can be read by nobody else from now on, also those of an earlier version.
        """
        for path in self._paths():
            if not path.name.startswith(PART):
                continue
            if path.stat().st_mtime < time.time() - MAX_UNFINISHED_DAYS * 86_400:
                path.unlink(missing_ok=True)
            elif path.stat().st_mode & 0o077:
                path.chmod(0o600)
        if self._data.uploads.is_dir():
            self._make_folder()

    @contextmanager
    def open(self, name: str, offset: int, total_bytes: int, *, replace: bool = False) -> Iterator[UnfinishedUpload]:
        """The upload `name`, to `append` to from `offset` on; 0 begins anew. What has come stays.

        A whole upload of this name is replaced, when the new one is whole, only with `replace`; the parts after the
        first need not say it again.

        Raises `BadInput` for a name, `TooLarge`, `OffsetMismatch`, `Conflict` when there is a whole one or it is being
        uploaded by somebody else, `Unavailable` when the disk has no space for it.
        """
        name = _checked(name)
        part = self._part(name)
        if not offset and not replace and (self._data.uploads / name).exists():
            raise Conflict("name", f"there is an upload {name} already", "delete it, or send If-Match: * to replace it")
        if total_bytes > self._max_bytes:
            raise TooLarge("Content-Length", f"at most {self._max_bytes} bytes", f"{total_bytes} bytes")
        quota.check(self._data, self._limits, work_bytes=total_bytes - offset, stay_bytes=0, usage=self._usage)
        self._make_folder()
        others = [path for path in self._paths() if path.name.startswith(PART) and path != part]
        if len(others) >= MAX_UNFINISHED:
            raise Conflict("uploads", f"{MAX_UNFINISHED} are unfinished", "finish or delete some")
        with map_disk_full(), self._open_part(name, part, resume=offset > 0) as file:
            if file.size_bytes != offset:
                if not file.size_bytes:
                    file.discard()
                raise OffsetMismatch(name, file.size_bytes, offset)
            known_bytes, known = self._hashers.pop(file.inode) or (0, None)
            file.hash(known if known_bytes == offset else None)
            upload = UnfinishedUpload(name, file)
            try:
                yield upload
            finally:
                if not upload.is_finished:
                    self._hashers.put(file.inode, (file.size_bytes, file.hasher))

    def _make_folder(self) -> None:
        """For the server and its group alone, also where an earlier version made it for all."""
        folder = self._data.uploads
        folder.mkdir(FOLDER_MODE, exist_ok=True)
        if folder.stat().st_mode & 0o007:
            folder.chmod(FOLDER_MODE)

    def _open_part(self, name: str, part: Path, *, resume: bool) -> PartialFile:
        try:
            return PartialFile(self._data.uploads / name, part=part, hashed=False, resume=resume, locked=True)
        except BlockingIOError:
            raise Conflict("uploads", f"{name} is being uploaded right now") from None

    def _paths(self) -> list[Path]:
        return list(self._data.uploads.iterdir()) if self._data.uploads.is_dir() else []

    def _part(self, name: str) -> Path:
        return self._data.uploads / f"{PART}{name}"


def _checked(name: str) -> str:
    """The name in normal form C, in which one name is one file. Raises `BadInput`."""
    name = unicodedata.normalize("NFC", name)
    if not name or name.startswith(".") or name.strip() != name or set(name) & set("/\\\ufffd"):
        expected = "the name of a file: not empty, not beginning with a dot, without / and \\ and spaces around it"
        raise BadInput("name", expected, name)
    if any(unicodedata.category(char) in _REFUSED_KINDS for char in name):
        raise BadInput("name", "the name of a file without control characters", ascii(name))
    if len(name) > MAX_NAME_CHARACTERS or len(name.encode()) > MAX_NAME_BYTES:
        expected = f"a name of at most {MAX_NAME_CHARACTERS} characters and {MAX_NAME_BYTES} bytes in UTF-8"
        raise BadInput("name", expected, name)
    return name


def find_whole(data: DataDir, name: str) -> Path:
    """The file of an upload that is whole. Raises `BadInput` for a name, and `NotFound`."""
    path = data.uploads / _checked(name)
    if not path.is_file():
        raise NotFound("source.upload", "the name of an upload that is whole", name)
    return path


class UnfinishedUpload:
    """An upload that is being added to. Made by `Uploads.open`."""

    def __init__(self, name: str, file: PartialFile) -> None:
        self.is_finished = False
        self._name = name
        self._file = file

    @property
    def size_bytes(self) -> int:
        """How much has come."""
        return self._file.size_bytes

    def append(self, data: bytes | memoryview) -> None:
        """Write what comes next. Raises `Unavailable` when the disk is full: what was written of it stays."""
        with map_disk_full():
            self._file.append([data])

    def finish(self, expected_blake3: str) -> Upload:
        """Give it its name: all has come. `expected_blake3`: hexadecimal, empty when the client gave none.

        Raises `DigestMismatch` when it is another one; nothing is left of the upload then.
        """
        got = self._file.blake3.hex()
        self.is_finished = True
        if expected_blake3 and expected_blake3.lower() != got:
            self._file.discard()
            raise DigestMismatch("Blake3", f"{got}, the digest of what has come", expected_blake3)
        with map_disk_full():
            self._file.commit(mode=0o640, durable=True)
        return Upload(self._name, self._file.size_bytes, str(self._file.path), got)
