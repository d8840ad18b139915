"""Verifying a package on the disk: what is wrong is found and named, to the last bit and file."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3

from distd.domain.errors import Corrupt
from distd.domain.records import Action
from distd.packaging.verify import verify
from distd.storage import package_dirs, pki
from distd.storage.data_dir import DataDir
from distd.wire import manifest as manifest_format
from distd.wire import ocs_info

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cryptography import x509

    from distd.storage.pki import Signer
    from tests.fixtures.package_dirs import PackageToBuild


@pytest.fixture
def folder(package: PackageToBuild) -> Path:
    """Package 17, of four fragments."""
    package.source.write_bytes(random.Random(1).randbytes(3000))
    return package.publish("17")


def texts(faults: Mapping[str, Corrupt]) -> list[str]:
    return [str(fault) for fault in faults.values()]


def test_a_package_as_it_was_built_is_whole(data: DataDir, folder: Path, ca: x509.Certificate) -> None:
    told: list[tuple[int, int]] = []
    assert verify(data, "17", ca, lambda done, total: told.append((done, total))) == {}
    size = sum(path.stat().st_size for path in folder.glob("17-*"))
    assert [total for _, total in told] == [size] * 4
    assert [done for done, _ in told][:2] == [1024, 2048]
    assert told[-1][0] == size


def test_a_command_without_a_file_is_whole(data: DataDir, package: PackageToBuild, ca: x509.Certificate) -> None:
    package.publish("18", source=None, action=Action.EXECUTE, target="true")
    assert verify(data, "18", ca) == {}


@pytest.mark.parametrize("name", ["info", "manifest", "17-1", "17-2", "17-4"])
def test_a_changed_bit_anywhere_is_found_and_named(
    data: DataDir, folder: Path, ca: x509.Certificate, name: str
) -> None:
    path = folder / name
    content = path.read_bytes()
    what = {"info": "info of 17", "manifest": "manifest"}.get(name, f"fragment {name[3:]} of 17")
    for place in sorted({0, len(content) // 3, len(content) - 1}):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        (fault,) = verify(data, "17", ca).values()
        assert fault.what.startswith(what), (place, str(fault))
        assert fault.expected != fault.got


@pytest.mark.parametrize("name", ["info", "manifest", "17-1", "17-4"])
def test_a_missing_file_is_named(data: DataDir, folder: Path, ca: x509.Certificate, name: str) -> None:
    (folder / name).unlink()
    (fault,) = verify(data, "17", ca).values()
    what = f"fragment {name[3:]} of 17" if name[0] == "1" else f"{name} of 17"
    assert (fault.what, "No such file or directory" in fault.got) == (what, True)


@pytest.mark.parametrize("name", ["info", "manifest", "17-1"])
def test_a_folder_in_a_files_place_is_named(data: DataDir, folder: Path, ca: x509.Certificate, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    (fault,) = verify(data, "17", ca).values()
    assert "Is a directory" in fault.got


@pytest.mark.parametrize(
    ("change", "got"), [(lambda content: content[:-1], "1023 bytes"), (lambda content: content + b"x", "1025 bytes")]
)
def test_another_length_is_named(
    data: DataDir, folder: Path, ca: x509.Certificate, change: Callable[[bytes], bytes], got: str
) -> None:
    (folder / "17-2").write_bytes(change((folder / "17-2").read_bytes()))
    assert texts(verify(data, "17", ca)) == [f"fragment 2 of 17: expected 1024 bytes, got {got}"]


def test_every_fault_is_told(data: DataDir, folder: Path, ca: x509.Certificate) -> None:
    (folder / "17-1").write_bytes(b"")
    (folder / "17-3").unlink()
    (folder / "17-5").write_bytes(b"")
    (folder / ".htaccess").write_bytes(b"")
    (folder / "info").write_bytes(b"<DOWNLOAD/>")
    assert [fault.what for fault in verify(data, "17", ca).values()] == [
        "info of 17",
        "folder of 17",
        "folder of 17",
        "fragment 1 of 17",
        "fragment 3 of 17",
    ]


def test_another_version_than_it_must_have_is_a_fault(data: DataDir, folder: Path, ca: x509.Certificate) -> None:
    assert verify(data, "17", ca, version=1) == {}
    faults = verify(data, "17", ca, version=2)
    assert {name: str(fault) for name, fault in faults.items()} == {
        "manifest": "manifest of 17: expected version 2, got version 1"
    }


@pytest.mark.parametrize("name", ["17-5", "17-0", "17-01", "18-1", "core", ".lock"])
def test_a_surplus_file_is_named(data: DataDir, folder: Path, ca: x509.Certificate, name: str) -> None:
    (folder / name).write_bytes(b"")
    assert texts(verify(data, "17", ca)) == [f"folder of 17: expected only its own files, got {name}"]


def test_fragments_in_each_others_place_are_found(data: DataDir, folder: Path, ca: x509.Certificate) -> None:
    (folder / "17-1").rename(folder / "x")
    (folder / "17-2").rename(folder / "17-1")
    (folder / "x").rename(folder / "17-2")
    faults = verify(data, "17", ca)
    assert [fault.what for fault in faults.values()] == ["fragment 1 of 17", "fragment 2 of 17"]


def test_another_packages_files_do_not_pass_for_this_one(
    data: DataDir, folder: Path, package: PackageToBuild, ca: x509.Certificate
) -> None:
    other = package.publish("18")
    for path in other.iterdir():
        path.rename(folder / path.name.replace("18", "17"))
    message = "manifest of 17: expected id 17, got id 18"
    assert texts(verify(data, "17", ca)) == [message]
    with pytest.raises(Corrupt, match=message):
        package_dirs.read_manifest(data, "17", ca)


def test_another_sites_manifest_is_refused(data: DataDir, folder: Path, tmp_path: Path) -> None:
    other = DataDir(tmp_path / "other")
    other.keys.mkdir(parents=True)
    pki.create_keys(other.keys, other.ca_certificate, ["packages.example"])
    (fault,) = verify(data, "17", pki.load_ca(other.ca_certificate)).values()
    assert fault.what == "manifest signer"


@pytest.mark.parametrize(("name", "shown"), [("md5", "MD5"), ("blake3", "BLAKE3"), ("info_blake3", "BLAKE3")])
def test_every_digest_of_the_whole_is_held_against_it(
    data: DataDir, folder: Path, ca: x509.Certificate, signer: Signer, name: str, shown: str
) -> None:
    manifest = package_dirs.read_manifest(data, "17", ca)
    wrong = bytes(len(getattr(manifest, name)))
    changes: dict[str, Any] = {name: wrong}
    signed = manifest_format.sign(dataclasses.replace(manifest, **changes), signer.key, signer.certificate_der)
    (folder / "manifest").write_bytes(signed)
    what = "info of 17" if name == "info_blake3" else "package 17"
    right = getattr(manifest, name).hex()
    assert texts(verify(data, "17", ca)) == [f"{what}: expected {shown} {wrong.hex()}, got {right}"]


def test_the_digest_that_agents_check_is_held_against_the_whole(
    data: DataDir, folder: Path, ca: x509.Certificate, signer: Signer
) -> None:
    info = dataclasses.replace(package_dirs.read_info(data, "17"), digest="0" * 32)
    manifest = package_dirs.read_manifest(data, "17", ca)
    (folder / "info").write_bytes(ocs_info.render(info))
    right = manifest.md5.hex()
    changed = dataclasses.replace(manifest, md5=b"", info_blake3=blake3((folder / "info").read_bytes()).digest())
    (folder / "manifest").write_bytes(manifest_format.sign(changed, signer.key, signer.certificate_der))
    assert texts(verify(data, "17", ca)) == [f"package 17: expected MD5 {'0' * 32}, got {right}"]


def test_an_info_of_another_number_of_fragments_is_found(
    data: DataDir, folder: Path, ca: x509.Certificate, signer: Signer
) -> None:
    manifest = package_dirs.read_manifest(data, "17", ca)
    first = manifest.fragments[:3]
    shorter = dataclasses.replace(manifest, fragments=first, size=sum(fragment.length for fragment in first))
    (folder / "manifest").write_bytes(manifest_format.sign(shorter, signer.key, signer.certificate_der))
    assert "info of 17: expected FRAGS 3, got 4" in texts(verify(data, "17", ca))


def test_what_is_not_there_is_a_fault(data: DataDir, ca: x509.Certificate) -> None:
    (fault,) = verify(data, "99", ca).values()
    assert fault.what == "manifest of 99"
