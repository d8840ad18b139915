"""Fragments read as one file: as the file itself would be."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentsim.native.joined_file import JoinedFile

if TYPE_CHECKING:
    from pathlib import Path


def split(folder: Path, parts: list[bytes]) -> list[Path]:
    """Files of these contents; gives their paths."""
    paths = [folder / str(number) for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    return paths


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    parts=st.lists(st.binary(max_size=50), max_size=8),
    steps=st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(-60, 300), st.integers(0, 120)), max_size=12),
)
def test_it_reads_as_the_whole_does(tmp_path: Path, parts: list[bytes], steps: list[tuple[int, int, int]]) -> None:
    whole = io.BytesIO(b"".join(parts))
    with io.BufferedReader(JoinedFile(split(tmp_path, parts), [len(part) for part in parts]), 16) as joined:
        for whence, offset, size in steps:
            base = {0: 0, 1: whole.tell(), 2: len(whole.getvalue())}[whence]
            if base + offset < 0:
                continue
            assert joined.seek(offset, whence) == whole.seek(base + offset)
            assert joined.read(size) == whole.read(size)


def test_one_file_is_open_at_a_time_and_none_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    closed: list[int] = []
    real_open, real_close = os.open, os.close

    def note_open(path: Path, flags: int) -> int:
        assert opened == closed
        opened.append(real_open(path, flags))
        return opened[-1]

    def note_close(fd: int) -> None:
        closed.append(fd)
        real_close(fd)

    monkeypatch.setattr(os, "open", note_open)
    monkeypatch.setattr(os, "close", note_close)
    paths = split(tmp_path, [b"abc", b"def"])
    with JoinedFile(paths, [3, 3]) as joined:
        assert [joined.read(2), joined.read(2), joined.read(2)] == [b"ab", b"c", b"de"]
        assert (len(opened), len(closed)) == (2, 1)
    assert opened == closed


def test_before_the_beginning_there_is_nothing(tmp_path: Path) -> None:
    with JoinedFile(split(tmp_path, [b"a"]), [1]) as joined, pytest.raises(OSError, match="before the beginning"):
        joined.seek(-1)


def test_the_beginning_and_what_is_behind_the_end_of_a_part(tmp_path: Path) -> None:
    with JoinedFile(split(tmp_path, [b"abcX", b"def"]), [3, 3]) as joined:
        assert joined.seek(0) == 0
        assert joined.read(6) == b"abc"
        assert joined.read(6) == b"def"
        assert joined.seek(-6, os.SEEK_CUR) == 0


def test_a_file_that_has_shrunk_ends_there(tmp_path: Path) -> None:
    with JoinedFile(split(tmp_path, [b"abc", b"def"]), [4, 3]) as joined:
        assert joined.read(3) == b"abc"
        assert joined.read(3) == b""
