"""Package directories on the disk: what is verified, to the last bit and file; what is listed and deleted."""

from __future__ import annotations

import dataclasses
import os
import random
from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3

from distd.domain.errors import BadInput, Corrupt
from distd.domain.records import Action
from distd.packaging.verify import verify
from distd.storage import package_dirs, pki
from distd.storage.data_dir import DataDir
from distd.wire import manifest as manifest_format
from distd.wire import ocs_info as info_format

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

    from distd.storage.pki import Signer


@pytest.fixture
def folder(order: Any, publish: Any) -> Any:
    """Package 17, of four fragments."""
    order.source.write_bytes(random.Random(1).randbytes(3000))
    return publish("17")


def texts(faults: Any) -> Any:
    return [str(fault) for fault in faults.values()]


def test_a_package_as_it_was_built_is_whole(data: Any, folder: Any, ca: x509.Certificate) -> None:
    told = []
    assert verify(data, "17", ca, lambda done, total: told.append((done, total))) == {}
    size = sum(path.stat().st_size for path in folder.glob("17-*"))
    assert [total for _, total in told] == [size] * 4
    assert [done for done, _ in told][:2] == [1024, 2048]
    assert told[-1][0] == size


def test_a_command_without_a_file_is_whole(data: Any, publish: Any, ca: x509.Certificate) -> None:
    publish("18", source=None, action=Action.EXECUTE, target="true")
    assert verify(data, "18", ca) == {}


def test_info_and_manifest_are_read(data: Any, folder: Any, ca: x509.Certificate) -> None:
    assert package_dirs.read_info(data, "17").fragments == 4
    assert package_dirs.read_manifest(data, "17", ca).package_id == "17"


