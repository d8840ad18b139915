"""Packages of an OCS server: read as they are, checked, copied or linked; what does not fit leaves nothing."""

from __future__ import annotations

import base64
import dataclasses
import errno
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from distd.domain.errors import BadInput, Corrupt, Unavailable
from distd.domain.records import Action, Info, OperatingSystem
from distd.packaging import ocs_import
from distd.packaging.verify import verify
from distd.storage.quota import DiskLimits
from distd.wire import ocs_info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography import x509

    from distd.storage.data_dir import DataDir
    from distd.storage.pki import Signer
    from distd.storage.staged_package import StagedPackage

    Ocs = Callable[..., Path]
    Take = Callable[..., StagedPackage]

CONTENTS = [b"\x1f\x8b" + bytes(2000), b"two" * 700, b"three"]
ALGORITHMS = [
    pytest.param(name, encode, id=f"{name} {encode}")
    for name in ("MD5", "SHA1", "SHA256")
    for encode in ("Hexa", "Base64")
]


@pytest.fixture
def ocs(tmp_path: Path) -> Ocs:
    """Writes a package as an OCS server has it; gives its folder."""

    def write(
        package_id: str = "1500000001",
        contents: list[bytes] = CONTENTS,
        algorithm: str = "MD5",
        encode: str = "Hexa",
        **changes: Any,
    ) -> Path:
        folder = tmp_path / "ocs" / package_id
        folder.mkdir(parents=True)
        for number, content in enumerate(contents, 1):
            (folder / f"{package_id}-{number}").write_bytes(content)
        digest = hashlib.new(algorithm, b"".join(contents)).digest()
        text = base64.b64encode(digest).decode() if encode == "Base64" else digest.hex()
        info = Info(package_id, 5, Action.STORE, "/x", len(contents), text if contents else "", algorithm, encode)
        (folder / "info").write_bytes(ocs_info.render(dataclasses.replace(info, **changes)))
        return folder

    return write


@pytest.fixture
def take(data: DataDir, signer: Signer) -> Take:
    def take(folder: Path, **kwargs: Any) -> StagedPackage:
        with ocs_import.prepare(data, ocs_import.read(folder), signer, **kwargs) as staged:
            staged.sync()
            staged.publish()
        return staged

    return take


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize(("algorithm", "encode"), ALGORITHMS)
def test_a_package_is_taken_as_it_is(
    data: DataDir, ca: x509.Certificate, ocs: Ocs, take: Take, algorithm: str, encode: str, link: bool
) -> None:
    folder = ocs(algorithm=algorithm, encode=encode)
    taken = take(folder, link=link)
    ours = data.package("1500000001")
    assert (ours / "info").read_bytes() == (folder / "info").read_bytes()
    for number, content in enumerate(CONTENTS, 1):
        theirs, mine = folder / f"1500000001-{number}", ours / f"1500000001-{number}"
        assert mine.read_bytes() == content
        assert (mine.stat().st_ino == theirs.stat().st_ino) is link
    assert verify(data, "1500000001", ca) == {}
    assert (taken.size_bytes, taken.fragments) == (sum(map(len, CONTENTS)), 3)
    assert bool(taken.manifest.md5) is (algorithm == "MD5")
    assert bool(taken.manifest.sha256) is (algorithm == "SHA256")


def test_a_command_without_a_file(data: DataDir, ca: x509.Certificate, ocs: Ocs, take: Take) -> None:
    take(ocs(contents=[], action=Action.EXECUTE, target="reboot"))
    assert verify(data, "1500000001", ca) == {}


@pytest.mark.parametrize(
    ("content", "system"),
    [
        (b"PK\x03\x04", OperatingSystem.WINDOWS),
        (b"\x1f\x8b\x08", OperatingSystem.LINUX),
        (b"x", OperatingSystem.OTHER),
        (b"", OperatingSystem.OTHER),
    ],
)
def test_its_archive_tells_for_whom_it_is(ocs: Ocs, content: bytes, system: OperatingSystem) -> None:
    assert ocs_import.read(ocs(contents=[content])).os is system


def test_a_wrong_digest_leaves_nothing(data: DataDir, ocs: Ocs, take: Take) -> None:
    folder = ocs()
    (folder / "1500000001-2").write_bytes(b"twO" * 700)
    with pytest.raises(Corrupt, match=f"package 1500000001 in {folder}: expected MD5 "):
        take(folder)
    assert os.listdir(data.download) == []


def test_a_missing_fragment_is_named(data: DataDir, ocs: Ocs, take: Take) -> None:
    folder = ocs()
    (folder / "1500000001-2").unlink()
    with pytest.raises(BadInput, match=r"folder: expected a whole package in .*1500000001-2: No such file"):
        take(folder)
    assert os.listdir(data.download) == []


BAD = {
    "an id that is no time": ({"id": "0"}, "info/ID: expected 1 to 18 decimal digits"),
    "an id that is too long": ({"id": "1" * 19}, "info/ID: expected 1 to 18 decimal digits"),
    "too many fragments": ({"fragments": 1_000_001}, "info/FRAGS: expected at most 1000000"),
    "another digest": ({"digest_algo": "CRC32"}, "info/DIGEST_ALGO: expected one of MD5, SHA1, SHA256, got CRC32"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_an_info_that_cannot_be(ocs: Ocs, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        ocs_import.read(ocs(**changes))


def test_an_info_that_is_none(ocs: Ocs) -> None:
    folder = ocs()
    (folder / "info").write_bytes(b"x" * 100_000)
    with pytest.raises(BadInput, match="info: expected at most 65536 bytes"):
        ocs_import.read(folder)


def test_one_folder_or_all(ocs: Ocs, tmp_path: Path) -> None:
    second, first = ocs("1500000002"), ocs("99")
    (tmp_path / "ocs" / "x").mkdir()
    (tmp_path / "ocs" / "100").mkdir()
    assert ocs_import.find(first) == [first]
    assert ocs_import.find(tmp_path / "ocs") == [first, second]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_where_there_are_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="folder: expected "):
        ocs_import.find(tmp_path / name)
    with pytest.raises(BadInput, match="folder: expected the folder of a package"):
        ocs_import.find(tmp_path / "empty")


def test_another_file_system_cannot_be_linked(
    data: DataDir, ocs: Ocs, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    folder = ocs()
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(BadInput, match="link: expected a folder on the file system of the data directory"):
        take(folder, link=True)
    assert os.listdir(data.download) == []


def test_a_full_disk_is_named_before_anything_is_written(data: DataDir, ocs: Ocs, take: Take) -> None:
    with pytest.raises(Unavailable, match="are needed beside"):
        take(ocs(), limits=DiskLimits(keep_free_bytes=2**60))
    assert os.listdir(data.download) == []


def test_a_quota_counts_what_is_there(data: DataDir, ocs: Ocs, take: Take) -> None:
    first = ocs("1500000001")
    size = sum(map(len, CONTENTS))
    take(first, limits=DiskLimits(quota_bytes=size))
    with pytest.raises(Unavailable, match=f"store.quota_mib allows {size} bytes: {size} are used, and {size} more"):
        take(ocs("1500000002"), limits=DiskLimits(quota_bytes=size))
