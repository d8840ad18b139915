"""The folder in which workers share their metrics."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from distd.server.metrics_folder import LOCK, PREFIX, open_metrics_folder


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_goes_with_the_block(tmp_path: Path) -> None:
    with open_metrics_folder() as folder:
        assert Path(folder.path).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_what_a_supervisor_that_was_killed_has_left_goes(tmp_path: Path) -> None:
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    for name in (LOCK, "counter_17.db"):
        (left / name).touch()
    with open_metrics_folder() as folder:
        assert [str(path) for path in tmp_path.iterdir()] == [folder.path]


def test_one_that_is_in_use_or_of_others_stays(tmp_path: Path) -> None:
    other = tmp_path / f"{PREFIX}other"  # without a lock
    other.mkdir()
    with open_metrics_folder() as first, open_metrics_folder() as second:
        assert {str(path) for path in tmp_path.iterdir()} == {first.path, second.path, str(other)}
    assert list(tmp_path.iterdir()) == [other]
