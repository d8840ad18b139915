"""What becomes of a package that is published already: edited, superseded by a new one, withdrawn.

Its bytes never change under its id: agents may have some of its fragments already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from distd.catalogue import event_log, schema
from distd.catalogue.event_log import Kind
from distd.catalogue.schema import assignments, micros
from distd.domain import fragment_plan, recipes
from distd.domain.errors import BadInput, Conflict
from distd.domain.package_spec import NO_SOURCE, PackageSpec, warnings
from distd.domain.records import Action, Digest, OperatingSystem
from distd.origin.groups import given_packages
from distd.origin.packages import attempts, packages, references
from distd.origin.packages.counters import is_latest
from distd.origin.packages.publishing import (
    NewPackage,
    RecipeUse,
    check_description,
    check_name,
    check_priority,
    check_signer,
    fetched_mode,
    publish,
)
from distd.packaging import builder, revise
from distd.storage import package_dirs
from distd.storage.fragment_store import FragmentStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.records import Notify
    from distd.origin.packages.packages import Package
    from distd.origin.packages.publishing import InSameTransaction, PackageStore
    from distd.packaging.progress import Progress
    from distd.storage.staged_package import StagedPackage

MAX_LOGGED = 1000  # characters of a description, in its event


@dataclass(frozen=True, slots=True)
class Successor:
    """What a new package has that takes the place of an old one; None: as the old one has it.

    `with_assignments`: the computers that the old one was assigned to get the new one. `file_mode_of_server`: the mode
    of a file is only how the server keeps it; it becomes that of what is run, or of what all may read. `digest`: that
    of the source's content; then its path has no links. "": whatever it is.
    """

    source: Path
    name: str | None = None
    target: str | None = None
    with_assignments: bool = False
    file_mode_of_server: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True)
class PackageChanges:
    """What is to be changed of a package; None: as it was. `notify` gives the new notification from the old one."""

    notify: Callable[[Notify], Notify]
    name: str | None = None
    priority: int | None = None
    target: str | None = None
    description: str | None = None


def supersede(
    store: PackageStore,
    actor: Actor,
    old_id: str,
    successor: Successor,
    now_s: float,
    progress: Progress | None = None,
    finish: InSameTransaction | None = None,
) -> Package:
    """Publish a new package that has from the old one whatever is not given: name, system, action, target, priority,
    notification, how it is cut, where it is active; and, if asked, the computers that it was assigned to.

    The old one is deactivated: agents that were told of it finish it. Raises `NotFound`, `Conflict`, `BadInput`.
    """
    old, new = plan_successor(store, old_id, successor)

    def inherit(conn: Connection, new: Package) -> None:
        _inherit(conn, actor, old, new, now_s, with_assignments=successor.with_assignments)

    published = publish(store, actor, new, now_s, progress, inherit, finish)
    with store.catalogue.read() as conn:
        return replace(packages.show(conn, published.id), warnings=published.warnings)


def plan_successor(store: PackageStore, old_id: str, successor: Successor) -> tuple[Package, NewPackage]:
    """The old package, and what is to be published in its place. Raises `NotFound`, `Conflict`, `BadInput`."""
    with store.catalogue.read() as conn:
        old = packages.show(conn, old_id)
    if old.superseded_by is not None:
        raise Conflict("package", f"{old_id} is superseded already", f"supersede {old.superseded_by}, its successor")
    if successor.with_assignments and not old.active:
        raise Conflict("package", f"{old_id} is not active, so no agent would be told", "activate it first")
    recipe = None if old.recipe is None else RecipeUse(old.recipe, old.arguments or "")
    spec = _successor_spec(store, old, successor)
    file_mode = fetched_mode(spec.action) if successor.file_mode_of_server else None
    name, description = successor.name or old.name, old.description
    return old, NewPackage(name, successor.source, spec, recipe, description, file_mode, successor.digest)


def withdraw(store: PackageStore, actor: Actor, package_id: str, now_s: float) -> None:
    """Take a package back: see `revise.withdraw`. Its results stay. Raises `NotFound`, `Conflict`, `Corrupt`."""
    _refuse_withdrawn(store, package_id)
    with revise.withdraw(store.data, package_id, store.signer, store.ca) as staged:
        version = staged.manifest.version
        _replace(store, staged, lambda conn: packages.mark_withdrawn(conn, actor, package_id, version, now_s))
    FragmentStore(store.data.fragments).remove_unused()


def edit(
    store: PackageStore,
    actor: Actor,
    package_id: str,
    changes: PackageChanges,
    now_s: float,
    seen: Package | None = None,
) -> Package:
    """Change the name or description of a package, and what its info says, under the same id, in one step.

    `seen`: how it was when the changes were thought of; None: as it is. Agents that have fetched the info already go on
    with what it said. Raises `NotFound`, `BadInput`, and `Conflict`, also when somebody else has changed it meanwhile.
    """
    package = _refuse_withdrawn(store, package_id)
    old = package_dirs.read_info(store.data, package_id)
    info = replace(
        old,
        priority=old.priority if changes.priority is None else changes.priority,
        target=old.target if changes.target is None else changes.target,
        notify=changes.notify(old.notify),
    )
    given = (changes.name, changes.priority, changes.target, changes.description)
    if info == old and given == (None, None, None, None):
        raise BadInput("changes", "something to change: a name, a priority, a target or a notification", "nothing")
    check_name(package.name if changes.name is None else changes.name)
    check_description(changes.description or "")
    check_priority(info.priority, store.config)
    system = OperatingSystem(package.os)
    spec = PackageSpec(system, info.priority, info.action, info.target, notify=info.notify)
    builder.check_spec(spec)

    def mark(conn: Connection, version: int | None) -> None:
        _refuse_changed(conn, seen or package)
        if version is not None:
            _refuse_approved(conn, package_id)
            packages.mark_edited(conn, actor, info, version, now_s)
        _describe(conn, actor, package, changes, now_s)

    if info == old:
        with store.catalogue.write() as conn:
            mark(conn, None)
    else:
        with revise.edit(store.data, info, store.signer, store.ca) as staged:
            version = staged.manifest.version
            _replace(store, staged, lambda conn: mark(conn, version))
    with store.catalogue.read() as conn:
        return replace(packages.show(conn, package_id), warnings=warnings(spec, NO_SOURCE))


def _refuse_approved(conn: Connection, package_id: str) -> None:
    """What agents do with it was approved."""
    if names := references.find_approved(conn, package_id):
        raise Conflict(
            "package",
            f"the roll-out {names[0]} was approved with {package_id} as it is",
            "supersede it: the roll-out then needs another approval",
        )


def _refuse_changed(conn: Connection, seen: Package) -> None:
    now = packages.show(conn, seen.id)
    if (now.version, now.name, now.description) != (seen.version, seen.name, seen.description):
        raise Conflict("package", f"{seen.id} was changed by somebody else meanwhile", "look at it, and try again")


def _describe(conn: Connection, actor: Actor, package: Package, changes: PackageChanges, now_s: float) -> None:
    """What is not in the info: the name and the description."""
    for column, value, kind in (
        ("name", changes.name, Kind.PACKAGE_RENAMED),
        ("description", changes.description, Kind.PACKAGE_DESCRIBED),
    ):
        if value is not None and value != getattr(package, column):
            conn.execute(update(schema.packages).where(schema.packages.c.id == package.id).values({column: value}))
            detail: dict[str, Any] = {column: value[:MAX_LOGGED]}
            event_log.append(conn, kind, actor, at_s=now_s, package_id=package.id, **detail)


def _refuse_withdrawn(store: PackageStore, package_id: str) -> Package:
    with store.catalogue.read() as conn:
        package = packages.show(conn, package_id)
    if package.withdrawn_at_s is not None:
        raise Conflict("package", f"{package_id} is withdrawn")
    return package


def _replace(store: PackageStore, staged: StagedPackage, mark: Callable[[Connection], None]) -> None:
    """The directory and its row together. A crash between them leaves the newer directory (`recovery`)."""
    replaced = False
    try:
        staged.sync()
        with store.catalogue.write() as conn:
            check_signer(store)
            mark(conn)
            staged.replace()
            replaced = True
    except BaseException:
        if replaced:
            staged.replace()  # the row was not committed: back again
        raise


def _successor_spec(store: PackageStore, old: Package, successor: Successor) -> PackageSpec:
    info = package_dirs.read_info(store.data, old.id)
    system, target, line_ends = OperatingSystem(old.os), successor.target, None
    if old.recipe is not None and target is None:
        prepared = recipes.prepare(old.recipe, system, successor.source.name, old.arguments or "")
        target, line_ends = prepared.target, prepared.line_ends
    return PackageSpec(
        os=system,
        priority=old.priority,
        action=Action(old.action),
        target=old.target if target is None else target,
        plan=fragment_plan.read_plan(old.plan, old.priority, store.config),
        digest=Digest(info.digest_algo.upper()),
        notify=info.notify,
        line_ends=line_ends,
    )


def _inherit(
    conn: Connection, actor: Actor, old: Package, new: Package, now_s: float, *, with_assignments: bool
) -> None:
    conn.execute(update(schema.packages).where(schema.packages.c.id == old.id).values(superseded_by=new.id))
    event_log.append(conn, Kind.PACKAGE_SUPERSEDED, actor, at_s=now_s, package_id=old.id, by=new.id)
    references.follow_package(conn, old.id, new.id)
    if not old.active:
        return
    packages.activate(conn, actor, new.id, old.info_server, old.fragment_server, now_s, old.via)
    packages.deactivate(conn, actor, old.id, now_s)
    if with_assignments:
        _assign_again(conn, actor, old.id, new.id, now_s)
        given_packages.follow_package(conn, old.id, new.id, now_s)


def _assign_again(conn: Connection, actor: Actor, old_id: str, new_id: str, now_s: float) -> None:
    """Every computer's latest assignment of the old package, but for those that were taken back.

    What an agent was never told of the old package it need not be told any more.
    """
    mine = assignments.c.package_id == old_id
    query = select(assignments).where(mine, is_latest(), assignments.c.withdrawn_at_us.is_(None))
    found = conn.execute(query).all()
    rows = [
        {name: getattr(row, name) for name in ("computer_id", *attempts.KEPT)}
        | {"assigned_by": str(actor), "assigned_at_us": micros(now_s)}
        for row in found
    ]
    if not rows:
        return
    attempts.add(conn, new_id, rows)
    kind = Kind.ASSIGNED
    notes = [event_log.Note(kind, actor, now_s, new_id, row["computer_id"], {"force": row["force"]}) for row in rows]
    event_log.append_many(conn, notes)
    is_unheard = assignments.c.result.is_(None) & assignments.c.notified_at_us.is_(None)
    attempts.remove(conn, conn.execute(select(assignments).where(mine, is_unheard)).all())
    waiting = update(assignments).where(assignments.c.after_package_id == old_id, is_unheard)
    conn.execute(waiting.values(after_package_id=new_id))
