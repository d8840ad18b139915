"""Packages of another server enter the catalogue under their own ids, or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.domain.errors import BadInput, Conflict, Corrupt
from distd.domain.records import Action, Info, OperatingSystem
from distd.origin.packages import packages, publishing
from distd.origin.packages.publishing import ForeignPackage
from distd.wire import ocs_info as info_format
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.origin import TestOrigin

NOW_S = 1_700_000_000.5
CONTENT = b"\x1f\x8b" + bytes(2000)


@pytest.fixture
def ocs(tmp_path: Path) -> Any:
    folder = tmp_path / "1500000001"
    folder.mkdir()
    (folder / "1500000001-1").write_bytes(CONTENT)
    info = Info("1500000001", 3, Action.STORE, "/opt/x", 1, hashlib.md5(CONTENT).hexdigest())
    (folder / "info").write_bytes(info_format.render(info))
    return folder


def import_package(package_store: Any, folder: Any, name: Any = "Old", system: Any = None) -> Any:
    return publishing.import_package(package_store, ADMIN, ForeignPackage(folder, name, system), NOW_S)


def test_it_keeps_its_id_and_what_it_says(origin: TestOrigin, package_store: Any, ocs: Any) -> None:
    package = import_package(package_store, ocs)
    assert (package.id, package.name, package.os, package.priority) == ("1500000001", "Old", "LINUX", 3)
    assert (package.target, package.size_bytes, package.fragments) == ("/opt/x", len(CONTENT), 1)
    assert origin.read(packages.read_all) == [dataclasses.replace(package, warnings=())]
    assert import_package(package_store, _renamed(ocs, "1500000002"), system=OperatingSystem.OTHER).os == "OTHER"


def _renamed(ocs: Any, package_id: Any) -> Any:
    (ocs / "1500000001-1").rename(ocs / f"{package_id}-1")
    info = (ocs / "info").read_bytes()
    (ocs / "info").write_bytes(info.replace(b"1500000001", package_id.encode()))
    return ocs


def test_an_id_that_is_taken_or_was_is_refused(package_store: Any, ocs: Any) -> None:
    import_package(package_store, ocs)
    with pytest.raises(Conflict, match="1500000001 is here already, or was"):
        import_package(package_store, ocs)
    publishing.delete(package_store, ADMIN, "1500000001", NOW_S)
    with pytest.raises(Conflict, match="1500000001 is here already, or was"):
        import_package(package_store, ocs)


def test_what_fails_can_be_tried_again(origin: TestOrigin, package_store: Any, ocs: Any) -> None:
    (ocs / "1500000001-1").write_bytes(CONTENT[:-1])
    with pytest.raises(Corrupt):
        import_package(package_store, ocs)
    assert origin.rows(schema.package_ids) == []
    assert os.listdir(package_store.data.download) == []
    (ocs / "1500000001-1").write_bytes(CONTENT)
    assert import_package(package_store, ocs).id == "1500000001"


def test_a_name_is_needed(package_store: Any, ocs: Any) -> None:
    with pytest.raises(BadInput, match="name"):
        import_package(package_store, ocs, name=" ")
