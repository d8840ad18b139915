"""The atomic primitives: whatever fails, and wherever a process is killed, there is the old state or the new one."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from distd.storage import atomic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.disk_steps import Steps
    from tests.fixtures.package_dirs import Snapshot

    Fail = Callable[..., None]


class Faulty:
    """A function of `os` that fails at its n-th call."""

    def __init__(self, function: Callable[..., Any], fail_at: int, error: int = errno.EIO) -> None:
        self.function, self.left, self.error = function, fail_at, error

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise OSError(self.error, os.strerror(self.error))
        return self.function(*args, **kwargs)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    def fail(name: str, at: int = 1, error: int = errno.EIO) -> None:
        monkeypatch.setattr(os, name, Faulty(getattr(os, name), at, error))

    return fail


# --- write_file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o666], ids=oct)
def test_a_file_has_its_bytes_and_its_mode_whatever_the_umask_says(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        atomic.write_file(tmp_path / "file", b"one", mode=0o640)
        atomic.write_file(tmp_path / "file", b"two", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_bytes() == b"two"
    assert (tmp_path / "file").stat().st_mode & 0o7777 == mode
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_is_on_the_disk_before_its_name(tmp_path: Path, steps: Steps) -> None:
    atomic.write_file(tmp_path / "file", b"one")
    assert steps == [("fsync", f".new-file-{os.getpid()}"), ("rename", "file"), ("fsync", tmp_path.name)]


@pytest.mark.parametrize("step", ["open", "fchmod", "fsync", "rename"])
def test_a_failure_leaves_the_old_file(tmp_path: Path, fail: Fail, step: str) -> None:
    (tmp_path / "file").write_bytes(b"old")
    fail(step)
    with pytest.raises(OSError, match="Input/output error"):
        atomic.write_file(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_failure_after_the_rename_leaves_the_new_file(tmp_path: Path, fail: Fail) -> None:
    (tmp_path / "file").write_bytes(b"old")
    fail("fsync", at=2)
    with pytest.raises(OSError, match="Input/output error"):
        atomic.write_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


# --- building and publishing -------------------------------------------------------------------------------------


def _fill(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "a").write_bytes(b"a")
    (folder / "sub" / "b").write_bytes(b"b")


def test_what_is_built_is_hidden_then_there_as_a_whole(tmp_path: Path) -> None:
    with atomic.building(tmp_path, "17") as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(".building-17-")
        _fill(folder)
        atomic.sync_tree(folder)
        assert not (tmp_path / "17").exists()
        atomic.publish_directory(folder, tmp_path / "17")
    assert os.listdir(tmp_path) == ["17"]
    assert sorted(path.relative_to(tmp_path / "17").as_posix() for path in (tmp_path / "17").rglob("*")) == [
        "a",
        "sub",
        "sub/b",
    ]
    assert (tmp_path / "17").stat().st_mode & 0o7777 == 0o755


def test_a_folder_to_be_served_is_readable_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with atomic.building(tmp_path, "17") as folder:
            assert folder.stat().st_mode & 0o7777 == 0o755
    finally:
        os.umask(before)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_is_not_published_is_gone(tmp_path: Path, error: Any) -> None:
    with pytest.raises(error), atomic.building(tmp_path, "17") as folder:  # noqa: PT012
        _fill(folder)
        raise error
    assert os.listdir(tmp_path) == []


def test_everything_is_on_the_disk_before_the_name_and_then_the_name(tmp_path: Path, steps: Steps) -> None:
    with atomic.building(tmp_path, "17") as folder:
        _fill(folder)
        steps.clear()
        atomic.sync_tree(folder)
        assert steps == [("syncfs", folder.name)]
        steps.clear()
        atomic.publish_directory(folder, tmp_path / "17")
    assert steps == [("fsync", folder.name), ("rename", "17"), ("fsync", tmp_path.name)]


@pytest.mark.parametrize(
    ("step", "at", "published"), [("fsync", 1, False), ("rename", 1, False), ("fsync", 2, True)], ids=str
)
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
def test_a_failure_while_publishing_leaves_all_or_nothing(
    tmp_path: Path, fail: Fail, step: str, at: int, published: bool, error: Any
) -> None:
    with pytest.raises(OSError, match=os.strerror(error)), atomic.building(tmp_path, "17") as folder:  # noqa: PT012
        _fill(folder)
        fail(step, at, error)
        atomic.publish_directory(folder, tmp_path / "17")
    assert os.listdir(tmp_path) == ["17"] * published
    if published:
        assert sorted(os.listdir(tmp_path / "17")) == ["a", "sub"]


def test_a_folder_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "17").mkdir()
    with pytest.raises(FileExistsError), atomic.building(tmp_path, "17") as folder:
        atomic.publish_directory(folder, tmp_path / "17")
    assert os.listdir(tmp_path) == ["17"]


# --- removing ----------------------------------------------------------------------------------------------------


def test_a_removed_folder_is_gone(tmp_path: Path, steps: Steps) -> None:
    (tmp_path / "17").mkdir()
    _fill(tmp_path / "17")
    with atomic.removing(tmp_path / "17"):
        assert os.listdir(tmp_path / f".deleted-17-{os.getpid()}") == []
    assert os.listdir(tmp_path) == []
    assert steps == [("rename", f".deleted-17-{os.getpid()}"), ("fsync", tmp_path.name)]


def test_a_failed_removal_leaves_the_whole(tmp_path: Path, fail: Fail, snapshot: Callable[[Path], Snapshot]) -> None:
    (tmp_path / "17").mkdir()
    _fill(tmp_path / "17")
    before = snapshot(tmp_path)
    fail("rename")
    with pytest.raises(OSError, match="Input/output error"), atomic.removing(tmp_path / "17"):
        pass
    assert snapshot(tmp_path) == before


def test_a_removal_that_stops_midway_is_gone_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "17").mkdir()
    _fill(tmp_path / "17")
    with pytest.raises(KeyboardInterrupt), atomic.removing(tmp_path / "17"):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == [f".deleted-17-{os.getpid()}"]


def test_a_replaced_folder_is_under_the_other_name(tmp_path: Path, steps: Steps) -> None:
    (tmp_path / "17").mkdir()
    _fill(tmp_path / "17")
    with atomic.building(tmp_path, "17") as folder:
        (folder / "new").write_bytes(b"new")
        steps.clear()
        atomic.replace_directory(folder, tmp_path / "17")
        assert os.listdir(tmp_path / "17") == ["new"]
        assert "new" not in os.listdir(folder)
        atomic.replace_directory(folder, tmp_path / "17")
        assert "new" not in os.listdir(tmp_path / "17")
    assert os.listdir(tmp_path) == ["17"]


def test_nothing_is_replaced_by_what_is_not_there(tmp_path: Path) -> None:
    with atomic.building(tmp_path, "17") as folder, pytest.raises(FileNotFoundError):
        atomic.replace_directory(folder, tmp_path / "17")


# --- stale names ----------------------------------------------------------------------------------------------------


@pytest.fixture
def dead_pid() -> int:
    """The number of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_leftovers_of_the_dead_are_removed_and_nothing_else(tmp_path: Path, dead_pid: int) -> None:
    leftovers = [f".building-17-{dead_pid}", f".deleted-18-{dead_pid}", f".new-info-{dead_pid}", ".deleted-odd"]
    for name in leftovers[:2]:
        (tmp_path / name).mkdir()
        _fill(tmp_path / name)
    for name in leftovers[2:]:
        (tmp_path / name).write_bytes(b"")
    kept = ["17", ".htaccess", f".new-info-{os.getpid()}"]
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    assert atomic.remove_stale(tmp_path) == sorted(leftovers)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
    assert atomic.remove_stale(tmp_path) == []


