"""Publish, activate, deactivate, delete; and what crashes leave."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.fragment_plan import BySize
from distd.domain.records import Action
from distd.origin.packages import packages, publishing
from distd.origin.packages.recovery import Reconciled, reconcile
from distd.storage import package_dirs
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.origin import TestOrigin

NOW_S = 1_700_000_000.5


def _tree(data: Any) -> Any:
    return sorted(str(path.relative_to(data.root)) for path in data.download.rglob("*"))


def test_a_published_package_has_a_row_files_and_an_event(origin: TestOrigin, data: Any, publish: Any) -> None:
    package = publish()
    assert (package.id, package.name, package.os, package.action) == ("1700000000", "hello", "LINUX", "STORE")
    assert (package.priority, package.target, package.created_at_s) == (5, "/opt/hello", NOW_S)
    assert (package.active, package.info_server, package.fragment_server) == (False, None, None)
    assert package.size_bytes > 0
    folder = data.package(package.id)
    assert sum(path.stat().st_size for path in folder.glob("1700000000-*")) == package.size_bytes
    assert len(list(folder.glob("1700000000-*"))) == package.fragments
    assert origin.read(packages.read_all) == [dataclasses.replace(package, warnings=())]
    (event,) = origin.events()
    assert (event.kind, event.package_id) == (Kind.PACKAGE_PUBLISHED, package.id)
    assert event.detail == {"name": "hello", "size_bytes": package.size_bytes, "fragments": package.fragments}


def test_a_command_without_a_file_is_a_package_too(publish: Any) -> None:
    package = publish(source=None, action=Action.EXECUTE, target="reboot", plan=BySize())
    assert (package.fragments, package.size_bytes) == (0, 0)


def test_an_id_is_the_time_or_the_next_that_nobody_ever_had(
    origin: TestOrigin, data: Any, publish: Any, package_store: Any
) -> None:
    assert publish().id == "1700000000"
    assert publish().id == "1700000001"
    publishing.delete(package_store, ADMIN, "1700000001", NOW_S)
    assert publish().id == "1700000002"
    assert publish(now_s=NOW_S - 100).id == "1700000003"
    assert publish(now_s=NOW_S + 100).id == "1700000100"


def test_builds_at_once_get_different_ids(origin: TestOrigin, publish: Any) -> None:
    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [package.id for package in origin.read(packages.read_all)] == [f"170000000{n}" for n in range(4)]


REFUSED = {
    "a priority beyond the period": ({"priority": 6, "period_length": 5}, "priority: expected at most"),
    "no name": ({"name": " "}, "name: expected 1 to 255 printable characters"),
    "an endless name": ({"name": "x" * 256}, "name"),
    "an endless target": ({"target": "x" * 4097}, "at most 4096 characters, got 4097"),
    "a source that is not there": ({"source": "missing"}, "source"),
    "a fragment size of 0": ({"plan": BySize(0)}, "fragments.size_bytes"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_a_refused_order_changes_nothing(
    origin: TestOrigin, data: Any, publish: Any, tmp_path: Path, changes: Any, message: Any
) -> None:
    if "source" in changes:
        changes = changes | {"source": tmp_path / "missing"}
    before = _tree(data)
    with pytest.raises(BadInput, match=message):
        publish(**changes)
    assert _tree(data) == before
    assert origin.read(packages.read_all) == []
    assert origin.rows(schema.package_ids) == []
    assert origin.events() == []


def test_a_failure_between_rename_and_commit_leaves_nothing(
    origin: TestOrigin, data: Any, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _tree(data)
    monkeypatch.setattr(publishing, "_insert_row", _fail)
    with pytest.raises(RuntimeError, match="midway"):
        publish()
    assert _tree(data) == before
    assert origin.read(packages.read_all) == []


def _fail(_conn: Any, _actor: Any, package: Any) -> None:
    raise RuntimeError(f"midway through {package.id}")


# Dies after the directory has its final name and before the commit.
CRASH = """
import os, sys
from pathlib import Path
from distd.origin.installation import open_installation
from distd.domain.actor import SYSTEM
from distd.domain.records import Action, OperatingSystem
from distd.origin.packages import publishing
from distd.domain.package_spec import PackageSpec
spec = PackageSpec(OperatingSystem.LINUX, 5, Action.STORE, "/x")
new = publishing.NewPackage("hello", Path(sys.argv[2]), spec)
publishing._insert_row = lambda conn, actor, package: os._exit(9)
with open_installation(Path(sys.argv[1])) as site:
    publishing.publish(site.package_store(), SYSTEM, new, 1_700_000_000)
