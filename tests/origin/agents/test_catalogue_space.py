"""What agents send is refused while the disk has too little free, until something is deleted."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import Unavailable
from distd.origin.agents.catalogue_space import MIN_REUSABLE_BYTES, CatalogueSpace

if TYPE_CHECKING:
    from pathlib import Path

KEPT_BYTES = 1000


class Disk:
    """A disk, a database and a clock that say what a test wants."""

    def __init__(self) -> None:
        self.free_bytes = KEPT_BYTES
        self.free_pages_bytes = 0
        self.now_s = 5.0
        self.looks = 0

    def usage(self, _folder: Any) -> Any:
        self.looks += 1
        return SimpleNamespace(free=self.free_bytes)

    def reusable_bytes(self) -> int:
        return self.free_pages_bytes


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(shutil, "disk_usage", disk.usage)
    monkeypatch.setattr("distd.origin.agents.catalogue_space.time.monotonic", lambda: disk.now_s)
    return disk


@pytest.fixture
def space(disk: Any, tmp_path: Path) -> CatalogueSpace:
    return CatalogueSpace(disk, tmp_path, KEPT_BYTES)


def test_the_disk_is_looked_at_once_a_second(space: CatalogueSpace, disk: Disk) -> None:
    for _ in range(100):
        space.require()
    assert disk.looks == 1
    disk.free_bytes -= 1
    disk.now_s += 0.9
    space.require()
    disk.now_s += 0.1
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"999 bytes of the disk are free, store\.keep_free_mib keeps 1000"):
            space.require()
    assert disk.looks == 2


def test_what_was_deleted_is_written_over(space: CatalogueSpace, disk: Disk) -> None:
    disk.free_bytes = 0
    disk.free_pages_bytes = MIN_REUSABLE_BYTES - 1
    with pytest.raises(Unavailable):
        space.require()
    disk.free_pages_bytes += 1
    disk.now_s += 1
    space.require()


def test_another_limit_counts_at_once(space: CatalogueSpace, disk: Disk) -> None:
    space.require()
    space.limit(KEPT_BYTES + 1)
    with pytest.raises(Unavailable):
        space.require()
    space.limit(0)
    disk.free_bytes = 0
    space.require()
