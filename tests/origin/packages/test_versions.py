"""What becomes of a package that is out already: edited, superseded, withdrawn; and a crash in the midst of it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from distd.catalogue.event_log import Kind
from distd.catalogue.rollouts_schema import rollouts as table
from distd.domain import recipes
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import BadInput, Conflict, NotFound, Unavailable
from distd.domain.fragment_plan import ByContent
from distd.domain.records import Action, Digest, Notify, OperatingSystem
from distd.domain.rollout_plan import RolloutPlan, WaveBy, WavePlan
from distd.origin.deployments import rollouts
from distd.origin.deployments.rollouts import NewRollout
from distd.origin.packages import packages, publishing, versions
from distd.origin.packages.publishing import RecipeUse
from distd.origin.packages.recovery import reconcile
from distd.origin.packages.versions import PackageChanges, Successor
from distd.packaging.verify import verify
from distd.storage import package_dirs as directories
from distd.storage.fragment_store import FragmentStore
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from pathlib import Path

    from distd.origin.packages.publishing import NewPackage
    from tests.fixtures.origin import TestOrigin

NOW_S = 1_700_000_000.5
LATER_S = NOW_S + 60


@pytest.fixture
def active(origin: TestOrigin, publish: Any) -> Any:
    """A package that is published and active."""

    def active(**changes: Any) -> Any:
        package = publish(**changes)
        return origin.act(packages.activate, package.id, None, None, NOW_S)

    return active


@pytest.fixture
def whole(package_store: Any) -> Any:
    """Whether a package's files are as they were signed."""
    return lambda package_id: verify(package_store.data, package_id, package_store.ca) == {}


# --- edit --------------------------------------------------------------------------------------------------------


def edit(
    package_store: Any,
    package_id: Any,
    name: Any = None,
    priority: Any = None,
    target: Any = None,
    notify: Any = lambda old: old,
) -> Any:
    return versions.edit(package_store, ADMIN, package_id, PackageChanges(notify, name, priority, target), LATER_S)


def test_an_edited_package_says_something_else_and_holds_the_same(
    origin: TestOrigin, package_store: Any, publish: Any, whole: Any
) -> None:
    package = publish()
    folder = package_store.data.package(package.id)
    before = {path.name: path.stat().st_ino for path in folder.glob("*-*")}
    asked = Notify(user=True, text="Save all", countdown_s=60)
    edited = edit(package_store, package.id, "New", 3, "/opt/new", lambda _: asked)
    assert (edited.name, edited.priority, edited.target, edited.version) == ("New", 3, "/opt/new", 2)
    info = directories.read_info(package_store.data, package.id)
    assert (info.priority, info.target, info.notify) == (3, "/opt/new", asked)
    assert directories.read_manifest(package_store.data, package.id, package_store.ca).version == 2
    assert {path.name: path.stat().st_ino for path in folder.glob("*-*")} == before
    assert whole(package.id)
    edited_event, renamed = origin.events()[-2:]
    assert (edited_event.kind, renamed.kind) == (Kind.PACKAGE_EDITED, Kind.PACKAGE_RENAMED)
    assert (edited_event.actor, renamed.actor, renamed.detail) == (ADMIN, ADMIN, {"name": "New"})
    assert os.listdir(package_store.data.download) == [package.id]


def test_a_name_alone_needs_no_new_version(origin: TestOrigin, package_store: Any, publish: Any) -> None:
    package = publish()
    assert dataclasses.replace(edit(package_store, package.id, name="New"), name="hello") == dataclasses.replace(
        package, warnings=()
    )
    assert [event.kind for event in origin.events()] == [Kind.PACKAGE_PUBLISHED, Kind.PACKAGE_RENAMED]


def test_who_has_seen_an_earlier_one_changes_nothing(origin: TestOrigin, package_store: Any, publish: Any) -> None:
    seen = publish()

    def edit_seen(**changes: Any) -> Any:
        given = PackageChanges(lambda old: old, **changes)
        return versions.edit(package_store, ADMIN, seen.id, given, LATER_S, seen)

    described = edit_seen(description="for all", priority=3)
    assert (described.description, described.version) == ("for all", 2)
    assert origin.events(Kind.PACKAGE_DESCRIBED)[0].detail == {"description": "for all"}
    for changes in ({"name": "New"}, {"priority": 4}):
        with pytest.raises(Conflict, match="was changed by somebody else meanwhile"):
            edit_seen(**changes)
    now = origin.read(packages.show, seen.id)
    assert (now.name, now.priority, now.version) == (seen.name, 3, 2)
    assert directories.read_info(package_store.data, seen.id).priority == 3


