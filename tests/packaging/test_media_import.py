"""Packages of the origin that come on a disk: every byte is checked, and what does not fit leaves nothing."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import Corrupt, Unavailable
from distd.packaging.media_import import import_package
from distd.packaging.verify import verify
from distd.storage.data_dir import DataDir
from distd.storage.incoming import IncomingFragments
from distd.storage.version_floors import VersionFloors

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

    from tests.fixtures.package_dirs import PackageToBuild


@pytest.fixture
def mirror(tmp_path: Path) -> DataDir:
    data = DataDir(tmp_path / "mirror")
    data.download.mkdir(parents=True)
    (data.root / "incoming").mkdir()
    return data


@pytest.fixture
def incoming(mirror: DataDir) -> IncomingFragments:
    return IncomingFragments(mirror, mirror.root / "incoming")


@pytest.fixture
def media(tmp_path: Path, package: PackageToBuild) -> Path:
    """Package 17 on a disk."""
    return shutil.copytree(package.publish(), tmp_path / "media" / "17")


def test_a_package_is_taken_in(mirror: DataDir, incoming: IncomingFragments, media: Path, ca: x509.Certificate) -> None:
    manifest = import_package(mirror, incoming, media, ca)
    assert (manifest.package_id, verify(mirror, "17", ca)) == ("17", {})
    assert os.listdir(mirror.root / "incoming") == []


def test_an_earlier_version_than_was_here_is_not_taken(
    mirror: DataDir, incoming: IncomingFragments, media: Path, ca: x509.Certificate
) -> None:
    VersionFloors(mirror.version_floors).raise_to({"17": 2})
    with pytest.raises(Corrupt, match="version of 17: expected 2 or later"):
        import_package(mirror, incoming, media, ca)
    assert os.listdir(mirror.download) == []


def test_what_has_come_already_is_not_read_again(
    mirror: DataDir, incoming: IncomingFragments, media: Path, ca: x509.Certificate
) -> None:
    import_package(mirror, incoming, media, ca)
    for path in media.glob("17-*"):
        path.unlink()
    import_package(mirror, incoming, media, ca)
    assert verify(mirror, "17", ca) == {}


@pytest.mark.parametrize("name", ["info", "manifest", "17-1"])
def test_a_missing_file_is_named(
    mirror: DataDir, incoming: IncomingFragments, media: Path, ca: x509.Certificate, name: str
) -> None:
    (media / name).unlink()
    with pytest.raises(Corrupt, match="No such file or directory"):
        import_package(mirror, incoming, media, ca)
    assert os.listdir(mirror.download) == []


@pytest.mark.parametrize("name", ["info", "manifest", "17-1"])
def test_a_changed_bit_is_found(
    mirror: DataDir, incoming: IncomingFragments, media: Path, ca: x509.Certificate, name: str
) -> None:
    content = bytearray((media / name).read_bytes())
    content[-1] ^= 1
    (media / name).write_bytes(content)
    with pytest.raises(Corrupt):
        import_package(mirror, incoming, media, ca)
    assert os.listdir(mirror.download) == []


def test_a_full_disk_is_no_fault_of_the_package(
    mirror: DataDir,
    incoming: IncomingFragments,
    media: Path,
    ca: x509.Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(_fd: int, _data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(Unavailable, match="data directory: the disk is full"):
        import_package(mirror, incoming, media, ca)