@pytest.mark.parametrize("name", ["info", "manifest", "17-1", "17-2", "17-4"])
def test_a_changed_bit_anywhere_is_found_and_named(data: Any, folder: Any, ca: x509.Certificate, name: Any) -> None:
    path = folder / name
    content = path.read_bytes()
    what = {"info": "info of 17", "manifest": "manifest"}.get(name, f"fragment {name[3:]} of 17")
    for place in sorted({0, len(content) // 3, len(content) - 1}):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        (fault,) = verify(data, "17", ca).values()
        assert fault.what.startswith(what), (place, str(fault))
        assert fault.expected != fault.got


@pytest.mark.parametrize("name", ["info", "manifest", "17-1", "17-4"])
def test_a_missing_file_is_named(data: Any, folder: Any, ca: x509.Certificate, name: Any) -> None:
    (folder / name).unlink()
    (fault,) = verify(data, "17", ca).values()
    what = f"fragment {name[3:]} of 17" if name[0] == "1" else f"{name} of 17"
    assert (fault.what, "No such file or directory" in fault.got) == (what, True)


@pytest.mark.parametrize("name", ["info", "manifest", "17-1"])
def test_a_folder_in_a_files_place_is_named(data: Any, folder: Any, ca: x509.Certificate, name: Any) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    (fault,) = verify(data, "17", ca).values()
    assert "Is a directory" in fault.got


@pytest.mark.parametrize(
    ("change", "got"), [(lambda content: content[:-1], "1023 bytes"), (lambda content: content + b"x", "1025 bytes")]
)
def test_another_length_is_named(data: Any, folder: Any, ca: x509.Certificate, change: Any, got: Any) -> None:
    (folder / "17-2").write_bytes(change((folder / "17-2").read_bytes()))
    assert texts(verify(data, "17", ca)) == [f"fragment 2 of 17: expected 1024 bytes, got {got}"]


def test_every_fault_is_told(data: Any, folder: Any, ca: x509.Certificate) -> None:
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


@pytest.mark.parametrize("name", ["17-5", "17-0", "17-01", "18-1", "core", ".lock"])
def test_a_surplus_file_is_named(data: Any, folder: Any, ca: x509.Certificate, name: Any) -> None:
    (folder / name).write_bytes(b"")
    assert texts(verify(data, "17", ca)) == [f"folder of 17: expected only its own files, got {name}"]


def test_fragments_in_each_others_place_are_found(data: Any, folder: Any, ca: x509.Certificate) -> None:
    (folder / "17-1").rename(folder / "x")
    (folder / "17-2").rename(folder / "17-1")
    (folder / "x").rename(folder / "17-2")
    faults = verify(data, "17", ca)
    assert [fault.what for fault in faults.values()] == ["fragment 1 of 17", "fragment 2 of 17"]


def test_another_packages_files_do_not_pass_for_this_one(
    data: Any, folder: Any, publish: Any, ca: x509.Certificate
) -> None:
    other = publish("18")
    for path in other.iterdir():
        path.rename(folder / path.name.replace("18", "17"))
    message = "manifest of 17: expected id 17, got id 18"
    assert texts(verify(data, "17", ca)) == [message]
    with pytest.raises(Corrupt, match=message):
        package_dirs.read_manifest(data, "17", ca)


def test_another_sites_manifest_is_refused(data: Any, folder: Any, tmp_path: Path) -> None:
    other = DataDir(tmp_path / "other")
    other.keys.mkdir(parents=True)
    pki.create_keys(other.keys, other.ca_certificate, ["packages.example"])
    (fault,) = verify(data, "17", pki.load_ca(other.ca_certificate)).values()
    assert fault.what == "manifest signer"


@pytest.mark.parametrize(("name", "shown"), [("md5", "MD5"), ("blake3", "BLAKE3"), ("info_blake3", "BLAKE3")])
def test_every_digest_of_the_whole_is_held_against_it(
    data: Any, folder: Any, ca: x509.Certificate, signer: Signer, name: Any, shown: Any
) -> None:
    manifest = package_dirs.read_manifest(data, "17", ca)
    wrong = bytes(len(getattr(manifest, name)))
    signed = manifest_format.sign(dataclasses.replace(manifest, **{name: wrong}), signer.key, signer.certificate_der)
    (folder / "manifest").write_bytes(signed)
    what = "info of 17" if name == "info_blake3" else "package 17"
    right = getattr(manifest, name).hex()
    assert texts(verify(data, "17", ca)) == [f"{what}: expected {shown} {wrong.hex()}, got {right}"]


def test_the_digest_that_agents_check_is_held_against_the_whole(
    data: Any, folder: Any, ca: x509.Certificate, signer: Signer
) -> None:
    info = dataclasses.replace(package_dirs.read_info(data, "17"), digest="0" * 32)
    manifest = package_dirs.read_manifest(data, "17", ca)
    (folder / "info").write_bytes(info_format.render(info))
    right = manifest.md5.hex()
    changed = dataclasses.replace(manifest, md5=b"", info_blake3=blake3((folder / "info").read_bytes()).digest())
    (folder / "manifest").write_bytes(manifest_format.sign(changed, signer.key, signer.certificate_der))
    assert texts(verify(data, "17", ca)) == [f"package 17: expected MD5 {'0' * 32}, got {right}"]


def test_an_info_of_another_number_of_fragments_is_found(
    data: Any, folder: Any, ca: x509.Certificate, signer: Signer
) -> None:
    manifest = package_dirs.read_manifest(data, "17", ca)
    first = manifest.fragments[:3]
    shorter = dataclasses.replace(manifest, fragments=first, size=sum(fragment.length for fragment in first))
    (folder / "manifest").write_bytes(manifest_format.sign(shorter, signer.key, signer.certificate_der))
    assert "info of 17: expected FRAGS 3, got 4" in texts(verify(data, "17", ca))


def test_what_is_not_there_is_a_fault(data: Any, ca: x509.Certificate) -> None:
    (fault,) = verify(data, "99", ca).values()
    assert fault.what == "manifest of 99"


# --- the folder of all -------------------------------------------------------------------------------------------


def test_packages_are_listed_by_number_and_nothing_else_is(data: Any) -> None:
    for name in ("1700000001", "99", "100", ".building-3-1", ".deleted-4-1", "x", "7x", "-1", "1" * 21, "\u0663"):
        (data.download / name).mkdir()
    assert package_dirs.list_ids(data) == ["99", "100", "1700000001"]


def test_a_deleted_package_is_gone_and_the_others_are_not(data: Any, folder: Any, publish: Any) -> None:
    publish("18")
    package_dirs.delete(data, "17")
    assert os.listdir(data.download) == ["18"]
    with pytest.raises(FileNotFoundError):
        package_dirs.delete(data, "17")


def test_an_info_that_is_none_is_bad_input(data: Any, folder: Any) -> None:
    (folder / "info").write_bytes(b"404 Not Found")
    with pytest.raises(BadInput, match="info: expected XML"):
        package_dirs.read_info(data, "17")
