"""When the disk begins with what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.storage import write_back
from distd.storage.write_back import MIN_BYTES, STEP_BYTES, WRITE_BYTES, WriteBack, write

if TYPE_CHECKING:
    from pathlib import Path


class Calls:
    """Notes which ranges the disk was told to begin with."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def sync_file_range(self, fd: int, offset: Any, count: Any, flags: int) -> int:
        assert (fd, flags) == (7, 2)
        self.ranges.append((offset.value, count.value))
        return 0


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made = Calls()
    monkeypatch.setattr(write_back, "_LIBC", made)
    return made


def test_a_large_file_is_begun_step_by_step_and_at_its_end(calls: Calls) -> None:
    tested = WriteBack()
    for size_bytes in range(0, 2 * STEP_BYTES + MIN_BYTES + 1, MIN_BYTES):
        tested.wrote(7, size_bytes)
    tested.wrote(7, 2 * STEP_BYTES + MIN_BYTES, is_last=True)
    assert calls.ranges == [(0, STEP_BYTES), (STEP_BYTES, STEP_BYTES), (2 * STEP_BYTES, MIN_BYTES)]


def test_small_files_are_left_to_the_sync(calls: Calls) -> None:
    WriteBack().wrote(7, MIN_BYTES - 1, is_last=True)
    assert calls.ranges == []


def test_a_file_that_is_gone_on_with_is_begun_where_it_was(calls: Calls) -> None:
    WriteBack(1000).wrote(7, 1000 + MIN_BYTES, is_last=True)
    assert calls.ranges == [(1000, MIN_BYTES)]


def test_the_call_is_taken_by_the_kernel_and_writes_are_pieces(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    with (tmp_path / "file").open("wb", buffering=0) as file:
        assert write(file.fileno(), memoryview(data)) == WRITE_BYTES
        assert write(file.fileno(), memoryview(data)[WRITE_BYTES:MIN_BYTES]) == MIN_BYTES - WRITE_BYTES
        WriteBack().wrote(file.fileno(), MIN_BYTES, is_last=True)
    assert (tmp_path / "file").read_bytes() == data[:MIN_BYTES]
