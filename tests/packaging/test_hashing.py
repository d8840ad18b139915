"""Bytes from a reader to a taker and their hashes: whatever the pieces, whoever fails."""

from __future__ import annotations

import errno
import hashlib
import threading
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from distd.packaging import hashing
from distd.packaging.hashing import chained, open_hashing_reader

if TYPE_CHECKING:
    from pathlib import Path

    from distd.packaging.hashing import HashingReader, Read


def reader(content: bytes, most: int = 10**9) -> Read:
    """A `read` that gives `content`, at most so many bytes at a time."""
    left = memoryview(content)

    def read(buffer: memoryview) -> int:
        nonlocal left
        size = min(len(buffer), len(left), most)
        buffer[:size] = left[:size]
        left = left[size:]
        return size

    return read


def taken(hashing_reader: HashingReader, length: int) -> bytes:
    return b"".join(bytes(piece) for piece in hashing_reader.read_pieces(length))


@given(st.binary(max_size=5000), st.data(), st.integers(1, 700), st.sampled_from([1, 7, 512, 10_000]))
def test_what_is_taken_is_what_was_read_and_hashed(
    content: bytes, data: st.DataObject, block_bytes: int, most: int
) -> None:
    lengths = data.draw(st.lists(st.integers(0, 800), max_size=20))
    lengths = [*lengths, max(0, len(content) - sum(lengths))]
    md5, whole = hashlib.md5(), blake3()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hashing, "BLOCK_BYTES", block_bytes)
        with open_hashing_reader(reader(content, most), md5, (whole,)) as hashing_reader:
            if sum(lengths) > len(content):
                with pytest.raises(EOFError):
                    [taken(hashing_reader, length) for length in lengths]
                return
            assert b"".join(taken(hashing_reader, length) for length in lengths) == content
            hashing_reader.end()
    assert (md5.digest(), whole.digest()) == (hashlib.md5(content).digest(), blake3(content).digest())


def test_more_than_expected_is_told() -> None:
    with open_hashing_reader(reader(b"12345"), hashlib.md5()) as hashing_reader:
        assert taken(hashing_reader, 4) == b"1234"
        with pytest.raises(ValueError, match="more bytes than expected"):
            hashing_reader.end()


def test_what_fails_in_the_thread_is_raised_by_the_taker() -> None:
    def read(_buffer: memoryview) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"), open_hashing_reader(read, hashlib.md5()) as hashing_reader:
        taken(hashing_reader, 1)


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_who_leaves_early_leaves_no_thread(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "BLOCK_BYTES", 10)
    with open_hashing_reader(reader(bytes(10_000)), hashlib.md5()) as hashing_reader:
        taken(hashing_reader, 10 * blocks)
    assert "reader" not in [thread.name for thread in threading.enumerate()]


def test_files_after_one_another_are_one_stream(tmp_path: Path) -> None:
    contents = [b"", b"ab", b"", b"cde"]
    paths = [tmp_path / str(number) for number in range(4)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    with chained(paths) as read, open_hashing_reader(read, md5 := hashlib.md5()) as hashing_reader:
        assert taken(hashing_reader, 5) == b"abcde"
        hashing_reader.end()
    assert md5.digest() == hashlib.md5(b"abcde").digest()


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        chained([tmp_path / "1"]) as read,
        open_hashing_reader(read, hashlib.md5()) as hashing_reader,
    ):
        taken(hashing_reader, 1)
