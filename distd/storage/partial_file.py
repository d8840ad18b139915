"""A file that comes piece by piece, and gets its name when it is whole."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING, Final, Self

from blake3 import blake3

from distd.domain.errors import Corrupt
from distd.storage import atomic
from distd.storage.write_back import WriteBack, write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Hasher = blake3

SUFFIX: Final = ".part"
_PIECE_BYTES: Final = 1_048_576


class PartialFile:
    """What has come of the file at `path`, in `part` beside it. All calls block: they belong in threads.

    What an earlier process left in `part` counts, unless `resume` is false; with `hashed` it is read again. The file
    may have `limit_bytes` at the most. With `locked` no other process can open it so meanwhile, and no other user can
    read it before it is whole.

    Resource handling: closed by `close`, or at the end of a `with` block. What has come stays on the disk until
    `commit` or `discard`.
    Error handling: opening raises `OSError`, and `BlockingIOError` when another process has the lock.
    """

    def __init__(
        self,
        path: Path,
        *,
        part: Path | None = None,
        limit_bytes: int | None = None,
        hashed: bool = True,
        resume: bool = True,
        locked: bool = False,
    ) -> None:
        self.path = path
        self.part = path.with_name(path.name + SUFFIX) if part is None else part
        self.size_bytes = 0
        self._limit_bytes = limit_bytes
        self._hasher: Hasher | None = None
        self._fd = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600 if locked else 0o644)
        try:
            if locked:
                self._lock()
                os.fchmod(self._fd, 0o600)  # an earlier version made it with another mode
            self.size_bytes = os.lseek(self._fd, 0, os.SEEK_END)
            self._write_back = WriteBack(self.size_bytes)
            if not resume or (limit_bytes is not None and self.size_bytes > limit_bytes):
                self.restart()
            if hashed:
                self.hash(None)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def blake3(self) -> bytes:
        """The BLAKE3 of what has come. Only of a file that is hashed."""
        return self.hasher.digest()

    @property
    def hasher(self) -> Hasher:
        """What computes the BLAKE3. Only of a file that is hashed."""
        assert self._hasher is not None
        return self._hasher

    @property
    def inode(self) -> int:
        """The number of the file, by which it is known while it has this part's name or the final one."""
        return os.fstat(self._fd).st_ino

    def hash(self, known: Hasher | None) -> None:
        """From now on compute the BLAKE3. `known`: that of what has come; None: what has come is read again."""
        if known is None:
            known = blake3()
            os.lseek(self._fd, 0, os.SEEK_SET)
            while piece := os.read(self._fd, _PIECE_BYTES):
                known.update(piece)
        self._hasher = known

    def append(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Write pieces behind what has come.

        Raises `Corrupt`, and begins anew, when the file grows beyond its limit; `OSError` when the disk is full.
        """
        for piece in pieces:
            if self._limit_bytes is not None and self.size_bytes + len(piece) > self._limit_bytes:
                self.restart()
                raise Corrupt(self.path.name, f"{self._limit_bytes} bytes", "more")
            self._append(memoryview(piece))
            self._write_back.wrote(self._fd, self.size_bytes)

    def _append(self, piece: memoryview) -> None:
        """Write it, and hash it in one go: each call gives the interpreter away, and waits to get it back."""
        written_bytes = 0
        try:
            while written_bytes < len(piece):
                written_bytes += write(self._fd, piece[written_bytes:])
        finally:  # what was written before the disk was full counts
            if self._hasher is not None:
                self._hasher.update(piece[:written_bytes])
            self.size_bytes += written_bytes

    def restart(self) -> None:
        """Forget what has come."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size_bytes = 0
        self._write_back = WriteBack()
        if self._hasher is not None:
            self._hasher = blake3()

    def check(self, length: int, digest: bytes) -> None:
        """Raises `Corrupt`, and begins anew, when these are not the length and the BLAKE3 of what has come."""
        if (self.size_bytes, self.blake3) != (length, digest):
            expected, got = f"{length} bytes, {digest.hex()}", f"{self.size_bytes} bytes, {self.blake3.hex()}"
            self.restart()
            raise Corrupt(self.path.name, expected, got)

    def commit(self, *, mode: int = 0o644, durable: bool = False) -> None:
        """It is whole: give it its name. `durable`: on the disk, too, before this returns."""
        os.fchmod(self._fd, mode)  # whatever the umask says
        self._write_back.wrote(self._fd, self.size_bytes, is_last=True)
        if durable:
            os.fsync(self._fd)
        os.replace(self.part, self.path)
        if durable:
            atomic.sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove what has come."""
        self.part.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; once more does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lock(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had the lock may have given the file its name, or removed it, since it was opened here.
        if not self.part.exists() or self.part.stat().st_ino != self.inode:
            raise BlockingIOError(errno.EWOULDBLOCK, "another process has just finished it", str(self.part))
