"""A package with another info, or emptied, under the same id and one version on."""

from __future__ import annotations

import dataclasses
import errno
import os
from typing import TYPE_CHECKING

import pytest

from distd.packaging import revise
from distd.packaging.verify import verify
from distd.storage import package_dirs

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

    from tests.fixtures.package_dirs import PackageToBuild


@pytest.fixture
def folder(package: PackageToBuild) -> Path:
    """Package 17."""
    return package.publish()


def _inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.glob("17-*")}


@pytest.mark.parametrize("links", [True, False])
def test_an_edited_package_has_the_same_fragments(
    package: PackageToBuild, folder: Path, ca: x509.Certificate, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    before = _inodes(folder)
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    info = dataclasses.replace(package_dirs.read_info(package.data, "17"), target="/opt/other", priority=7)
    with revise.edit(package.data, info, package.signer, ca) as staged:
        assert package_dirs.read_info(package.data, "17").priority == 5
        staged.replace()
    assert package_dirs.read_info(package.data, "17") == info
    assert package_dirs.read_manifest(package.data, "17", ca).version == 2
    assert verify(package.data, "17", ca) == {}
    assert (_inodes(folder) == before) is links
    assert _inodes(folder).keys() == before.keys()


def test_a_withdrawn_package_has_empty_fragments(package: PackageToBuild, folder: Path, ca: x509.Certificate) -> None:
    names = set(_inodes(folder))
    before = package_dirs.read_info(package.data, "17")
    with revise.withdraw(package.data, "17", package.signer, ca) as staged:
        staged.replace()
    assert set(_inodes(folder)) == names
    assert {path.read_bytes() for path in folder.glob("17-*")} == {b""}
    manifest = package_dirs.read_manifest(package.data, "17", ca)
    assert (manifest.version, manifest.size, manifest.md5, len(manifest.fragments)) == (2, 0, b"", len(names))
    assert package_dirs.read_info(package.data, "17") == before
    assert verify(package.data, "17", ca) == {}


def test_what_is_not_replaced_leaves_the_old_one(package: PackageToBuild, folder: Path, ca: x509.Certificate) -> None:
    with revise.withdraw(package.data, "17", package.signer, ca):
        pass
    assert os.listdir(package.data.download) == ["17"]
    assert package_dirs.read_manifest(package.data, "17", ca).version == 1
