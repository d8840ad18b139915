"""Versions that change little stay similar: archives, and fragments cut by content."""

from __future__ import annotations

import io
import random
import tarfile
from typing import TYPE_CHECKING

import pytest

from distd.domain.fragment_plan import ByContent
from distd.domain.records import OperatingSystem
from distd.packaging import archive, cdc
from distd.packaging.source_files import find_members

if TYPE_CHECKING:
    from pathlib import Path

    from distd.domain.records import Manifest
    from tests.fixtures.package_dirs import PackageToBuild

_DRAW = random.Random(1)
WORDS = [_DRAW.randbytes(5).hex() for _ in range(500)]


def prose(seed: int, size_bytes: int) -> bytes:
    """Text that compresses, and is another for each seed."""
    noise = random.Random(seed)
    return " ".join(noise.choices(WORDS, k=size_bytes // 11)).encode()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of 30 files of 20 to 60 kB."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(30):
        (folder / f"file{number:02}").write_bytes(prose(number, 20_000 + number * 1300))
    return folder


@pytest.mark.parametrize("system", [OperatingSystem.WINDOWS, OperatingSystem.LINUX])
@pytest.mark.parametrize("change", ["a file is changed", "a file is longer", "a file is new", "a file is gone"])
def test_a_change_in_one_file_leaves_most_fragments(
    package: PackageToBuild, tree: Path, system: OperatingSystem, change: str
) -> None:
    def manifest() -> Manifest:
        with package.build(source=tree, os=system, plan=ByContent(8192)) as staged:
            return staged.manifest

    old = manifest()
    target = tree / "file07"
    match change:
        case "a file is changed":
            target.write_bytes(prose(99, target.stat().st_size))
        case "a file is longer":
            target.write_bytes(target.read_bytes() + prose(99, 5000))
        case "a file is new":
            (tree / "file07b").write_bytes(prose(99, 20_000))
        case "a file is gone":
            target.unlink()
    new = manifest()
    known = {fragment.blake3 for fragment in old.fragments}
    new_bytes = sum(fragment.length for fragment in new.fragments if fragment.blake3 not in known)
    assert 0 < new_bytes < new.size / 3


def test_fragments_of_one_size_change_almost_all(package: PackageToBuild, tree: Path) -> None:
    """What cutting by content is for."""
    with package.build(source=tree) as old:
        (tree / "file00").write_bytes(b"another")
    with package.build(source=tree) as new:
        known = {fragment.blake3 for fragment in old.manifest.fragments}
        same = [fragment for fragment in new.manifest.fragments if fragment.blake3 in known]
    assert len(same) < len(known) / 10


def test_the_same_bytes_are_cut_alike() -> None:
    content = random.Random(1).randbytes(300_000)
    lengths = cdc.lengths(io.BytesIO(content), ByContent(16_384))
    assert lengths == cdc.lengths(io.BytesIO(content), ByContent(16_384))
    assert sum(lengths) == 300_000
    assert 16_384 / 2 < 300_000 / len(lengths) < 16_384 * 2
    assert lengths == CUT


# If another version of the library cut elsewhere, no package would share fragments with its next version.
CUT = [
    4128,
    19447,
    19736,
    19972,
    13801,
    14924,
    19558,
    35132,
    14236,
    6787,
    14544,
    10274,
    13301,
    18737,
    24018,
    13315,
    16937,
    17064,
    4089,
]


def test_nothing_is_one_fragment() -> None:
    assert cdc.lengths(io.BytesIO(), ByContent()) == [0]


def test_restarted_compression_can_be_unpacked(tmp_path: Path, tree: Path) -> None:
    """Python's own reader; the stock agent's is tested with the stock agent."""
    archive.pack(find_members(tree, links=True), tmp_path / "out", OperatingSystem.LINUX, None)
    with tarfile.open(tmp_path / "out") as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            assert content.read() == (tree / member.name).read_bytes()
