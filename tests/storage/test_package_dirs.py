"""Package directories on the disk: read, listed, deleted."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput, Corrupt
from distd.domain.records import Fragment
from distd.storage import package_dirs
from distd.storage.fragment_store import FragmentStore

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

    from distd.storage.data_dir import DataDir
    from tests.fixtures.package_dirs import PackageToBuild


@pytest.fixture
def folder(package: PackageToBuild) -> Path:
    """Package 17, of four fragments."""
    package.source.write_bytes(random.Random(1).randbytes(3000))
    return package.publish("17")


def test_info_and_manifest_are_read(data: DataDir, folder: Path, ca: x509.Certificate) -> None:
    assert package_dirs.read_info(data, "17").fragments == 4
    assert package_dirs.read_manifest(data, "17", ca).package_id == "17"


def test_packages_are_listed_by_number_and_nothing_else_is(data: DataDir) -> None:
    for name in ("1700000001", "99", "100", ".building-3-1", ".deleted-4-1", "x", "7x", "-1", "1" * 21, "\u0663"):
        (data.download / name).mkdir()
    assert package_dirs.list_ids(data) == ["99", "100", "1700000001"]


def test_a_deleted_package_is_gone_and_the_others_are_not(data: DataDir, folder: Path, package: PackageToBuild) -> None:
    package.publish("18")
    package_dirs.delete(data, "17")
    assert os.listdir(data.download) == ["18"]
    with pytest.raises(FileNotFoundError):
        package_dirs.delete(data, "17")


def test_an_info_that_is_none_is_bad_input(data: DataDir, folder: Path) -> None:
    (folder / "info").write_bytes(b"404 Not Found")
    with pytest.raises(BadInput, match="info: expected XML"):
        package_dirs.read_info(data, "17")


def test_a_retired_package_is_not_listed_and_its_fragments_stay_until_it_is_purged(data: DataDir, folder: Path) -> None:
    used_bytes = FragmentStore(data.fragments).used_bytes()
    retired = package_dirs.retire(data, "17")
    assert package_dirs.list_ids(data) == []
    assert FragmentStore(data.fragments).used_bytes() == used_bytes > 0
    package_dirs.purge(data, [retired])
    assert FragmentStore(data.fragments).used_bytes() == 0
    assert os.listdir(data.download) == []


def test_only_the_fragments_of_what_is_removed_are_looked_at(
    data: DataDir, folder: Path, package: PackageToBuild, site_keys: DataDir
) -> None:
    data.ca_certificate.write_bytes(site_keys.ca_certificate.read_bytes())
    package.publish("18")
    stray = data.fragments / "00" / "11"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"of no package")
    before_bytes = FragmentStore(data.fragments).used_bytes()
    package_dirs.delete(data, "17")  # 18 has the same fragments
    assert FragmentStore(data.fragments).used_bytes() == before_bytes
    package_dirs.delete(data, "18")
    assert FragmentStore(data.fragments).used_bytes() == len(b"of no package")
    # Without its manifest nobody knows what was in it: then all are looked at.
    package.publish("19")
    (data.package("19") / "manifest").write_bytes(b"?")
    package_dirs.delete(data, "19")
    assert FragmentStore(data.fragments).used_bytes() == 0


def test_a_crash_while_one_is_removed_leaves_what_is_known_by(
    data: DataDir, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retired = package_dirs.retire(data, "17")
    with monkeypatch.context() as crash:
        crash.setattr(FragmentStore, "remove_unused", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            package_dirs.purge(data, [retired])
    assert FragmentStore(data.fragments).used_bytes() > 0
    retired.rename(retired.with_name(".deleted-17-99999999"))  # of a process that is no more
    assert package_dirs.remove_stale(data) is True
    assert FragmentStore(data.fragments).used_bytes() == 0


@pytest.mark.parametrize(
    ("length", "expected"), [(1024, "expected BLAKE3 0000"), (1023, "expected 1023 bytes, got 1024 bytes")]
)
def test_a_fragment_is_checked_alone(folder: Path, length: int, expected: str) -> None:
    fault = package_dirs.check_fragment(folder, Fragment(1, length, bytes(32)))
    assert isinstance(fault, Corrupt)
    assert expected in str(fault)


def test_what_crashes_left_is_removed(data: DataDir, folder: Path) -> None:
    assert package_dirs.remove_stale(data) is False
    (data.download / ".building-18-99999999").mkdir()
    assert package_dirs.remove_stale(data) is True
    assert os.listdir(data.download) == ["17"]
