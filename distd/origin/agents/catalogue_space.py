"""Whether the disk has space for what agents send: `store.keep_free_mib` holds for the catalogue too.

Agents are not authenticated, so they may not fill the disk. Operators' acts are not refused: a deletion is what helps.
It gives no file back to the disk, but pages of the database that are used again; these count.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final

from distd.domain.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from distd.catalogue.engine import Catalogue

CHECK_S: Final = 1.0
# Free pages of the database that are enough to go on without more of the disk.
MIN_REUSABLE_BYTES: Final = 8_388_608


class CatalogueSpace:
    """The space of the catalogue in `folder`. `require` may be called from any thread, and for each POST."""

    def __init__(self, catalogue: Catalogue, folder: Path, keep_free_bytes: int) -> None:
        self._catalogue = catalogue
        self._folder = folder
        self._keep_free_bytes = keep_free_bytes
        self._checked_s = float("-inf")
        self._refusal = ""

    def limit(self, keep_free_bytes: int) -> None:
        """From now on so many bytes stay free."""
        self._keep_free_bytes = keep_free_bytes
        self._checked_s = float("-inf")

    def require(self) -> None:
        """Raises `Unavailable` when the disk has less free. It looks once a second."""
        now_s = time.monotonic()
        if now_s - self._checked_s >= CHECK_S:
            self._refusal = self._check()
            self._checked_s = now_s
        if self._refusal:
            raise Unavailable("data directory", self._refusal)

    def _check(self) -> str:
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes >= self._keep_free_bytes:
            return ""
        reusable_bytes = self._catalogue.reusable_bytes()
        if reusable_bytes is None or reusable_bytes >= MIN_REUSABLE_BYTES:
            return ""
        return f"{free_bytes} bytes of the disk are free, store.keep_free_mib keeps {self._keep_free_bytes}"
