"""What is on a mirror's disk when it starts, and which of it is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distd.storage import atomic
from tests.redistrib.fakes import log, make_package

if TYPE_CHECKING:
    import pytest

    from distd.storage.pki import Signer
    from redistrib.local_packages import LocalPackages


async def test_packages_are_read_and_what_cannot_be_read_is_not_served(
    local: LocalPackages, signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    make_package(signer, "17", b"one").install(local.data)
    make_package(signer, "18", b"two", version=3).install(local.data)
    (make_package(signer, "19", b"three").install(local.data) / "manifest").write_bytes(b"no manifest")
    (make_package(signer, "20", b"four").install(local.data) / "manifest").unlink()
    (local.data.download / f"{atomic.DELETED}21-999999999").mkdir()
    await local.load(log)
    assert local.versions == {"17": 1, "18": 3}
    assert len(caplog.messages) == 2
    assert sorted(path.name for path in local.data.download.glob("[!.]*")) == ["17", "18"]
    assert sorted(local.retired) == sorted(local.data.download.glob(".*"))
    assert len(local.retired) == 2


def test_bad_files_until_they_are_good_or_replaced(local: LocalPackages) -> None:
    local.publish("17", 1)
    local.mark_bad("17", "17-1")
    local.mark_bad("17", "17-2")
    local.mark_good("17", "17-1")
    assert (local.has_bad("17"), local.is_bad("17", "17-1"), local.is_bad("17", "17-2")) == (True, False, True)
    local.mark_good("17", "17-2")
    local.mark_good("18", "18-1")
    assert not local.has_bad("17")
    local.mark_bad("17", "17-1")
    local.publish("17", 2)
    assert not local.has_bad("17")
    local.mark_bad("17", "17-1")
    assert local.remove("17")
    assert not local.remove("17")
    assert (local.has_bad("17"), local.versions) == (False, {})
