"""Which agents fetched which fragments, kept until the origin has been told.

What was fetched is written to the disk in batches, and removed when the origin has it. So it outlives both the end of
this process and the absence of the origin.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from distd.domain.errors import Corrupt
from distd.storage import atomic
from distd.wire import packing
from distd.wire.number_ranges import render

if TYPE_CHECKING:
    import logging
    from pathlib import Path

MAX_ROWS: Final = 5000  # of a batch
MAX_HELD: Final = 100_000  # rows in memory, between two flushes
MAX_BATCHES: Final = 2000  # on the disk; the oldest are dropped


class _Key(NamedTuple):
    token: str
    address: str
    package_id: str


@dataclass(slots=True)
class _Fetched:
    numbers: set[int] = field(default_factory=set)
    size_bytes: int = 0


class AccessSpool:
    """`folder` holds the batches, one file each, the oldest first by name."""

    def __init__(self, folder: Path, log: logging.Logger) -> None:
        self._folder = folder
        self._log = log
        self._held: dict[_Key, _Fetched] = {}

    def add(self, token: str, address: str, package_id: str, number: int, size_bytes: int) -> None:
        """A fragment was sent to its end. `token`: the one in the path, may be empty."""
        key = _Key(token, address, package_id)
        fetched = self._held.get(key)
        if fetched is None:
            if len(self._held) >= MAX_HELD:
                return
            fetched = self._held[key] = _Fetched()
        fetched.numbers.add(number)
        fetched.size_bytes += size_bytes

    def flush(self) -> None:
        """Write what was added since the last time. Raises `OSError`: then it is kept in memory."""
        rows = [[*key, render(fetched.numbers), fetched.size_bytes] for key, fetched in self._held.items()]
        for start in range(0, len(rows), MAX_ROWS):
            batch = {"batch": uuid.uuid4().hex, "at_s": time.time(), "access": rows[start : start + MAX_ROWS]}
            atomic.write_file(self._folder / f"{time.time_ns():020}", packing.pack(batch), mode=0o600)
            for key in list(self._held)[:MAX_ROWS]:
                del self._held[key]
        paths = self.batches()
        for path in paths[: max(len(paths) - MAX_BATCHES, 0)]:
            self._log.warning("the origin has been away for too long: who fetched what in %s is dropped", path.name)
            path.unlink()

    def batches(self) -> list[Path]:
        """The files of the batches, the oldest first."""
        return sorted(path for path in self._folder.iterdir() if path.name.isdecimal())

    def read(self, path: Path) -> dict[str, Any]:
        """A batch; empty when it cannot be read."""
        try:
            return packing.unpack(path.read_bytes(), dict[str, Any], f"spool {path.name}")
        except Corrupt as error:
            self._log.warning("%s", error)
            return {}

    def remove(self, path: Path) -> None:
        """The origin has this batch."""
        path.unlink(missing_ok=True)
