"""Which version of a file or folder is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput, TooLarge
from distd.domain.watched_source import SETTLED_S, Settling, SourceVersion, check_path
from distd.packaging import source_files, source_version

if TYPE_CHECKING:
    from pathlib import Path

    from distd.packaging.source_files import Member

NOW_S = 2_000_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "srv/folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"a" * 1000)
    (folder / "sub/b.txt").write_bytes(b"b")
    (folder / "link").symlink_to("a.txt")
    return folder


def look(path: Path, hint: str = "", max_bytes: int = 10_000, now_s: float = NOW_S) -> SourceVersion | Settling | None:
    folders = (str(path.parent),)
    return source_version.look(path, folders, path.parent / "data", hint=hint, max_bytes=max_bytes, now_s=now_s)


def seen(path: Path, hint: str = "") -> SourceVersion:
    found = look(path, hint)
    assert isinstance(found, SourceVersion)
    return found


def test_the_digest_decides_not_the_time(folder: Path) -> None:
    first = seen(folder)
    assert first.size_bytes == 1001
    assert look(folder, first.hint) is None, "nothing has changed, so nothing is read"
    os.utime(folder / "a.txt", (1.0, 1.0))
    touched = seen(folder, first.hint)
    assert (touched.digest == first.digest, touched.hint == first.hint) == (True, False)
    assert source_version.digest_of(folder) == first.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a.txt").write_bytes(b"c" * 1000),
        lambda folder: (folder / "a.txt").rename(folder / "c.txt"),
        lambda folder: (folder / "a.txt").chmod(0o755),
        lambda folder: (folder / "new").mkdir(),
        lambda folder: (folder / "sub/b.txt").unlink(),
    ],
    ids=["content", "name", "mode", "folder", "less"],
)
def test_what_makes_another_version(folder: Path, change: object) -> None:
    first = seen(folder)
    assert callable(change)
    change(folder)
    assert seen(folder, first.hint).digest != first.digest


def test_what_is_being_written_is_not_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest_s = max(path.lstat().st_mtime for path in folder.rglob("*"))
    settling = look(folder, now_s=newest_s + SETTLED_S - 1)
    assert isinstance(settling, Settling)
    assert isinstance(look(folder, settling.hint, now_s=newest_s + SETTLED_S - 1), Settling), "the time decides"
    assert isinstance(look(folder, settling.hint, now_s=newest_s + SETTLED_S + 1), SourceVersion)
    digest = source_version._digest

    def change(members: tuple[Member, ...]) -> str:
        found = digest(members)
        (folder / "a.txt").write_bytes(b"other")
        return found

    monkeypatch.setattr(source_version, "_digest", change)
    assert isinstance(look(folder), Settling), "it has changed meanwhile"


def test_what_has_a_time_to_come_is_settled_when_it_stays_the_same(folder: Path) -> None:
    os.utime(folder / "a.txt", (NOW_S + 1e6, NOW_S + 1e6))
    first = look(folder)
    assert isinstance(first, Settling)
    (folder / "a.txt").write_bytes(b"c" * 1001)
    os.utime(folder / "a.txt", (NOW_S + 1e6, NOW_S + 1e6))
    second = look(folder, first.hint)
    assert isinstance(second, Settling), "it has changed since"
    version = seen(folder, second.hint)
    assert look(folder, version.hint) is None


def test_names_that_are_no_utf8_are_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "srv/folder"
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"\xe9")).symlink_to("/etc")
    with pytest.raises(BadInput, match=r"links that stay inside the folder, got .*udce9 → /etc") as raised:
        look(folder)
    str(raised.value).encode()


def test_what_may_not_be_read(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLarge, match="at most 100 bytes"):
        look(folder, max_bytes=100)
    (tmp_path / "secret").write_text("x")
    (folder.parent / "link").symlink_to(tmp_path / "secret")
    for name, expected in (("link", "a path in"), ("none", "a file or folder"), ("folder/a.txt/x", "a file or folder")):
        with pytest.raises(BadInput, match=expected):
            look(folder.parent / name)
    os.mkfifo(folder.parent / "pipe")
    with pytest.raises(BadInput, match="a file or folder"):
        look(folder.parent / "pipe")
    monkeypatch.setattr(source_version, "MAX_MEMBERS", 2)
    for number in range(10):
        (folder / f"more{number}").touch()
    found: list[Path] = []
    find_below = source_files._find_below

    def note(root: Path, path: Path, fd: int, *, links: bool) -> Member:
        found.append(path)
        return find_below(root, path, fd, links=links)

    monkeypatch.setattr(source_files, "_find_below", note)
    with pytest.raises(BadInput, match="at most 2 files and folders"):
        look(folder)
    assert len(found) == 3, "it does not look for all before it refuses"


def test_a_place_that_becomes_a_link_when_it_was_checked_is_not_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys/folder").mkdir(parents=True)
    (tmp_path / "keys/folder/a.txt").write_text("secret")

    def swap(path: str, *args: Any) -> None:
        check_path(path, *args)
        moved = folder if path == str(folder) else folder.parent
        moved.rename(tmp_path / "away")
        moved.symlink_to(tmp_path / "keys")

    monkeypatch.setattr(source_version, "check_path", swap)
    with pytest.raises(BadInput):
        look(folder)
    (folder.parent / "folder").unlink()
    (tmp_path / "away").rename(folder)
    with pytest.raises(BadInput, match="a path without links"):
        look(folder / "a.txt")
