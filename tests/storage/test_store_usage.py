"""The running figure of the content store: right whatever changes it, and without reading what has not changed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from distd.storage.store_usage import SETTLED_COARSE_NS, SETTLED_NS, StoreUsage

if TYPE_CHECKING:
    from pathlib import Path

DAY_S = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of three fragments in two folders, which have not changed for a day."""
    for name, size in (("00/a", 100), ("00/b", 20), ("ff/c", 3)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    for folder in ("00", "ff"):
        age(tmp_path / folder, DAY_S)
    return tmp_path


def age(folder: Path, by_s: float, *, whole: bool = False) -> None:
    at_ns = time.time_ns() - round(by_s * 1e9)
    at_ns = at_ns - at_ns % 1_000_000_000 + (0 if whole else 500)
    os.utime(folder, ns=(at_ns, at_ns))


@pytest.fixture
def read_folders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that are read."""
    names: list[str] = []
    scandir = os.scandir

    def record(folder: Any) -> Any:
        names.append(os.path.basename(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", record)
    return names


def test_what_has_not_changed_is_read_once(store: Path, read_folders: list[str]) -> None:
    usage = StoreUsage(store)
    assert [usage.used_bytes() for _ in range(3)] == [123] * 3
    assert sorted(read_folders) == sorted(["00", "ff", *[store.name] * 3])


def test_what_comes_and_goes_is_noticed_whoever_does_it(store: Path) -> None:
    usage = StoreUsage(store)
    assert usage.used_bytes() == 123
    (store / "00" / "d").write_bytes(bytes(1000))
    assert usage.used_bytes() == 1123
    (store / "77").mkdir()
    (store / "77" / "e").write_bytes(bytes(10_000))
    assert usage.used_bytes() == 11_123
    (store / "00" / "a").unlink()
    assert usage.used_bytes() == 11_023
    for path in (store / "ff" / "c", store / "ff"):
        path.unlink() if path.is_file() else path.rmdir()
    assert usage.used_bytes() == StoreUsage(store).used_bytes() == 11_020


@pytest.mark.parametrize(("settled_ns", "whole"), [(SETTLED_NS, False), (SETTLED_COARSE_NS, True)])
def test_a_folder_that_has_just_changed_is_read_again(
    store: Path, read_folders: list[str], monkeypatch: pytest.MonkeyPatch, settled_ns: int, whole: bool
) -> None:
    """The file system's clock has ticks: another change within the same one has no other time."""
    usage = StoreUsage(store)
    age(store / "00", 10, whole=whole)
    modified_ns = (store / "00").stat().st_mtime_ns
    monkeypatch.setattr(time, "time_ns", lambda: modified_ns + settled_ns)
    assert usage.used_bytes() == 123
    (store / "00" / "d").write_bytes(bytes(1000))
    os.utime(store / "00", ns=(modified_ns, modified_ns))
    assert usage.used_bytes() == 1123
    monkeypatch.setattr(time, "time_ns", lambda: modified_ns + settled_ns + 1)
    assert usage.used_bytes() == 1123
    read_folders.clear()
    assert usage.used_bytes() == 1123
    assert read_folders == [store.name]


def test_a_store_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert StoreUsage(tmp_path / "none").used_bytes() == 0
