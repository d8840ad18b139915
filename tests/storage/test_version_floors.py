"""Version floors: kept on the disk, raised and never lowered, bounded, safe with several processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import Corrupt
from distd.storage.version_floors import VersionFloors

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "floors"


def test_an_earlier_version_is_refused_also_after_a_restart(path: Path) -> None:
    VersionFloors(path).raise_to({"17": 3, "18": 2})
    floors = VersionFloors(path)
    floors.check("17", 3)
    floors.check("17", 4)
    floors.check("19", 1)
    with pytest.raises(Corrupt, match="version of 17: expected 3 or later, as was here already, got 2"):
        floors.check("17", 2)


def test_a_floor_is_never_lowered(path: Path) -> None:
    floors = VersionFloors(path)
    floors.raise_to({"17": 3})
    floors.raise_to({"17": 2})
    with pytest.raises(Corrupt):
        floors.check("17", 2)


def test_packages_of_the_first_version_take_no_place(path: Path) -> None:
    VersionFloors(path).raise_to({"17": 1, "18": 1})
    assert not path.exists()


def test_of_too_many_those_raised_first_are_forgotten(path: Path) -> None:
    floors = VersionFloors(path, limit=2)
    for package_id, version in (("17", 2), ("18", 2), ("17", 3), ("19", 2)):
        floors.raise_to({package_id: version})
    assert path.read_text() == "17 3\n19 2\n"
    floors.check("18", 1)


def test_several_may_raise_at_once(path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: VersionFloors(path).raise_to({str(number): 2}), range(40)))
    assert len(path.read_text().splitlines()) == 40


@pytest.mark.parametrize("content", [b"17\n", b"17 x\n", b"\xff", b"17 2\n\n"])
def test_floors_that_cannot_be_read_are_an_error(path: Path, content: bytes) -> None:
    """Not none at all: then anything would be taken."""
    path.write_bytes(content)
    with pytest.raises(Corrupt, match="floors"):
        VersionFloors(path).check("17", 5)
