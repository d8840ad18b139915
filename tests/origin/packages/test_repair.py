"""Bad files of a package are replaced by good ones, and only by good ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import Corrupt
from distd.origin.packages import versions
from distd.origin.packages.repair import PackageRepair
from distd.packaging.verify import verify
from distd.storage.pki import load_ca
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(data: Any, publish: Any) -> Path:
    """The folder of a package."""
    path: Path = data.package(publish().id)
    return path


@pytest.fixture
def package(data: Any, folder: Path) -> PackageRepair:
    return PackageRepair(data, folder.name, 1, load_ca(data.ca_certificate))


def spoil(path: Path) -> bytes:
    """Other bytes in a file of its own (those of the fragment store stay); gives those before."""
    before = path.read_bytes()
    path.unlink()
    path.write_bytes(b"x" * len(before))
    return before


def faults(data: Any, folder: Path) -> set[str]:
    return set(verify(data, folder.name, load_ca(data.ca_certificate)))


@pytest.mark.parametrize("name", ["manifest", "info"])
def test_a_small_file_is_replaced(data: Any, folder: Path, package: PackageRepair, name: str) -> None:
    content = spoil(folder / name)
    assert name in faults(data, folder)
    replace = package.replace_manifest if name == "manifest" else package.replace_info
    with pytest.raises(Corrupt):
        replace(b"y" + content[1:], "mirror")
    replace(content, "mirror")
    assert faults(data, folder) == set()


def test_the_manifest_of_another_package_is_refused(data: Any, folder: Path, publish: Any, package: Any) -> None:
    other = data.package(publish(name="other", now_s=1_800_000_000).id)
    with pytest.raises(Corrupt, match=f"mirror: expected id {folder.name}, got id {other.name}"):
        package.replace_manifest((other / "manifest").read_bytes(), "mirror")


@pytest.mark.parametrize(("catalogue", "mirror"), [(2, 1), (1, 2)])
def test_another_version_than_the_catalogues_is_refused(
    data: Any, folder: Path, package_store: Any, catalogue: int, mirror: int
) -> None:
    """An earlier one may be what was withdrawn since; a later one the catalogue does not know."""
    signed = {1: (folder / "manifest").read_bytes()}
    changes = versions.PackageChanges(lambda notify: notify, priority=3)
    versions.edit(package_store, ADMIN, folder.name, changes, 1_800_000_000.0)
    signed[2] = (folder / "manifest").read_bytes()
    package = PackageRepair(data, folder.name, catalogue, load_ca(data.ca_certificate))
    with pytest.raises(Corrupt, match=f"mirror: expected version {catalogue}, .* got version {mirror}"):
        package.replace_manifest(signed[mirror], "mirror")
    package.replace_manifest(signed[catalogue], "mirror")
    assert package.manifest().version == catalogue


def test_a_fragment_comes_from_the_store(data: Any, folder: Path, package: PackageRepair) -> None:
    fragment = package.manifest().fragments[1]
    spoil(folder / package.name(fragment))
    assert package.restore_fragment(fragment)
    assert faults(data, folder) == set()


def test_a_fragment_that_is_bad_in_the_store_too_does_not(data: Any, folder: Path, package: PackageRepair) -> None:
    fragment = package.manifest().fragments[1]
    (folder / package.name(fragment)).write_bytes(b"x")  # the file in the store is the same one
    assert not package.restore_fragment(fragment)


def test_a_fragment_comes_piece_by_piece(data: Any, folder: Path, package: PackageRepair) -> None:
    fragment = package.manifest().fragments[0]
    content = spoil(folder / package.name(fragment))
    with package.replace_fragment(fragment) as file:
        file.append([content[:100]])
        file.append([content[100:]])
    assert faults(data, folder) == set()


@pytest.mark.parametrize("content", [b"", b"short", b"z" * 1024, b"z" * 5000])
def test_other_bytes_are_refused_and_leave_nothing(folder: Path, package: PackageRepair, content: bytes) -> None:
    names = sorted(path.name for path in folder.iterdir())
    fragment = package.manifest().fragments[0]
    before = (folder / package.name(fragment)).read_bytes()
    with pytest.raises(Corrupt), package.replace_fragment(fragment) as file:
        file.append([content])
    assert (folder / package.name(fragment)).read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == names
