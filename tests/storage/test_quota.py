"""Limits on the disk."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import Unavailable
from distd.storage import quota
from distd.storage.quota import NO_LIMITS, DiskLimits

if TYPE_CHECKING:
    from distd.storage.data_dir import DataDir


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch, data: DataDir) -> None:
    """A disk with 1010 bytes free, and a content store of 100."""
    usage = shutil.disk_usage(data.root)._replace(free=1010)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (data.fragments / "00").mkdir(parents=True)
    (data.fragments / "00" / "11").write_bytes(bytes(100))


FITS = [(NO_LIMITS, 1000, 10**9), (DiskLimits(keep_free_bytes=505), 500, 0), (DiskLimits(quota_bytes=200), 0, 100)]
FITS_NOT = [
    (NO_LIMITS, 1001, 0, "1011 bytes are needed, 1010 are free"),
    (DiskLimits(keep_free_bytes=506), 500, 0, "505 bytes are needed beside the 506 that stay free, 1010 are free"),
    (DiskLimits(quota_bytes=200), 0, 101, "store.quota_mib allows 200 bytes: 100 are used, and 101 more are needed"),
]


@pytest.mark.parametrize(("limits", "work_bytes", "stay_bytes"), FITS)
def test_what_fits_just_so(data: DataDir, limits: DiskLimits, work_bytes: int, stay_bytes: int) -> None:
    quota.check(data, limits, work_bytes=work_bytes, stay_bytes=stay_bytes)


@pytest.mark.parametrize(("limits", "work_bytes", "stay_bytes", "message"), FITS_NOT)
def test_what_is_a_byte_too_much(
    data: DataDir, limits: DiskLimits, work_bytes: int, stay_bytes: int, message: str
) -> None:
    with pytest.raises(Unavailable, match=f"data directory: {re.escape(message)}"):
        quota.check(data, limits, work_bytes=work_bytes, stay_bytes=stay_bytes)