"""


def test_a_crash_between_rename_and_commit_is_cleared_away(
    origin: TestOrigin, data: Any, new_package: Any, publish: Any
) -> None:
    kept = publish()
    before = _tree(data)
    command = [sys.executable, "-c", CRASH, data.root, new_package.source]
    assert subprocess.run(command, check=False).returncode == 9
    assert data.package("1700000001").is_dir()
    assert reconcile(origin.catalogue, data) == Reconciled(removed=["1700000001"], missing=[])
    assert _tree(data) == before
    assert [package.id for package in origin.read(packages.read_all)] == [kept.id]
    assert publish().id == "1700000002"


def test_reconcile_reports_rows_without_files_and_keeps_them(origin: TestOrigin, data: Any, publish: Any) -> None:
    package = publish()
    os.rename(data.package(package.id), data.root / "elsewhere")
    assert reconcile(origin.catalogue, data) == Reconciled(removed=[], missing=[package.id])
    assert origin.read(packages.show, package.id)


def test_reconcile_removes_what_a_deletion_left(
    origin: TestOrigin, data: Any, publish: Any, package_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = publish()
    monkeypatch.setattr(package_dirs, "delete", lambda *_: None)
    publishing.delete(package_store, ADMIN, package.id, NOW_S)
    monkeypatch.undo()
    assert data.package(package.id).is_dir()
    assert reconcile(origin.catalogue, data).removed == [package.id]
    assert not data.package(package.id).exists()


def test_a_deleted_package_leaves_its_name_and_results(
    origin: TestOrigin, data: Any, publish: Any, package_store: Any
) -> None:
    package = publish()
    origin.prolog()
    origin.act(packages.activate, package.id, None, None, NOW_S)
    origin.assign(package.id)
    origin.listed()
    origin.report(package.id, "SUCCESS")
    publishing.delete(package_store, ADMIN, package.id, NOW_S)
    assert not data.package(package.id).exists()
    assert origin.read(packages.read_all) == []
    with pytest.raises(NotFound):
        origin.read(packages.show, package.id)
    assert [result.package_name for result in origin.results(package.id)] == ["hello"]
    assert origin.events()[-1].kind == Kind.PACKAGE_DELETED


@pytest.mark.parametrize(("computers", "words"), [(["a"], "to 1 computer "), (["a", "b"], "to 2 computers ")])
def test_a_package_that_computers_need_is_not_deleted(
    origin: TestOrigin, data: Any, publish: Any, package_store: Any, computers: Any, words: Any
) -> None:
    package = publish()
    origin.act(packages.activate, package.id, None, None, NOW_S)
    for device_id in computers:
        origin.prolog(device_id)
        origin.assign(package.id, device_id)
    with pytest.raises(Conflict, match=words):
        publishing.delete(package_store, ADMIN, package.id, NOW_S)
    assert data.package(package.id).is_dir()


def test_activation_comes_and_goes(origin: TestOrigin) -> None:
    origin.package("17", active=False)
    assert not origin.read(packages.show, "17").active
    package = origin.act(packages.activate, "17", None, None, NOW_S)
    assert (package.active, package.info_server) == (True, None)
    package = origin.act(packages.activate, "17", "a.example/x/", "[::1]:8080/y", NOW_S)
    assert (package.info_server, package.fragment_server) == ("a.example/x", "[::1]:8080/y")
    origin.act(packages.deactivate, "17", NOW_S)
    assert not origin.read(packages.show, "17").active
    with pytest.raises(Conflict, match="17 is not active"):
        origin.act(packages.deactivate, "17", NOW_S)
    assert [event.kind for event in origin.events()] == [
        Kind.PACKAGE_ACTIVATED,
        Kind.PACKAGE_ACTIVATED,
        Kind.PACKAGE_DEACTIVATED,
    ]


BAD_SERVERS = {
    "a scheme": ("http://a/x", "b/x", "info_server"),
    "a space": ("a/x", "b /x", "fragment_server"),
    "a query": ("a/x", "b/x?y", "fragment_server"),
    "a port of 0": ("a:0/x", "b/x", "info_server"),
    "a port beyond": ("a/x", "b:65536/x", "fragment_server"),
    "nothing": ("", "b/x", "info_server"),
    "endless": ("a/x", "b/" + "x" * 255, "fragment_server"),
    "only one": ("a/x", None, "info_server: expected the server of the fragments beside it"),
    "only the other": (None, "a/x", "fragment_server: expected the server of the info beside it"),
}


@pytest.mark.parametrize(("info", "fragments", "message"), BAD_SERVERS.values(), ids=BAD_SERVERS)
def test_servers_that_cannot_be_are_refused(origin: TestOrigin, info: Any, fragments: Any, message: Any) -> None:
    origin.package("17", active=False)
    with pytest.raises(BadInput, match=message):
        origin.act(packages.activate, "17", info, fragments, NOW_S)
    assert not origin.read(packages.show, "17").active


USES = {
    "activate": lambda conn: packages.activate(conn, ADMIN, "99", None, None, NOW_S),
    "deactivate": lambda conn: packages.deactivate(conn, ADMIN, "99", NOW_S),
    "show": lambda conn: packages.show(conn, "99"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_unknown_package_is_not_found(origin: TestOrigin, use: Any) -> None:
    with pytest.raises(NotFound, match="package: expected the id of a package, got 99"):
        origin.write(use)