def test_a_build_that_runs_is_not_removed(tmp_path: Path, dead_pid: int) -> None:
    with atomic.building(tmp_path, "17") as folder:
        # Were it not for the lock, it would look like that of a dead process.
        orphan = folder.rename(tmp_path / f".building-17-{dead_pid}")
        assert atomic.remove_stale(tmp_path) == []
        assert os.listdir(tmp_path) == [orphan.name]
        orphan.rename(folder)


def test_a_leftover_whose_pid_another_process_has_now_is_removed(tmp_path: Path) -> None:
    name = f".building-17-{os.getpid()}"
    (tmp_path / name).mkdir()
    (tmp_path / name / atomic.LOCK).write_bytes(b"")
    assert atomic.remove_stale(tmp_path) == [name]


def test_a_build_is_not_removed_before_its_lock_is_held_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[list[str]] = []
    flock, rename = fcntl.flock, os.rename

    def remove_then_lock(lock: Any, how: int) -> None:
        if not how & fcntl.LOCK_NB:  # the builder's own
            removed.append(atomic.remove_stale(tmp_path))
        flock(lock, how)

    def remove_then_rename(*names: Any) -> None:
        removed.append(atomic.remove_stale(tmp_path))
        rename(*names)

    monkeypatch.setattr(fcntl, "flock", remove_then_lock)
    monkeypatch.setattr(os, "rename", remove_then_rename)
    with atomic.building(tmp_path, "17") as folder:
        assert folder.is_dir()
    assert removed == [[], []]


def test_a_link_or_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"a")
    atomic.link_or_copy(tmp_path / "a", tmp_path / "linked")
    assert (tmp_path / "linked").stat().st_ino == (tmp_path / "a").stat().st_ino
    monkeypatch.setattr(os, "link", Faulty(os.link, 1, errno.EMLINK))
    atomic.link_or_copy(tmp_path / "a", tmp_path / "copied")
    assert (tmp_path / "copied").read_bytes() == b"a"
    assert (tmp_path / "copied").stat().st_ino != (tmp_path / "a").stat().st_ino
    monkeypatch.setattr(os, "link", Faulty(os.link, 1, errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        atomic.link_or_copy(tmp_path / "a", tmp_path / "failed")
