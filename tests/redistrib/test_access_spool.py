"""Which agents fetched what: in memory, and on the disk."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from distd.storage import atomic
from distd.wire import packing
from redistrib import access_spool as module
from redistrib.access_spool import AccessSpool
from tests.redistrib.fakes import log

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def spool(tmp_path: Path) -> AccessSpool:
    return AccessSpool(tmp_path, log)


def rows(spool: AccessSpool) -> list[list[Any]]:
    return [row for path in spool.batches() for row in spool.read(path)["access"]]


def test_fragments_of_one_agent_and_package_are_one_row(spool: AccessSpool) -> None:
    for number in (1, 2, 3, 7, 7):
        spool.add("1-aa", "10.0.0.1", "17", number, 100)
    spool.add("1-aa", "10.0.0.1", "18", 1, 5)
    spool.add("", "10.0.0.1", "17", 1, 5)
    spool.flush()
    assert rows(spool) == [
        ["1-aa", "10.0.0.1", "17", "1-3,7", 500],
        ["1-aa", "10.0.0.1", "18", "1", 5],
        ["", "10.0.0.1", "17", "1", 5],
    ]


def test_what_was_flushed_is_not_flushed_again(spool: AccessSpool) -> None:
    spool.add("", "10.0.0.1", "17", 1, 5)
    spool.flush()
    spool.flush()
    spool.add("", "10.0.0.1", "17", 2, 5)
    spool.flush()
    assert [row[3] for row in rows(spool)] == ["1", "2"]
    spool.remove(spool.batches()[0])
    assert [row[3] for row in rows(spool)] == ["2"]


def test_batches_have_an_end(spool: AccessSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    for number in range(5):
        spool.add("", f"10.0.0.{number}", "17", 1, 5)
    spool.flush()
    assert [len(spool.read(path)["access"]) for path in spool.batches()] == [2, 2, 1]
    assert [row[1] for row in rows(spool)] == [f"10.0.0.{number}" for number in range(5)]


def test_the_oldest_batches_are_dropped(
    spool: AccessSpool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_BATCHES", 3)
    monkeypatch.setattr(module, "MAX_ROWS", 1)
    for number in range(1, 6):
        spool.add("", f"10.0.0.{number}", "17", number, 1)
    spool.flush()
    assert [row[1] for row in rows(spool)] == ["10.0.0.3", "10.0.0.4", "10.0.0.5"]
    assert len(caplog.messages) == 2


def test_memory_has_an_end(spool: AccessSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD", 2)
    for number in range(5):
        spool.add("", f"10.0.0.{number}", "17", 1, 5)
    spool.add("", "10.0.0.0", "17", 2, 5)  # known ones still count
    spool.flush()
    assert [row[1:4] for row in rows(spool)] == [["10.0.0.0", "17", "1-2"], ["10.0.0.1", "17", "1"]]


def test_on_a_full_disk_it_is_kept_in_memory(spool: AccessSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 1)
    write_file = atomic.write_file
    written: list[Path] = []

    def fail(path: Path, *arguments: Any, **options: Any) -> None:
        if written:
            raise OSError(errno.ENOSPC, "full")
        written.append(path)
        return write_file(path, *arguments, **options)

    monkeypatch.setattr(atomic, "write_file", fail)
    for number in range(3):
        spool.add("", f"10.0.0.{number}", "17", 1, 5)
    with pytest.raises(OSError, match="full"):
        spool.flush()
    monkeypatch.undo()
    spool.flush()
    assert [row[1] for row in rows(spool)] == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]


def test_only_batches_are_listed_the_oldest_first(spool: AccessSpool, tmp_path: Path) -> None:
    for name in ("02", "01", ".new-03-17", "x"):
        (tmp_path / name).write_bytes(packing.pack({"access": []}))
    assert [path.name for path in spool.batches()] == ["01", "02"]


def test_a_batch_that_cannot_be_read_is_empty(spool: AccessSpool, tmp_path: Path) -> None:
    (tmp_path / "01").write_bytes(b"cut")
    assert spool.read(tmp_path / "01") == {}
