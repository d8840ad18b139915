"""What becomes of a package that is out already: edited, superseded, withdrawn; and a crash in the midst of it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue.event_log import Kind
from distd.domain import recipes
from distd.domain.errors import BadInput, Conflict, NotFound, Unavailable
from distd.domain.fragment_plan import ByContent
from distd.domain.package_spec import OPTIONS
from distd.domain.records import Action, Digest, Notify, OperatingSystem
from distd.origin.packages import packages, publishing, versions
from distd.origin.packages.publishing import RecipeUse
from distd.origin.packages.recovery import reconcile
from distd.packaging.verify import verify
from distd.storage import package_dirs as directories
from distd.storage.fragment_store import FragmentStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.origin import House

NOW_S = 1_700_000_000.5
LATER_S = NOW_S + 60


@pytest.fixture
def active(house: House, publish: Any) -> Any:
    """A package that is published and active."""

    def active(**changes: Any) -> Any:
        package = publish(**changes)
        return house.write(packages.activate, package.id, None, None, NOW_S)

    return active


@pytest.fixture
def whole(shop: Any) -> Any:
    """Whether a package's files are as they were signed."""
    return lambda package_id: verify(shop.data, package_id, shop.ca) == {}


# --- edit --------------------------------------------------------------------------------------------------------


def edit(
    shop: Any,
    package_id: Any,
    name: Any = None,
    priority: Any = None,
    target: Any = None,
    notify: Any = lambda old: old,
) -> Any:
    return versions.edit(shop, package_id, LATER_S, name=name, priority=priority, target=target, notify=notify)


def test_an_edited_package_says_something_else_and_holds_the_same(
    house: House, shop: Any, publish: Any, whole: Any
) -> None:
    package = publish()
    folder = shop.data.package(package.id)
    before = {path.name: path.stat().st_ino for path in folder.glob("*-*")}
    asked = Notify(user=True, text="Save all", countdown_s=60)
    edited = edit(shop, package.id, "New", 3, "/opt/new", lambda _: asked)
    assert (edited.name, edited.priority, edited.target, edited.version) == ("New", 3, "/opt/new", 2)
    info = directories.read_info(shop.data, package.id)
    assert (info.priority, info.target, info.notify) == (3, "/opt/new", asked)
    assert directories.read_manifest(shop.data, package.id, shop.ca).version == 2
    assert {path.name: path.stat().st_ino for path in folder.glob("*-*")} == before
    assert whole(package.id)
    assert house.events()[-1].kind == Kind.PACKAGE_EDITED
    assert os.listdir(shop.data.download) == [package.id]


def test_a_name_alone_needs_no_new_version(house: House, shop: Any, publish: Any) -> None:
    package = publish()
    assert dataclasses.replace(edit(shop, package.id, name="New"), name="hello") == dataclasses.replace(
        package, warnings=()
    )
    assert [event.kind for event in house.events()] == [Kind.PACKAGE_PUBLISHED]


EDITS = {
    "a priority beyond the period": ({"priority": 11}, "--priority"),
    "a path with a space": ({"target": "/opt/a b"}, "--path"),
    "no name": ({"name": " "}, "--name"),
    "a text that XML cannot carry": ({"notify": lambda _: Notify(text="\x00")}, "--notify-text"),
}


@pytest.mark.parametrize(("changes", "field"), EDITS.values(), ids=EDITS)
def test_what_cannot_be_said_changes_nothing(house: House, shop: Any, publish: Any, changes: Any, field: Any) -> None:
    package = publish()
    with pytest.raises(BadInput, match=field):
        edit(shop, package.id, **changes)
    assert house.read(packages.show, package.id).version == 1
    assert directories.read_manifest(shop.data, package.id, shop.ca).version == 1


