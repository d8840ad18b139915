"""Large files onto the disk while the rest of them is still to come.

Left to itself the kernel begins to write when a lot has gathered, or at the sync in the end, which then takes as long
as all the hashing before. On ext4 a write of a whole MiB costs twice the system time of eight of 128 KiB (Linux 6.18,
large folios); `loadtests/README.md` has the figures.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

WRITE_BYTES: Final = 131_072
STEP_BYTES: Final = 8_388_608  # so much may gather of a file that is being written,
MIN_BYTES: Final = 262_144  # and at its end so much: of small files each would be a request of its own to the disk

_LIBC: Final = ctypes.CDLL(None, use_errno=True)  # Python does not have the call
_SYNC_FILE_RANGE_WRITE: Final = 2


class WriteBack:
    """Has the disk begin with what was written of a file, from `begun_bytes` on."""

    __slots__ = ("_begun_bytes",)

    def __init__(self, begun_bytes: int = 0) -> None:
        self._begun_bytes = begun_bytes

    def wrote(self, fd: int, size_bytes: int, *, is_last: bool = False) -> None:
        """The file has `size_bytes` now. Where the file system cannot do it, the sync in the end does."""
        fresh_bytes = size_bytes - self._begun_bytes
        if fresh_bytes >= (MIN_BYTES if is_last else STEP_BYTES):
            offset, count = ctypes.c_int64(self._begun_bytes), ctypes.c_int64(fresh_bytes)
            _LIBC.sync_file_range(fd, offset, count, _SYNC_FILE_RANGE_WRITE)
            self._begun_bytes = size_bytes


def write(fd: int, data: memoryview) -> int:
    """Write the beginning of `data`; how much. Raises `OSError`."""
    return os.write(fd, data[:WRITE_BYTES])
