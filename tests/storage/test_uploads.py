"""Uploads on the disk; how they are sent is tested with `web.api.uploads`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3

from distd.domain.errors import BadInput, Conflict, DigestMismatch, NotFound, TooLarge
from distd.storage.quota import NO_LIMITS
from distd.storage.uploads import MAX_HASHERS, OffsetMismatch, Upload, Uploads, find_whole

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_whole_upload_is_found(data: DataDir, uploads: Uploads) -> None:
    add(uploads, "a", 0, b"hel")
    with pytest.raises(NotFound, match=r"source\.upload: expected the name of an upload that is whole, got a"):
        find_whole(data, "a")
    with uploads.open("a", 3, 5) as upload:
        upload.append(b"lo")
        upload.finish("")
    assert find_whole(data, "a").read_bytes() == b"hello"
    with pytest.raises(BadInput, match="the name of a file"):
        find_whole(data, "../a")


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


NAMES = [
    "Übung 1.zip",
    "logiciel école (été).exe",
    "日本語.tar.gz",
    "програма-2.0.msi",
    "a" * 200,
    "é" * 124,
    "100%.zip",
    "-x",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_file(data: DataDir, uploads: Uploads, name: str) -> None:
    with uploads.open(name, 0, 1) as upload:
        upload.append(b"x")
        assert upload.finish("").path == str(data.uploads / name)
    assert [found.name for found in uploads.all()] == [name]


NO_NAMES = [
    "",
    ".",
    "..",
    ".part-a",
    "a/b",
    "a\\b",
    "a\nb",
    "a\x00b",
    "a\x7f",
    "a\u2028b",
    " a",
    "a ",
    "a" * 201,
    "é" * 125,
    "\ufffd",
]


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_what_is_no_name_of_a_file(data: DataDir, uploads: Uploads, name: str) -> None:
    with pytest.raises(BadInput, match=r"name: expected "), uploads.open(name, 0, 1):
        pass
    for call in (uploads.state, uploads.remove):
        with pytest.raises(BadInput, match=r"name: expected "):
            call(name)
    assert not data.uploads.exists()


def test_one_name_is_one_file_however_it_is_composed(uploads: Uploads) -> None:
    add(uploads, "e\u0301te\u0301", 0, b"x")
    assert uploads.all() == [Upload("\u00e9t\u00e9", 1)]
    assert uploads.state("e\u0301te\u0301") == uploads.state("\u00e9t\u00e9") == Upload("\u00e9t\u00e9", 1)
    assert uploads.remove("e\u0301te\u0301") is True


def finish(uploads: Uploads, content: bytes, offset: int = 0, *, replace: bool = False) -> None:
    with uploads.open("a", offset, offset + len(content), replace=replace) as upload:
        upload.append(content)
        upload.finish("")


def test_a_whole_upload_is_replaced_only_where_that_is_said(data: DataDir, uploads: Uploads) -> None:
    finish(uploads, b"old")
    with pytest.raises(Conflict, match="there is an upload a already; delete it, or send If-Match"):
        finish(uploads, b"new")
    assert (data.uploads / "a").read_bytes() == b"old"
    with uploads.open("a", 0, 3, replace=True) as upload:
        upload.append(b"n")
    assert (data.uploads / "a").read_bytes() == b"old"  # until the new one is whole
    finish(uploads, b"ew", 1)
    assert (data.uploads / "a").read_bytes() == b"new"


def test_what_others_have_put_there_is_not_listed(data: DataDir, uploads: Uploads) -> None:
    data.uploads.mkdir()
    (data.uploads / ".hidden").touch()
    assert uploads.all() == []


def test_limits_that_change(uploads: Uploads) -> None:
    uploads.limit(5, NO_LIMITS)
    with pytest.raises(TooLarge, match="at most 5 bytes"):
        finish(uploads, b"123456")
    finish(uploads, b"12345")


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


def test_nobody_else_reads_an_unfinished_upload(data: DataDir, uploads: Uploads) -> None:
    add(uploads, "a", 0, b"hel")
    part = data.uploads / ".part-a"
    assert (mode_of(part), mode_of(data.uploads)) == (0o600, 0o750)
    for path in (part, data.uploads):  # as an earlier version made them
        path.chmod(path.stat().st_mode | 0o044)
    add(uploads, "a", 3, b"l")
    assert (mode_of(part), mode_of(data.uploads)) == (0o600, 0o750)
    for path in (part, data.uploads):
        path.chmod(path.stat().st_mode | 0o044)
    uploads.remove_stale()
    assert (mode_of(part), mode_of(data.uploads)) == (0o600, 0o750)
    with uploads.open("a", 4, 5) as upload:
        upload.finish("")
    assert mode_of(data.uploads / "a") == 0o640


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
