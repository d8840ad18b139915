"""Uploads on the disk; how they are sent is tested with `web.api.uploads`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3

from distd.domain.errors import BadInput, Conflict, DigestMismatch, TooLarge
from distd.storage.quota import NO_LIMITS
from distd.storage.uploads import MAX_HASHERS, OffsetMismatch, Upload, Uploads

if TYPE_CHECKING:
    from distd.storage.data_dir import DataDir


@pytest.fixture
def uploads(data: DataDir) -> Uploads:
    return Uploads(data, 1_000_000, NO_LIMITS)


def add(uploads: Uploads, name: str, offset: int, content: bytes) -> None:
    with uploads.open(name, offset, 100) as upload:
        upload.append(content)


def test_an_upload_in_two_parts(data: DataDir, uploads: Uploads) -> None:
    add(uploads, "a", 0, b"hel")
    assert uploads.state("a") == Upload("a", 3)
    with uploads.open("a", 3, 5) as upload:
        upload.append(b"lo")
        finished = upload.finish("")
    assert finished == Upload("a", 5, str(data.uploads / "a"), blake3(b"hello").hexdigest())
    assert (data.uploads / "a").read_bytes() == b"hello"
    assert uploads.all() == [Upload("a", 5, str(data.uploads / "a"))]


@pytest.mark.parametrize("offset", [2, 4])
def test_a_part_that_begins_elsewhere_is_told_where_to_begin(uploads: Uploads, offset: int) -> None:
    add(uploads, "a", 0, b"hel")
    with pytest.raises(OffsetMismatch, match=f"3 bytes of a have come, the part begins at {offset}") as caught:
        add(uploads, "a", offset, b"x")
    assert caught.value.size_bytes == 3


def test_the_hashes_of_the_latest_uploads_are_kept(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MAX_HASHERS + 1):
        add(uploads, f"a{number}", 0, b"hel")
    read_again: list[str] = []
    read = os.read

    def record(fd: int, size: int) -> bytes:
        read_again.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        return read(fd, size)

    monkeypatch.setattr(os, "read", record)
    for number in range(MAX_HASHERS + 1):
        with uploads.open(f"a{number}", 3, 5) as upload:
            upload.append(b"lo")
            assert upload.finish("").blake3 == blake3(b"hello").hexdigest()
    assert set(read_again) == {".part-a0"}


def test_a_wrong_digest_leaves_nothing(data: DataDir, uploads: Uploads) -> None:
    with uploads.open("a", 0, 5) as upload:
        upload.append(b"hello")
        with pytest.raises(DigestMismatch, match=r"Blake3: expected .*, got 00"):
            upload.finish("00")
    assert os.listdir(data.uploads) == []


REFUSED: dict[str, tuple[Any, ...]] = {
    "a name with a slash": ("a/b", 5, BadInput),
    "a hidden name": (".a", 5, BadInput),
    "too many bytes": ("a", 1_000_001, TooLarge),
}


@pytest.mark.parametrize(("name", "total_bytes", "error"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused(
    data: DataDir, uploads: Uploads, name: str, total_bytes: int, error: type[Exception]
) -> None:
    with pytest.raises(error), uploads.open(name, 0, total_bytes):
        pass
    assert not data.uploads.exists()


def test_one_at_a_time(uploads: Uploads) -> None:
    with uploads.open("a", 0, 5) as upload:
        upload.append(b"hel")
        with pytest.raises(Conflict, match="uploads: a is being uploaded right now"):
            add(uploads, "a", 0, b"x")
    assert uploads.state("a") == Upload("a", 3)


def test_a_removed_upload_is_gone(uploads: Uploads) -> None:
    add(uploads, "a", 0, b"hel")
    assert uploads.remove("a") is True
    assert uploads.remove("a") is False
    assert uploads.all() == []
