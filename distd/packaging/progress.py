"""The progress of a long piece of work, in bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

# Called with the bytes that are done and the bytes in all.
Progress = Callable[[int, int], None]

STEPS: Final = 500  # into which the work is divided at most


class ProgressMeter:
    """Counts bytes and calls `progress` some hundred times in all, so that small pieces cost nothing."""

    def __init__(self, progress: Progress | None, total_bytes: int) -> None:
        self._progress = progress
        self._total_bytes = total_bytes
        self._step_bytes = total_bytes // STEPS
        self._done_bytes = 0
        self._told_bytes = 0

    def add(self, size_bytes: int) -> None:
        """So many more bytes are done."""
        self._done_bytes += size_bytes
        new_bytes = self._done_bytes - self._told_bytes
        if self._progress is None or (new_bytes < self._step_bytes and self._done_bytes < self._total_bytes):
            return
        self._told_bytes = self._done_bytes
        self._progress(self._done_bytes, self._total_bytes)
