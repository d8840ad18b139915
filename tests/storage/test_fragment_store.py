"""The content store: one copy of equal bytes, counted by links, hashed before it is shared."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from distd.storage.fragment_store import FragmentStore, hash_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeFile = Callable[..., tuple[Path, bytes]]


@pytest.fixture
def store(tmp_path: Path) -> FragmentStore:
    return FragmentStore(tmp_path / "fragments")


@pytest.fixture
def file(tmp_path: Path) -> MakeFile:
    """Makes a file outside of the store; gives its path and its BLAKE3."""

    def make(name: str, content: bytes = b"bytes") -> tuple[Path, bytes]:
        path = tmp_path / "package" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path, blake3(content).digest()

    return make


def test_equal_bytes_are_on_the_disk_once(store: FragmentStore, file: MakeFile) -> None:
    first, digest = file("17-1")
    second, _ = file("18-1")
    store.add(first, digest)
    store.add(second, digest)
    assert first.stat().st_ino == second.stat().st_ino == store.path(digest).stat().st_ino
    assert store.path(digest).stat().st_nlink == 3
    assert store.used_bytes() == 5


def test_keeping_twice_changes_nothing(store: FragmentStore, file: MakeFile) -> None:
    first, digest = file("17-1")
    store.add(first, digest)
    store.add(first, digest)
    assert sorted(path.name for path in first.parent.iterdir()) == ["17-1"]
    assert first.read_bytes() == b"bytes"


def test_what_no_package_has_goes_and_nothing_else(store: FragmentStore, file: MakeFile) -> None:
    kept, digest = file("17-1")
    gone, other = file("17-2", b"other bytes")
    for path, its_digest in ((kept, digest), (gone, other)):
        store.add(path, its_digest)
    gone.unlink()
    store.remove_unused()
    assert store.path(digest).exists()
    assert not store.path(other).exists()


def test_a_spoiled_copy_is_not_shared_and_is_replaced(store: FragmentStore, file: MakeFile) -> None:
    first, digest = file("17-1")
    store.add(first, digest)
    first.write_bytes(b"bytEs")  # in place: the store's copy is the same file
    second, _ = file("18-1")
    store.add(second, digest)
    assert second.read_bytes() == b"bytes"
    assert store.path(digest).stat().st_ino == second.stat().st_ino
    assert hash_file(store.path(digest)) == (5, digest)


def test_what_is_not_there_cannot_be_fetched(store: FragmentStore, file: MakeFile) -> None:
    path, _ = file("17-1")
    assert store.link_to(bytes(32), path) is False
    assert path.read_bytes() == b"bytes"


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP])
def test_where_there_can_be_no_link_a_fragment_is_in_its_package_only(
    store: FragmentStore, file: MakeFile, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    path, digest = file("17-1")
    monkeypatch.setattr(os, "link", refuse)
    store.add(path, digest)
    assert path.read_bytes() == b"bytes"
    assert store.used_bytes() == 0


def test_another_error_is_told(store: FragmentStore, file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    path, digest = file("17-1")
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        store.add(path, digest)


def test_leftovers_of_a_dead_process_are_removed(store: FragmentStore, file: MakeFile) -> None:
    path, digest = file("17-1")
    store.add(path, digest)
    left = store.path(digest).with_name(".new-x-99999999")
    left.write_bytes(b"")
    store.remove_unused()
    assert not left.exists()
    assert store.path(digest).exists()


def test_an_empty_store_has_nothing(store: FragmentStore) -> None:
    store.remove_unused()
    assert store.used_bytes() == 0
