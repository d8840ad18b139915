"""What is on disk: whole or not at all, and never twice."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from agentsim.native import state as module
from agentsim.native.state import open_state, remove_tree
from distd.domain.errors import BadInput, Conflict
from distd.domain.settings import DownloadConfig
from distd.storage import atomic

if TYPE_CHECKING:
    from pathlib import Path


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "no room")


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_state(tmp_path) as state:
        state.save_history({"1"})
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no room"):
            state.save_history({"1", "2"})
        assert state.history == {"1"}


def test_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    """A file that was being written by a process that is dead."""
    (tmp_path / ".new-history-999999999").write_text("1")
    with open_state(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["download", "lock"]


def test_nobody_else_reads_the_state(tmp_path: Path) -> None:
    state = tmp_path / "a" / "state"
    with open_state(state) as held:
        assert held.was_open_to == 0
        assert [stat.S_IMODE(path.stat().st_mode) for path in (state, held.downloads)] == [0o700, 0o700]
    state.chmod(0o2755)  # as an earlier version made it
    with open_state(state) as held:
        assert held.was_open_to == 0o2055
        assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    tmp_path.chmod(0o755)
    words = "--state: expected an empty folder, or the state of an agent"
    with pytest.raises(BadInput, match=words), open_state(tmp_path):
        pass
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["lib"]


def test_the_lock(tmp_path: Path) -> None:
    with open_state(tmp_path), pytest.raises(Conflict, match="another agent"), open_state(tmp_path):
        pass
    with open_state(tmp_path):
        pass


def test_the_device_id_is_made_once(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        assert state.device_id("pc", datetime(2026, 1, 2, 3, 4, 5)) == "pc-2026-01-02-03-04-05"  # noqa: DTZ001
        assert state.device_id("other", datetime(2027, 1, 1)) == "pc-2026-01-02-03-04-05"  # noqa: DTZ001
        with pytest.raises(Conflict, match="--name"):
            state.device_id("pc", datetime(2027, 1, 1), "wanted")  # noqa: DTZ001


def test_history_and_config(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        assert (state.history, state.config) == (set(), None)
        state.save_history({"2", "1"})
        state.save_config(DownloadConfig(frag_latency_s=7))
        assert (state.history, state.config) == ({"1", "2"}, DownloadConfig(frag_latency_s=7))
        (tmp_path / "config.json").write_text('{"of": "another version"}')
        assert state.config is None


def test_a_result_is_restored_and_a_success_is_history(tmp_path: Path) -> None:
    nobody: Any = None
    with open_state(tmp_path) as state:
        state.folder("1").conclude("SUCCESS")
        state.folder("2").conclude("ERR_BUILD")
        assert state.restore(nobody) == ([], {"1": "SUCCESS", "2": "ERR_BUILD"}, {"1"})


def test_a_half_removed_folder_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody: Any = None
    with open_state(tmp_path) as state:
        state.folder("1").conclude("SUCCESS")
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
            remove_tree(state.folder("1").path)
        state.folder("2").conclude("ERR_BUILD")
        assert sorted(path.name for path in state.downloads.iterdir()) == [".gone-1", "2"]
        assert state.restore(nobody) == ([], {"2": "ERR_BUILD"}, set())
        assert [path.name for path in state.downloads.iterdir()] == ["2"]


def test_a_package_that_is_listed_anew_begins_with_nothing(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        folder = state.folder("1")
        folder.begin(b"old", b"old", "a/download", 1.0)
        folder.fragment(1).write_bytes(b"x")
        folder.mark_running()
        folder.begin(b"info", b"manifest", "b/download", 2.0)
        assert sorted(path.name for path in folder.path.iterdir()) == ["info", "manifest", "package.json"]
        assert json.loads((folder.path / "package.json").read_text()) == {"pack_loc": "b/download", "since_s": 2.0}
        assert not folder.was_running
        folder.begin_tree()
        (folder.tree / "x").write_bytes(b"half of it")
        folder.begin_tree()
        assert list(folder.tree.iterdir()) == []


def test_what_is_known_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_state(tmp_path) as state:
        state.save_history({"1"})
        state.save_config(DownloadConfig())
        state.folder("1").conclude("SUCCESS")
        monkeypatch.setattr(module, "write_file", full)
        state.save_history({"1"})
        state.save_config(DownloadConfig())
        state.folder("1").conclude("SUCCESS")
        with pytest.raises(OSError, match="no room"):
            state.save_history({"2"})
        with pytest.raises(OSError, match="no room"):
            state.save_config(DownloadConfig(on=False))


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EIO])
def test_only_a_full_disk_is_made_room_on(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, "it")

    with open_state(tmp_path) as state:
        folder = state.folder("1")
        folder.path.mkdir()
        folder.fragment(1).write_bytes(b"x")
        monkeypatch.setattr(module, "write_file", fail)
        with pytest.raises(OSError, match="it"):
            folder.conclude("SUCCESS")
        assert folder.fragment(1).exists() == (number == errno.EIO)


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"Not a directory|File exists"), open_state(tmp_path / "file"):
        pass


def test_a_result_is_all_that_stays(tmp_path: Path) -> None:
    with open_state(tmp_path) as state:
        folder = state.folder("1")
        folder.begin(b"info", b"manifest", "a", 1.0)
        folder.begin_tree()
        folder.mark_running()
        folder.conclude("SUCCESS")
        assert sorted(path.name for path in folder.path.iterdir()) == ["result", "running"]


def test_a_folder_is_removed_where_one_was_half_removed(tmp_path: Path) -> None:
    (tmp_path / ".gone-1").mkdir()
    (tmp_path / ".gone-1" / "x").write_text("of before")
    (tmp_path / "1").mkdir()
    remove_tree(tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def test_a_result_finds_room_where_the_fragments_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_state(tmp_path) as state:
        folder = state.folder("1")
        folder.path.mkdir()
        folder.fragment(1).write_bytes(b"x" * 1000)
        monkeypatch.setattr(
            module, "write_file", lambda *a: full() if folder.fragment(1).exists() else atomic.write_file(*a)
        )
        folder.conclude("ERR_OUT_OF_SPACE")
        assert (folder.result, [path.name for path in folder.path.iterdir()]) == ("ERR_OUT_OF_SPACE", ["result"])
