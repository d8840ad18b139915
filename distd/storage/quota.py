"""Limits on the disk: what would not fit is refused before it is begun."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from distd.domain.errors import NoSpace
from distd.storage.store_usage import StoreUsage

if TYPE_CHECKING:
    from distd.storage.data_dir import DataDir


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """`quota_bytes`: for all fragments, each counted once; 0: no limit. `keep_free_bytes`: left free on the disk."""

    quota_bytes: int = 0
    keep_free_bytes: int = 0


NO_LIMITS: Final = DiskLimits()


def check(
    data: DataDir, limits: DiskLimits, *, work_bytes: int, stay_bytes: int, usage: StoreUsage | None = None
) -> None:
    """Whether so many bytes may be written, of which so many stay as fragments. Raises `NoSpace`.

    A hundredth is added for folders and manifests. `usage`: of the content store, for those who ask often.
    """
    check_free(data, limits, work_bytes * 101 // 100)
    if not limits.quota_bytes:
        return
    used_bytes = (usage or StoreUsage(data.fragments)).used_bytes()
    if used_bytes + stay_bytes > limits.quota_bytes:
        limit = f"store.quota_mib allows {limits.quota_bytes} bytes"
        raise NoSpace("data directory", f"{limit}: {used_bytes} are used, and {stay_bytes} more are needed")


def check_free(data: DataDir, limits: DiskLimits, need_bytes: int) -> None:
    """Whether the disk has room for so many bytes. Raises `NoSpace`. It takes microseconds."""
    free_bytes = shutil.disk_usage(data.download).free
    if need_bytes + limits.keep_free_bytes > free_bytes:
        kept = f" beside the {limits.keep_free_bytes} that stay free" if limits.keep_free_bytes else ""
        raise NoSpace("data directory", f"{need_bytes} bytes are needed{kept}, {free_bytes} are free")


def free_bytes(data: DataDir, limits: DiskLimits) -> int:
    """How much may be written before only what is to stay free is left of the disk; 0: nothing."""
    return max(shutil.disk_usage(data.download).free - limits.keep_free_bytes, 0)
