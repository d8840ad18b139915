"""What a package will be, before it is made."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput, NotFound
from distd.domain.records import Action, OperatingSystem
from distd.domain.settings import DownloadConfig
from distd.origin.packages import previews
from distd.origin.packages.orders import PackageOrder, UploadSource
from distd.origin.packages.previews import preview

if TYPE_CHECKING:
    from distd.storage.data_dir import DataDir


@pytest.fixture(autouse=True)
def uploads(data: DataDir) -> None:
    data.uploads.mkdir()


def order(upload: str | None, action: Action = Action.STORE, target: str = "C:\\x") -> PackageOrder:
    source = None if upload is None else UploadSource(upload)
    return PackageOrder("Putty", OperatingSystem.WINDOWS, action, target, source=source)


def test_a_file_is_packed_first(data: DataDir) -> None:
    (data.uploads / "putty.exe").write_bytes(b"MZ" * 600)
    found = preview(data, order("putty.exe"), DownloadConfig())
    assert (found.file_name, found.total_bytes, found.is_packed, found.digest) == ("putty.exe", 1200, True, "")


def test_an_archive_is_cut_as_it_is(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data.uploads / "putty.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("putty.exe", b"MZ")
        archive.writestr("help.txt", b"?")
    content = path.read_bytes()
    found = preview(data, order("putty.zip", Action.LAUNCH, "putty.exe /S"), DownloadConfig())
    assert (found.total_bytes, found.is_packed, found.files) == (len(content), False, 2)
    assert found.digest == hashlib.md5(content).hexdigest()
    monkeypatch.setattr(previews, "MAX_HASHED_BYTES", 10)
    assert preview(data, order("putty.zip"), DownloadConfig()).digest == ""


def test_a_command_needs_no_file(data: DataDir) -> None:
    found = preview(data, order(None, Action.EXECUTE, "shutdown /r"), DownloadConfig())
    assert (found.file_name, found.total_bytes, found.is_packed) == ("", 0, False)


def test_what_cannot_be_built_is_said(data: DataDir) -> None:
    with pytest.raises(NotFound):
        preview(data, order("nothing.zip"), DownloadConfig())
    with pytest.raises(BadInput) as caught:
        preview(data, order(None), DownloadConfig())
    assert caught.value.field == "source"
