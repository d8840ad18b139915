"""A file that comes piece by piece."""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from distd.domain.errors import Corrupt
from distd.storage.partial_file import PartialFile

if TYPE_CHECKING:
    from pathlib import Path


def test_it_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "a") as file:
        file.append([b"hel", b"lo"])
        assert not (tmp_path / "a").exists()
        file.check(5, blake3(b"hello").digest())
        file.commit()
    assert (tmp_path / "a").read_bytes() == b"hello"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_its_mode_is_the_one_that_was_asked_for(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with PartialFile(tmp_path / "a") as file:
            file.commit(mode=0o640, durable=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_it_goes_on_where_an_earlier_process_was(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "a") as file:
        file.append([b"hel"])
    with PartialFile(tmp_path / "a") as file:
        assert (file.size_bytes, file.blake3) == (3, blake3(b"hel").digest())
        file.append([b"lo"])
        file.check(5, blake3(b"hello").digest())


def test_unhashed_it_goes_on_too(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "a", hashed=False) as file:
        file.append([b"hel"])
    with PartialFile(tmp_path / "a", hashed=False) as file:
        file.append([b"lo"])
        file.commit()
    assert (tmp_path / "a").read_bytes() == b"hello"


def test_it_begins_anew_where_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"stale")
    with PartialFile(tmp_path / "a", resume=False) as file:
        file.append([b"new"])
        assert (file.size_bytes, file.blake3) == (3, blake3(b"new").digest())
        file.commit()
    assert (tmp_path / "a").read_bytes() == b"new"


def test_too_many_bytes_are_refused_and_thrown_away(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "a", limit_bytes=4) as file:
        file.append([b"hell"])
        with pytest.raises(Corrupt, match="expected 4 bytes, got more"):
            file.append([b"o"])
        assert file.size_bytes == 0
    assert (tmp_path / "a.part").read_bytes() == b""


def test_what_is_there_beyond_the_limit_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"too much")
    with PartialFile(tmp_path / "a", limit_bytes=4) as file:
        assert (file.size_bytes, file.blake3) == (0, blake3().digest())


def test_another_content_is_thrown_away(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "a") as file:
        file.append([b"hello"])
        with pytest.raises(Corrupt, match=f"expected 5 bytes, {blake3(b'hallo').hexdigest()}"):
            file.check(5, blake3(b"hallo").digest())
        assert file.size_bytes == 0


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        PartialFile(tmp_path / "a")
    assert not (tmp_path / "elsewhere").exists()


def test_a_name_of_its_own_for_what_has_come(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "a", part=tmp_path / ".part-a") as file:
        file.append([b"x"])
        assert (tmp_path / ".part-a").exists()
        file.discard()
    assert list(tmp_path.iterdir()) == []


def test_only_one_can_have_it_locked(tmp_path: Path) -> None:
    with PartialFile(tmp_path / "a", locked=True) as file:
        file.append([b"hello"])
        with pytest.raises(BlockingIOError):
            PartialFile(tmp_path / "a", locked=True, resume=False)
        assert (tmp_path / "a.part").read_bytes() == b"hello"
    with PartialFile(tmp_path / "a", locked=True) as file:
        assert file.size_bytes == 5


def test_a_file_that_was_finished_before_the_lock_was_held_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def finish_then_lock(fd: int, how: int) -> None:
        (tmp_path / "a.part").rename(tmp_path / "a")
        flock(fd, how)

    (tmp_path / "a.part").write_bytes(b"whole")
    monkeypatch.setattr(fcntl, "flock", finish_then_lock)
    with pytest.raises(BlockingIOError):
        PartialFile(tmp_path / "a", locked=True, resume=False)
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_a_hash_that_is_known_is_not_computed_again(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"hel")
    with PartialFile(tmp_path / "a", hashed=False) as file:
        file.hash(blake3(b"HEL"))  # another one, so that it shows
        file.append([b"lo"])
        assert file.blake3 == blake3(b"HELlo").digest()
        file.hash(None)
        assert file.blake3 == blake3(b"hello").digest()
        file.append([b"!"])
    assert (tmp_path / "a.part").read_bytes() == b"hello!"
