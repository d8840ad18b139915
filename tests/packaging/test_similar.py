"""Versions that change little stay similar: archives, and fragments cut by content."""

from __future__ import annotations

import dataclasses
import random
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.fragment_plan import ByContent
from distd.domain.records import OperatingSystem
from distd.packaging import archive, builder, cdc

if TYPE_CHECKING:
    from pathlib import Path

    from distd.storage.pki import Signer

_dice = random.Random(1)
WORDS = [_dice.randbytes(5).hex() for _ in range(500)]


def prose(seed: Any, size_bytes: Any) -> Any:
    """Text that compresses, and is another for each seed."""
    noise = random.Random(seed)
    return " ".join(noise.choices(WORDS, k=size_bytes // 11)).encode()


@pytest.fixture
def tree(tmp_path: Path) -> Any:
    """A folder of 30 files of 20 to 60 kB."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(30):
        (folder / f"file{number:02}").write_bytes(prose(number, 20_000 + number * 1300))
    return folder


@pytest.mark.parametrize("system", [OperatingSystem.WINDOWS, OperatingSystem.LINUX])
@pytest.mark.parametrize("change", ["one is changed", "one is longer", "one is new", "one is gone"])
def test_a_change_in_one_file_leaves_most_fragments(
    data: Any, order: Any, signer: Signer, tree: Any, system: Any, change: Any
) -> None:
    order = dataclasses.replace(order, source=tree, os=system, plan=ByContent(8192))

    def fragments() -> Any:
        built = builder.build(data, "17", order, signer)
        built.discard()
        return built.manifest

    old = fragments()
    target = tree / "file07"
    match change:
        case "one is changed":
            target.write_bytes(prose(99, target.stat().st_size))
        case "one is longer":
            target.write_bytes(target.read_bytes() + prose(99, 5000))
        case "one is new":
            (tree / "file07b").write_bytes(prose(99, 20_000))
        case "one is gone":
            target.unlink()
    new = fragments()
    known = {fragment.blake3 for fragment in old.fragments}
    fresh_bytes = sum(one.length for one in new.fragments if one.blake3 not in known)
    assert 0 < fresh_bytes < new.size / 3


def test_without_it_nothing_stays(data: Any, order: Any, signer: Signer, tree: Any) -> None:
    """What the plan and the archive are for."""
    one = dataclasses.replace(order, source=tree)
    old = builder.build(data, "17", one, signer)
    old.discard()
    (tree / "file00").write_bytes(b"another")
    new = builder.build(data, "17", one, signer)
    new.discard()
    known = {fragment.blake3 for fragment in old.manifest.fragments}
    same = [fragment for fragment in new.manifest.fragments if fragment.blake3 in known]
    assert len(same) < len(known) / 10


def test_the_same_bytes_are_cut_alike(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(random.Random(1).randbytes(300_000))
    lengths = cdc.lengths(tmp_path / "a", ByContent(16_384))
    assert lengths == cdc.lengths(tmp_path / "a", ByContent(16_384))
    assert sum(lengths) == 300_000
    assert 16_384 / 2 < 300_000 / len(lengths) < 16_384 * 2
    assert lengths == CUT


# Another version of the library that cut elsewhere would make all packages strangers to their next versions.
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


def test_nothing_is_one_fragment(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert cdc.lengths(tmp_path / "empty", ByContent()) == [0]


def test_restarts_do_not_hinder_whoever_unpacks(tmp_path: Path, tree: Any) -> None:
    """Python's own reader; the stock agent's is tested with the stock agent."""
    archive.pack(tree, tmp_path / "out", OperatingSystem.LINUX, None)
    with tarfile.open(tmp_path / "out") as tar:
        for member in tar:
            assert tar.extractfile(member).read() == (tree / member.name).read_bytes()