def test_a_row_that_is_not_committed_leaves_the_old_directory(
    shop: Any, publish: Any, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = publish()

    def full(*_: Any) -> None:
        raise Unavailable("catalogue", "full")

    monkeypatch.setattr(packages, "mark_edited", full)
    with pytest.raises(Unavailable):
        edit(shop, package.id, priority=2)
    monkeypatch.undo()
    assert directories.read_info(shop.data, package.id).priority == 5
    assert whole(package.id)


# --- withdraw ----------------------------------------------------------------------------------------------------


def test_a_withdrawn_package_has_no_bytes_left(house: House, shop: Any, active: Any, whole: Any) -> None:
    package = active()
    versions.withdraw(shop, package.id, LATER_S)
    folder = shop.data.package(package.id)
    fragments = list(folder.glob("*-*"))
    assert len(fragments) == package.fragments
    assert {path.read_bytes() for path in fragments} == {b""}
    assert directories.read_info(shop.data, package.id).fragments == package.fragments
    assert whole(package.id)
    # The one empty fragment that all are.
    assert FragmentStore(shop.data.fragments).used_bytes() == 0
    shown = house.read(packages.show, package.id)
    assert (shown.active, shown.withdrawn_at_s, shown.version) == (False, LATER_S, 2)
    assert shown.size_bytes == package.size_bytes
    assert house.events()[-1].kind == Kind.PACKAGE_WITHDRAWN


def test_who_was_told_stays_told_and_who_was_not_is_not(house: House, shop: Any, active: Any) -> None:
    package = active()
    for device_id in ("told", "waiting", "done"):
        house.prolog(device_id)
        house.inventory(device_id=device_id)
        house.assign(package.id, device_id)
    assert house.listed("told") == house.listed("done") == [package.id]
    house.report(package.id, "SUCCESS", "done")
    versions.withdraw(shop, package.id, LATER_S)
    assert house.listed("told") == [package.id]
    assert house.listed("waiting") == []
    house.report(package.id, "ERR_BAD_DIGEST", "told")
    assert house.listed("told") == []
    rows = {row.device_id: (row.code, row.withdrawn) for row in house.results(package.id)}
    assert rows == {"told": ("ERR_BAD_DIGEST", True), "done": ("SUCCESS", False)}


def test_what_is_withdrawn_is_not_used_again(house: House, shop: Any, active: Any) -> None:
    package = active()
    versions.withdraw(shop, package.id, LATER_S)
    for use in (
        lambda: versions.withdraw(shop, package.id, LATER_S),
        lambda: edit(shop, package.id, priority=2),
        lambda: house.write(packages.activate, package.id, None, None, LATER_S),
    ):
        with pytest.raises(Conflict, match="is withdrawn"):
            use()


def test_bytes_that_another_package_has_stay(shop: Any, publish: Any, whole: Any) -> None:
    first, second = publish(), publish()
    versions.withdraw(shop, first.id, LATER_S)
    assert whole(second.id)
    assert FragmentStore(shop.data.fragments).used_bytes() == second.size_bytes


# --- supersede ---------------------------------------------------------------------------------------------------


def supersede(
    shop: Any, package_id: Any, source: Any, name: Any = None, target: Any = None, with_assignments: Any = False
) -> Any:
    successor = versions.Successor(source, name, target, with_assignments)
    return versions.supersede(shop, package_id, successor, LATER_S)


@pytest.fixture
def newer(tmp_path: Path) -> Any:
    path = tmp_path / "newer" / "hello.txt"
    path.parent.mkdir()
    path.write_bytes(b"newer")
    return path


def test_a_successor_has_what_is_not_given_from_the_old_one(
    house: House, shop: Any, publish: Any, newer: Any, whole: Any
) -> None:
    notify = Notify(user=True, text="Soon")
    old = publish(os=OperatingSystem.WINDOWS, notify=notify, plan=ByContent(8192), digest=Digest.SHA256, priority=3)
    house.write(packages.activate, old.id, "a.example/x", "b.example/y", NOW_S)
    new = supersede(shop, old.id, newer)
    assert new.id != old.id
    assert (new.name, new.os, new.action, new.target, new.priority) == ("hello", "WINDOWS", "STORE", "/opt/hello", 3)
    assert (new.active, new.info_server, new.fragment_server) == (True, "a.example/x", "b.example/y")
    assert (new.plan, new.md5) == ("content:8192", "")
    info = directories.read_info(shop.data, new.id)
    assert (info.notify, info.digest_algo, len(info.digest)) == (notify, "SHA256", 64)
    shown = house.read(packages.show, old.id)
    assert (shown.active, shown.superseded_by) == (False, new.id)
    assert whole(new.id)
    assert whole(old.id)


def test_what_is_given_is_taken(shop: Any, publish: Any, newer: Any) -> None:
    old = publish()
    new = supersede(shop, old.id, newer, "Newer", "/opt/newer")
    assert (new.name, new.target, new.active) == ("Newer", "/opt/newer", False)


def test_a_recipe_is_followed_again(shop: Any, publish: Any, tmp_path: Path) -> None:
    script = tmp_path / "one.sh"
    script.write_bytes(b"echo 1\r\n")
    prepared = recipes.prepare("shell", OperatingSystem.LINUX, script.name, "-v")
    changes = {"action": Action.EXECUTE, "target": prepared.target, "line_ends": prepared.line_ends}
    old = publish(source=script, recipe=RecipeUse("shell", "-v"), **changes)
    new = supersede(shop, old.id, script.rename(tmp_path / "two.sh"))
    assert (old.target, new.target) == ("sh ./one.sh -v", "sh ./two.sh -v")
    assert (new.recipe, new.arguments) == ("shell", "-v")


def test_a_package_has_one_successor(shop: Any, publish: Any, newer: Any) -> None:
    old = publish()
    new = supersede(shop, old.id, newer)
    with pytest.raises(Conflict, match=f"supersede {new.id}, its successor"):
        supersede(shop, old.id, newer)


def test_computers_go_with_it_if_asked(house: House, shop: Any, active: Any, newer: Any) -> None:
    old = active()
    for device_id in ("told", "waiting", "done", "withdrawn", "other"):
        house.prolog(device_id)
        house.inventory(device_id=device_id)
    for device_id in ("told", "waiting", "done", "withdrawn"):
        house.assign(old.id, device_id, force=device_id == "done", schedule="x", postcmd="y")
    for device_id in ("told", "done", "withdrawn"):
        house.listed(device_id)
    house.report(old.id, "SUCCESS", "done")
    house.unassign(old.id, "withdrawn")
    new = supersede(shop, old.id, newer, with_assignments=True)
    rows = {row.device_id: row for row in house.results(new.id)}
    assert sorted(rows) == ["done", "told", "waiting"]
    assert [rows[device_id].force for device_id in ("told", "done")] == [False, True]
    assert house.listed("waiting") == house.listed("done") == [new.id]
    # It finishes what it was told of first: a busy child of the Unix agent takes nothing new.
    assert house.listed("told") == [old.id]
    house.report(old.id, "SUCCESS", "told")
    assert house.listed("told") == [new.id]
    assert house.listed("other") == []


def test_computers_do_not_go_where_no_agent_would_be_told(shop: Any, publish: Any, newer: Any) -> None:
    with pytest.raises(Conflict, match="is not active, so no agent would be told"):
        supersede(shop, publish().id, newer, with_assignments=True)


def test_a_successor_that_fails_leaves_the_old_one_as_it_was(
    house: House, shop: Any, active: Any, tmp_path: Path
) -> None:
    old = active()
    with pytest.raises(BadInput, match="FILE"):
        supersede(shop, old.id, tmp_path / "missing")
    assert house.read(packages.list_packages) == [old]


@pytest.mark.parametrize(
    "use",
    [
        lambda shop, path: supersede(shop, "99", path),
        lambda shop, _: versions.withdraw(shop, "99", NOW_S),
        lambda shop, _: edit(shop, "99", priority=2),
        lambda shop, _: publishing.delete(shop, "99", NOW_S),
    ],
)
def test_an_unknown_package_is_not_found(shop: Any, newer: Any, use: Any) -> None:
    with pytest.raises(NotFound):
        use(shop, newer)


def test_every_action_has_its_option() -> None:
    assert set(OPTIONS) == set(Action)


# --- crashes -----------------------------------------------------------------------------------------------------

# Dies after the directory is in its place and before the row is committed.
CRASH = """
import os, sys
from pathlib import Path
from distd.origin.installation import open_installation
from distd.origin.packages import versions
from distd.storage.staged_package import StagedPackage
replace = StagedPackage.replace
StagedPackage.replace = lambda self: (replace(self), os._exit(9))
with open_installation(Path(sys.argv[1])) as site:
    if sys.argv[3] == "edit":
        versions.edit(site.package_store(), sys.argv[2], 1, name=None, priority=2, target=None, notify=lambda old: old)
    else:
        versions.withdraw(site.package_store(), sys.argv[2], 1)
"""


@pytest.mark.parametrize("use", ["edit", "withdraw"])
def test_a_crash_between_directory_and_row_is_caught_up_with(
    house: House, shop: Any, active: Any, whole: Any, use: Any
) -> None:
    package = active()
    command = [sys.executable, "-c", CRASH, shop.data.root, package.id, use]
    assert subprocess.run(command, check=False).returncode == 9
    assert house.read(packages.show, package.id).version == 1
    reconcile(shop.catalogue, shop.data)
    shown = house.read(packages.show, package.id)
    assert (shown.version, shown.priority) == (2, 2 if use == "edit" else 5)
    assert (shown.withdrawn_at_s is None, shown.active) == ((use == "edit"), (use == "edit"))
    assert whole(package.id)
    assert os.listdir(shop.data.download) == [package.id]