EDITS = {
    "a priority beyond the period": ({"priority": 11}, "priority"),
    "a path with a space": ({"target": "/opt/a b"}, "target"),
    "no name": ({"name": " "}, "name"),
    "a text that XML cannot carry": ({"notify": lambda _: Notify(text="\x00")}, "notify.text"),
}


@pytest.mark.parametrize(("changes", "field"), EDITS.values(), ids=EDITS)
def test_what_cannot_be_said_changes_nothing(
    origin: TestOrigin, package_store: Any, publish: Any, changes: Any, field: Any
) -> None:
    package = publish()
    with pytest.raises(BadInput, match=field):
        edit(package_store, package.id, **changes)
    assert origin.read(packages.show, package.id).version == 1
    assert directories.read_manifest(package_store.data, package.id, package_store.ca).version == 1


def test_a_row_that_is_not_committed_leaves_the_old_directory(
    package_store: Any, publish: Any, whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = publish()

    def full(*_: Any) -> None:
        raise Unavailable("catalogue", "full")

    monkeypatch.setattr(packages, "mark_edited", full)
    with pytest.raises(Unavailable):
        edit(package_store, package.id, priority=2)
    monkeypatch.undo()
    assert packages.mark_edited is not full
    assert directories.read_info(package_store.data, package.id).priority == 5
    assert whole(package.id)


# --- withdraw ----------------------------------------------------------------------------------------------------


def test_a_withdrawn_package_has_no_bytes_left(origin: TestOrigin, package_store: Any, active: Any, whole: Any) -> None:
    package = active()
    versions.withdraw(package_store, ADMIN, package.id, LATER_S)
    folder = package_store.data.package(package.id)
    fragments = list(folder.glob("*-*"))
    assert len(fragments) == package.fragments
    assert {path.read_bytes() for path in fragments} == {b""}
    assert directories.read_info(package_store.data, package.id).fragments == package.fragments
    assert whole(package.id)
    # The one empty fragment that all are.
    assert FragmentStore(package_store.data.fragments).used_bytes() == 0
    shown = origin.read(packages.show, package.id)
    assert (shown.active, shown.withdrawn_at_s, shown.version) == (False, LATER_S, 2)
    assert shown.size_bytes == package.size_bytes
    assert origin.events()[-1].kind == Kind.PACKAGE_WITHDRAWN


def test_who_was_told_stays_told_and_who_was_not_is_not(origin: TestOrigin, package_store: Any, active: Any) -> None:
    package = active()
    for device_id in ("told", "waiting", "done"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
        origin.assign(package.id, device_id)
    assert origin.listed("told") == origin.listed("done") == [package.id]
    origin.report(package.id, "SUCCESS", "done")
    versions.withdraw(package_store, ADMIN, package.id, LATER_S)
    assert origin.listed("told") == [package.id]
    assert origin.listed("waiting") == []
    origin.report(package.id, "ERR_BAD_DIGEST", "told")
    assert origin.listed("told") == []
    rows = {row.device_id: (row.code, row.withdrawn) for row in origin.results(package.id)}
    assert rows == {"told": ("ERR_BAD_DIGEST", True), "done": ("SUCCESS", False)}


def test_what_is_withdrawn_is_not_used_again(origin: TestOrigin, package_store: Any, active: Any) -> None:
    package = active()
    versions.withdraw(package_store, ADMIN, package.id, LATER_S)
    for use in (
        lambda: versions.withdraw(package_store, ADMIN, package.id, LATER_S),
        lambda: edit(package_store, package.id, priority=2),
        lambda: origin.act(packages.activate, package.id, None, None, LATER_S),
    ):
        with pytest.raises(Conflict, match="is withdrawn"):
            use()


def test_bytes_that_another_package_has_stay(package_store: Any, publish: Any, whole: Any) -> None:
    first, second = publish(), publish()
    versions.withdraw(package_store, ADMIN, first.id, LATER_S)
    assert whole(second.id)
    assert FragmentStore(package_store.data.fragments).used_bytes() == second.size_bytes


# --- supersede ---------------------------------------------------------------------------------------------------


def supersede(
    package_store: Any,
    package_id: Any,
    source: Any,
    name: Any = None,
    target: Any = None,
    with_assignments: Any = False,
) -> Any:
    successor = versions.Successor(source, name, target, with_assignments)
    return versions.supersede(package_store, ADMIN, package_id, successor, LATER_S)


@pytest.fixture
def newer(tmp_path: Path) -> Any:
    path = tmp_path / "newer" / "hello.txt"
    path.parent.mkdir()
    path.write_bytes(b"newer")
    return path


def test_a_successor_has_what_is_not_given_from_the_old_one(
    origin: TestOrigin, package_store: Any, publish: Any, newer: Any, whole: Any
) -> None:
    notify = Notify(user=True, text="Soon")
    windows = {"os": OperatingSystem.WINDOWS, "target": "C:\\hello"}
    old = publish(**windows, notify=notify, plan=ByContent(8192), digest=Digest.SHA256, priority=3)
    origin.act(packages.activate, old.id, "a.example/x", "b.example/y", NOW_S)
    new = supersede(package_store, old.id, newer)
    assert new.id != old.id
    assert (new.name, new.os, new.action, new.target, new.priority) == ("hello", "WINDOWS", "STORE", "C:\\hello", 3)
    assert (new.active, new.info_server, new.fragment_server) == (True, "a.example/x", "b.example/y")
    assert (new.plan, new.md5) == ("content:8192", "")
    info = directories.read_info(package_store.data, new.id)
    assert (info.notify, info.digest_algo, len(info.digest)) == (notify, "SHA256", 64)
    shown = origin.read(packages.show, old.id)
    assert (shown.active, shown.superseded_by) == (False, new.id)
    assert whole(new.id)
    assert whole(old.id)


def test_what_is_given_is_taken(package_store: Any, publish: Any, newer: Any) -> None:
    old = publish()
    new = supersede(package_store, old.id, newer, "Newer", "/opt/newer")
    assert (new.name, new.target, new.active) == ("Newer", "/opt/newer", False)


def test_a_recipe_is_followed_again(package_store: Any, publish: Any, tmp_path: Path) -> None:
    script = tmp_path / "one.sh"
    script.write_bytes(b"echo 1\r\n")
    prepared = recipes.prepare("shell", OperatingSystem.LINUX, script.name, "-v")
    changes = {"action": Action.EXECUTE, "target": prepared.target, "line_ends": prepared.line_ends}
    old = publish(source=script, recipe=RecipeUse("shell", "-v"), **changes)
    new = supersede(package_store, old.id, script.rename(tmp_path / "two.sh"))
    assert (old.target, new.target) == ("sh ./one.sh -v", "sh ./two.sh -v")
    assert (new.recipe, new.arguments) == ("shell", "-v")


def test_a_package_has_one_successor(package_store: Any, publish: Any, newer: Any) -> None:
    old = publish()
    new = supersede(package_store, old.id, newer)
    with pytest.raises(Conflict, match=f"supersede {new.id}, its successor"):
        supersede(package_store, old.id, newer)


def test_computers_go_with_it_if_asked(origin: TestOrigin, package_store: Any, active: Any, newer: Any) -> None:
    old = active()
    for device_id in ("told", "waiting", "done", "withdrawn", "other"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
    for device_id in ("told", "waiting", "done", "withdrawn"):
        origin.assign(old.id, device_id, force=device_id == "done", schedule="2026/12/01 18:00", postcmd="y")
    for device_id in ("told", "done", "withdrawn"):
        origin.listed(device_id)
    origin.report(old.id, "SUCCESS", "done")
    origin.unassign(old.id, "withdrawn")
    new = supersede(package_store, old.id, newer, with_assignments=True)
    rows = {row.device_id: row for row in origin.results(new.id)}
    assert sorted(rows) == ["done", "told", "waiting"]
    assert [rows[device_id].force for device_id in ("told", "done")] == [False, True]
    assert origin.listed("waiting") == origin.listed("done") == [new.id]
    # It finishes what it was told of first: a busy child of the Unix agent takes nothing new.
    assert origin.listed("told") == [old.id]
    origin.report(old.id, "SUCCESS", "told")
    assert origin.listed("told") == [new.id]
    assert origin.listed("other") == []


def test_computers_do_not_go_where_no_agent_would_be_told(package_store: Any, publish: Any, newer: Any) -> None:
    with pytest.raises(Conflict, match="is not active, so no agent would be told"):
        supersede(package_store, publish().id, newer, with_assignments=True)


def test_a_successor_that_fails_leaves_the_old_one_as_it_was(
    origin: TestOrigin, package_store: Any, active: Any, tmp_path: Path
) -> None:
    old = active()
    with pytest.raises(BadInput, match="source"):
        supersede(package_store, old.id, tmp_path / "missing")
    assert origin.read(packages.read_all) == [old]


@pytest.mark.parametrize(
    "use",
    [
        lambda package_store, path: supersede(package_store, "99", path),
        lambda package_store, _: versions.withdraw(package_store, ADMIN, "99", NOW_S),
        lambda package_store, _: edit(package_store, "99", priority=2),
        lambda package_store, _: publishing.delete(package_store, ADMIN, "99", NOW_S),
    ],
)
def test_an_unknown_package_is_not_found(package_store: Any, newer: Any, use: Any) -> None:
    with pytest.raises(NotFound):
        use(package_store, newer)


# --- crashes -----------------------------------------------------------------------------------------------------

# Dies after the directory is in its place and before the row is committed.
CRASH = """
import os, sys
from pathlib import Path
from distd.origin.installation import open_installation
from distd.domain.actor import SYSTEM
from distd.origin.packages import versions
from distd.storage.staged_package import StagedPackage
replace = StagedPackage.replace
StagedPackage.replace = lambda self: (replace(self), os._exit(9))
with open_installation(Path(sys.argv[1])) as site:
    if sys.argv[3] == "edit":
        changes = versions.PackageChanges(lambda old: old, priority=2)
        versions.edit(site.package_store(), SYSTEM, sys.argv[2], changes, 1)
    else:
        versions.withdraw(site.package_store(), SYSTEM, sys.argv[2], 1)
"""


@pytest.mark.parametrize("use", ["edit", "withdraw"])
def test_a_crash_between_directory_and_row_is_caught_up_with(
    origin: TestOrigin, package_store: Any, active: Any, whole: Any, use: Any
) -> None:
    package = active()
    command = [sys.executable, "-c", CRASH, package_store.data.root, package.id, use]
    assert subprocess.run(command, check=False).returncode == 9
    assert origin.read(packages.show, package.id).version == 1
    reconcile(package_store.catalogue, package_store.data)
    shown = origin.read(packages.show, package.id)
    assert (shown.version, shown.priority) == (2, 2 if use == "edit" else 5)
    assert (shown.withdrawn_at_s is None, shown.active) == ((use == "edit"), (use == "edit"))
    assert whole(package.id)
    assert os.listdir(package_store.data.download) == [package.id]


def test_a_file_that_was_uploaded_gets_the_mode_of_what_it_is_for(
    package_store: Any, publish: Any, new_package: NewPackage
) -> None:
    assert new_package.source is not None
    new_package.source.chmod(0o640)
    for action, target, mode in ((Action.STORE, "/opt/x", 0o644), (Action.LAUNCH, "hello.txt", 0o755)):
        old = publish(action=action, target=target)
        uploaded = Successor(new_package.source, file_mode_of_server=True)
        assert versions.plan_successor(package_store, old.id, uploaded)[1].file_mode == mode
        assert versions.plan_successor(package_store, old.id, Successor(new_package.source))[1].file_mode is None


def test_what_was_approved_stays_as_it_is(pc: TestOrigin, package_store: Any, publish: Any) -> None:
    package = publish()
    plan = RolloutPlan((WavePlan(WaveBy.REST),), approval=True)
    new = NewRollout("pilot", package.id, AssignmentOrigin(OriginKind.FILTER), plan)
    pc.act(rollouts.create, new, LATER_S)
    edit(package_store, package.id, target="/other")
    pc.write(lambda conn, *_: conn.execute(update(table).values(approved_by="operator:eve")))
    with pytest.raises(Conflict, match="the roll-out pilot was approved with"):
        edit(package_store, package.id, target="/evil")
    assert edit(package_store, package.id, name="Other").target == "/other"
    pc.write(lambda conn, *_: conn.execute(update(table).values(phase="STOPPED")))
    edit(package_store, package.id, target="/third")
