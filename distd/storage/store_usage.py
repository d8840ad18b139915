"""How much of the disk the content store takes: a running figure, without reading the whole store each time."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# A folder that has changed so shortly before it was read may change again within one tick of the file system's clock,
# and so without a sign: it is read again the next time. Linux' own file systems tick at least every 10 ms; a time of
# whole seconds may be of one that has seconds only, or every other second.
SETTLED_NS: Final = 100_000_000
SETTLED_COARSE_NS: Final = 3_000_000_000
_SECOND_NS: Final = 1_000_000_000


class StoreUsage:
    """The bytes in the content store in `root`, a folder that need not exist yet. All calls block, in any thread.

    What is known is kept for each of the store's 256 folders, and a folder is read again only when its time of
    modification says that a fragment has come or gone; a stored fragment itself never changes. So the figure is right
    after a restart and after a crash, for nothing is kept on the disk, and whoever else writes to the store.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, tuple[int, int]] = {}  # by folder: when it was modified, the bytes in it
        self._lock = threading.Lock()

    def used_bytes(self) -> int:
        """Of all fragments, each counted once. Raises `OSError`."""
        with self._lock:
            found: dict[str, tuple[int, int]] = {}
            total_bytes = 0
            for folder in self._folders():
                modified_ns, size_bytes = self._known.get(folder.name, (-1, 0))
                now_ns = time.time_ns()  # before the state is read
                state_ns = folder.stat().st_mtime_ns
                if state_ns != modified_ns:
                    size_bytes = sum(entry.stat().st_size for entry in _entries(folder.path))
                total_bytes += size_bytes
                if now_ns - state_ns > (SETTLED_NS if state_ns % _SECOND_NS else SETTLED_COARSE_NS):
                    found[folder.name] = state_ns, size_bytes
            self._known = found
            return total_bytes

    def _folders(self) -> list[os.DirEntry[str]]:
        return _entries(self._root)


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
