"""Fragments as the one file that they are parts of, without writing it: it takes neither time nor space on the disk."""

from __future__ import annotations

import errno
import io
import os
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from _typeshed import WriteableBuffer


class JoinedFile(io.RawIOBase):
    """`paths` one after another, to be read and sought in; one is open at a time. `lengths` are theirs, in bytes."""

    def __init__(self, paths: Sequence[Path], lengths: Sequence[int]) -> None:
        self._paths = paths
        self._ends = list(accumulate(lengths))
        self._position = 0
        self._open = -1  # the number of the file that is open,
        self._fd = -1  # and its descriptor

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new position, which may be beyond the end."""
        size_bytes = self._ends[-1] if self._ends else 0
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size_bytes}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "a position before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """0 at the end, and where a file is shorter than it was."""
        number = bisect_right(self._ends, self._position)
        if number == len(self._ends):
            return 0
        begin = self._ends[number - 1] if number else 0
        if number != self._open:
            self._close()
            self._fd = os.open(self._paths[number], os.O_RDONLY | os.O_CLOEXEC)
            self._open = number
        left = self._ends[number] - self._position
        count = os.preadv(self._fd, [memoryview(buffer)[:left]], self._position - begin)
        self._position += count
        return count

    def close(self) -> None:
        """Close the file that is open."""
        self._close()
        super().close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = self._open = -1
