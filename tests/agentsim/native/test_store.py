"""Where the files of a package go, and that they go nowhere else whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from agentsim.native.store import store
from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.disk_steps import Steps

CALLS = ("open", "mkdir", "replace", "rename", "symlink", "unlink", "stat", "readlink", "chmod", "utime")


def make_tree(tmp_path: Path) -> Path:
    """a, d/e/f, and the link d/l to e/f."""
    tree = tmp_path / "tree"
    (tree / "d/e").mkdir(parents=True)
    (tree / "a").write_text("new")
    (tree / "a").chmod(0o755)
    (tree / "d/e/f").write_text("f")
    (tree / "d/l").symlink_to("e/f")
    return tree


def test_store(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    target = tmp_path / "srv" / "app"
    (target / "d").mkdir(parents=True)
    (target / "d").chmod(0o700)
    (target / "a").write_text("old")
    (target / "kept").write_text("mine")
    (target / "d/.l.distd-new").symlink_to("what a crash has left")
    for _ in range(2):
        store(tree, target)
        names = sorted(path.relative_to(target).as_posix() for path in target.rglob("*"))
        assert names == ["a", "d", "d/e", "d/e/f", "d/l", "kept"]
        assert (target / "a").read_text() == "new"
        assert os.readlink(target / "d/l") == "e/f"
        assert stat.S_IMODE((target / "d").stat().st_mode) == 0o700
        assert stat.S_IMODE((target / "a").stat().st_mode) == 0o755


def test_folders_that_a_store_makes_have_the_modes_of_the_package(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree / "d").chmod(0o700)
    store(tree, tmp_path / "srv")
    assert stat.S_IMODE((tmp_path / "srv/d").stat().st_mode) == 0o700


def test_what_was_stored_is_on_the_disk(tmp_path: Path, steps: Steps) -> None:
    """SUCCESS is reported next: a file has its name only when its bytes are there, and the names are there too."""
    store(make_tree(tmp_path), tmp_path / "srv")
    of_file = [("fsync", ".a.distd-new"), ("rename", "a")]
    assert [step for step in steps if step in of_file] == of_file
    in_folder = [step for step in steps if step in (("rename", "f"), ("fsync", "e"), ("rename", "l"), ("fsync", "d"))]
    assert in_folder == [("rename", "f"), ("fsync", "e"), ("rename", "l"), ("fsync", "d")]
    assert ("fsync", "srv") in steps


def test_a_store_that_finds_no_room_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = make_tree(tmp_path)
    target = tmp_path / "srv"
    target.mkdir()
    (target / "a").write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        store(tree, target)
    assert (target / "a").read_text() == "old"


@pytest.mark.parametrize("target", ["relative", "{0}/a/../b"])
def test_targets_that_do_not_do(tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="info/PATH: expected an absolute path"):
        store(make_tree(tmp_path), type(tmp_path)(target.format(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_a_link_in_the_target_is_not_followed(tmp_path: Path) -> None:
    tree, target, outside = make_tree(tmp_path), tmp_path / "srv", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (target / "d").symlink_to(outside)
    with pytest.raises(BadInput, match="reached through no link, got d"):
        store(tree, target)
    assert list(outside.iterdir()) == []


def test_a_link_to_the_target_is_followed_where_only_the_administrator_can_have_made_it(tmp_path: Path) -> None:
    tree, real = make_tree(tmp_path), tmp_path / "real"
    real.mkdir()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to("../folder/../real")
    store(tree, folder / "link" / "app")
    assert (real / "app/d/e/f").read_text() == "f"
    folder.chmod(0o777)
    with pytest.raises(BadInput, match="reached through no link, got link"):
        store(tree, folder / "link" / "other")
    assert not (real / "other").exists()


def test_links_in_a_circle(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        store(make_tree(tmp_path), tmp_path / "a")


class Race:
    """Before the system call `at` (from 0) of those that a store makes, somebody puts a link where a folder was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, attack: Callable[[], None]) -> None:
        self.count = 0
        self._at = at
        self._attack = attack
        self._busy = False
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            if not self._busy:
                self._busy = True
                if self.count == self._at:
                    self._attack()
                self.count += 1
                self._busy = False
            return call(*arguments, **named)

        return wrapper


@pytest.mark.parametrize("victim", ["srv", "srv/d", "srv/d/e"])
@pytest.mark.parametrize("is_there", [True, False])
def test_whenever_a_folder_becomes_a_link_nothing_is_written_outside(
    tmp_path: Path, victim: str, is_there: bool
) -> None:
    """The attack is made before each system call in turn; at each of them the path has another meaning afterwards."""
    tree = make_tree(tmp_path)
    at, hits = 0, 0
    while True:
        home, outside = tmp_path / f"{at}", tmp_path / f"outside-{at}"
        home.mkdir()
        home.chmod(0o777)  # of the attacker
        (outside / "e").mkdir(parents=True)
        if is_there:
            (home / "srv/d/e").mkdir(parents=True)
        place = home / victim

        def attack(place: Path = place, outside: Path = outside) -> None:
            nonlocal hits
            if place.is_dir():
                place.rename(place.with_name("moved"))
                place.symlink_to(outside)
                hits += 1

        with pytest.MonkeyPatch.context() as patching:
            race = Race(patching, at, attack)
            with suppress(OSError, BadInput):
                store(tree, home / "srv")
        assert sorted(path.relative_to(outside).as_posix() for path in outside.rglob("*")) == ["e"]
        if race.count <= at:
            break
        at += 1
    assert hits  # it was a race
