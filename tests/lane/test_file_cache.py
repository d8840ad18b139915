"""Open files, and the digests that are their ETags."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput
from distd.lane import file_cache
from distd.lane.file_cache import FileCache
from distd.wire.manifest import Digests

if TYPE_CHECKING:
    from pathlib import Path

INFO, FIRST, SECOND = b"i" * 32, b"1" * 32, b"2" * 32


class Folder:
    """A download folder; `read` notes whose digests were asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.read: list[str] = []
        self.lengths = array("Q", [4, 4])  # of the two fragments "17-1" and "17-2"

    def package(self, package_id: str, fragments: int = 2) -> None:
        (self.root / package_id).mkdir()
        for name in ("info", "manifest", *(f"{package_id}-{number}" for number in range(1, fragments + 1))):
            (self.root / package_id / name).write_bytes(name.encode())

    def digests_of(self, package_id: str) -> Digests:
        self.read.append(package_id)
        if package_id == "66":
            raise BadInput("manifest", "a signed one", "none")
        return Digests(package_id, INFO, FIRST + SECOND, self.lengths)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.package("17")
    return made


@pytest.fixture
def cache(folder: Folder) -> FileCache:
    return FileCache(folder.root, folder.digests_of, capacity=3)


def etag(cache: FileCache, key: str, now_s: float = 0.0) -> bytes:
    file = cache.get(key.encode(), now_s)
    assert file is not None
    return file.etag


def test_digests_are_etags_and_read_once(cache: FileCache, folder: Folder) -> None:
    assert etag(cache, "17/17-1") == b'"%s"' % FIRST.hex().encode()
    assert etag(cache, "17/17-2") == b'"%s"' % SECOND.hex().encode()
    assert etag(cache, "17/info") == b'"%s"' % INFO.hex().encode()
    assert len(etag(cache, "17/manifest")) < 64
    assert folder.read == ["17"]


def test_a_fragment_that_the_manifest_does_not_have_has_the_etag_of_its_file(folder: Folder, cache: FileCache) -> None:
    (folder.root / "17" / "17-3").write_bytes(b"x")
    assert len(etag(cache, "17/17-3")) < 64


def test_another_version_is_noticed_at_once_where_its_files_are_others(cache: FileCache, folder: Folder) -> None:
    etag(cache, "17/17-1")
    new = folder.root / "17" / "new"
    new.write_bytes(b"another")
    new.rename(folder.root / "17" / "manifest")
    etag(cache, "17/info")
    assert folder.read == ["17", "17"]
    (folder.root / "17" / "17-2").write_bytes(b"")  # withdrawn
    new.write_bytes(b"the third")
    new.rename(folder.root / "17" / "manifest")
    folder.lengths = array("Q", [0, 0])
    etag(cache, "17/17-2")
    assert folder.read == ["17"] * 3


def test_of_small_fragments_the_manifest_is_checked_once_a_second(cache: FileCache, folder: Folder) -> None:
    etag(cache, "17/17-1", 0.0)
    (folder.root / "17" / "manifest").write_bytes(b"another, which is longer")
    etag(cache, "17/17-2", 0.9)
    assert folder.read == ["17"]
    etag(cache, "17/17-2", 2.0)
    assert folder.read == ["17", "17"]


def test_a_manifest_that_is_bad_or_missing_costs_only_the_etag(cache: FileCache, folder: Folder) -> None:
    folder.package("66")
    assert len(etag(cache, "66/66-1")) < 64
    (folder.root / "17" / "manifest").unlink()
    assert len(etag(cache, "17/17-1")) < 64


def test_digests_are_remembered_up_to_a_limit(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_cache, "MAX_DIGESTS_BYTES", 2 * (file_cache.OWN_BYTES + 2 * file_cache.FRAGMENT_OWN_BYTES))
    cache = FileCache(folder.root, folder.digests_of, capacity=1)
    for package_id in ("18", "19"):
        folder.package(package_id)
    for key in ("17/17-1", "18/18-1", "17/17-2", "19/19-1", "17/17-1", "18/18-1"):
        etag(cache, key)
    assert folder.read == ["17", "18", "19", "18"]


def test_files_stay_open_up_to_a_limit_and_are_checked_once_a_second(cache: FileCache, folder: Folder) -> None:
    first = cache.get(b"17/info", 0.0)
    assert cache.get(b"17/info", 0.9) is first
    assert cache.get(b"17/info", 1.1) is first  # checked: it is the same file
    (folder.root / "17" / "info").unlink()
    assert cache.get(b"17/info", 1.2) is first  # within the second
    assert cache.get(b"17/info", 2.2) is None
    for key in (b"17/17-2", b"17/17-1", b"17/manifest"):
        cache.get(key, 2.2)
    kept = cache.get(b"17/17-1", 2.3)
    folder.package("18")
    cache.get(b"18/18-1", 2.3)  # 17-2 makes room
    assert cache.get(b"17/17-1", 2.4) is kept


def test_a_small_fragment_is_in_memory_and_read_again_after_a_second(cache: FileCache, folder: Folder) -> None:
    first = cache.get(b"17/17-1", 0.0)
    assert first is not None
    assert (first.fields.endswith(b"\r\n\r\n17-1"), first.part(1, 3)) == (True, b"7-")
    assert not hasattr(first, "fd")
    (folder.root / "17" / "17-1").write_bytes(b"heal")  # a bad one that is replaced
    assert cache.get(b"17/17-1", 0.9) is first
    again = cache.get(b"17/17-1", 1.1)
    assert again is not None
    assert again.part(0, 4) == b"heal"


@pytest.mark.parametrize("content", [b"17", b"17-1 and more"])
def test_a_fragment_of_another_length_is_a_file_like_any_other(
    cache: FileCache, folder: Folder, content: bytes
) -> None:
    (folder.root / "17" / "17-1").write_bytes(content)
    file = cache.get(b"17/17-1", 0.0)
    assert file is not None
    assert (file.size, hasattr(file, "fd")) == (len(content), True)


def test_a_large_fragment_has_a_descriptor(cache: FileCache, folder: Folder) -> None:
    folder.lengths[0] = 100_000
    (folder.root / "17" / "17-1").write_bytes(b"x" * 100_000)
    file = cache.get(b"17/17-1", 0.0)
    assert file is not None
    assert (file.in_memory, hasattr(file, "fd"), file.part(5, 7)) == (False, True, (5, 7))
    assert file.etag == b'"%s"' % FIRST.hex().encode()


@pytest.mark.parametrize("name", ["17-9", "nothing"])
def test_what_is_not_there(cache: FileCache, name: str) -> None:
    assert cache.get(f"17/{name}".encode(), 0.0) is None


def test_no_link_and_no_folder_is_served(cache: FileCache, folder: Folder) -> None:
    (folder.root / "17" / "17-3").symlink_to(folder.root / "17" / "17-1")
    (folder.root / "17" / "17-4").mkdir()
    assert cache.get(b"17/17-3", 0.0) is None
    assert cache.get(b"17/17-4", 0.0) is None
