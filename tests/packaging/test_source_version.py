"""Which version of a file or folder is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput, TooLarge
from distd.packaging import source_version

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.watched_source import SourceVersion
    from distd.packaging.source import Member

NOW_S = 2_000_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "srv/folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"a" * 1000)
    (folder / "sub/b.txt").write_bytes(b"b")
    (folder / "link").symlink_to("a.txt")
    return folder


def look(path: Path, hint: str = "", max_bytes: int = 10_000, now_s: float = NOW_S) -> SourceVersion | None:
    folders = (str(path.parent),)
    return source_version.look(path, folders, path.parent / "data", hint=hint, max_bytes=max_bytes, now_s=now_s)


def seen(path: Path, hint: str = "") -> SourceVersion:
    found = look(path, hint)
    assert found is not None
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
    assert look(folder, now_s=newest_s + source_version.SETTLED_S - 1) is None
    assert look(folder, now_s=newest_s + source_version.SETTLED_S + 1) is not None
    digest = source_version._digest

    def change(members: tuple[Member, ...]) -> str:
        found = digest(members)
        (folder / "a.txt").write_bytes(b"other")
        return found

    monkeypatch.setattr(source_version, "_digest", change)
    assert look(folder) is None, "it has changed meanwhile"


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
    with pytest.raises(BadInput, match="at most 2 files"):
        look(folder)
