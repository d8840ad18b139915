"""What becomes of a package that is out already: edited, superseded by a new one, withdrawn.

Its bytes never change under its id: agents may hold some of its fragments already.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from distd.catalogue import event_log
from distd.catalogue.schema import assignments, micros, packages
from distd.domain import fragment_plan, recipes
from distd.domain.errors import Conflict
from distd.domain.records import Action, Digest, OperatingSystem
from distd.origin.packages import packages as use_cases
from distd.origin.packages.publishing import Made, check_name, check_priority, publish
from distd.packaging import revise
from distd.packaging.order import Order, check_words
from distd.storage import package_dirs as directories
from distd.storage.fragment_store import FragmentStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from distd.domain.records import Notify
    from distd.origin.packages.packages import Package
    from distd.origin.packages.publishing import Workshop
    from distd.packaging.builder import Built

    Progress = Callable[[int, int], None]


def supersede(
    shop: Workshop,
    old_id: str,
    source: Path,
    now_s: float,
    progress: Progress | None = None,
    *,
    name: str | None,
    target: str | None,
    with_assignments: bool,
) -> Package:
    """A new package of `source` that has from the old one whatever is not given: name, system, action, target,
    priority, notification, how it is cut, where it is active; and, if asked, the computers that it was assigned to.

    The old one is deactivated: agents that were told of it finish it. Raises `NotFound`, `Conflict`, `BadInput`.
    """
    with shop.catalogue.read() as conn:
        old = use_cases.show(conn, old_id)
    if old.superseded_by is not None:
        raise Conflict("PACKAGE", f"{old_id} is superseded already", f"supersede {old.superseded_by}, its successor")
    if with_assignments and not old.active:
        raise Conflict("PACKAGE", f"{old_id} is not active, so no agent would be told", "activate it first")

    def inherit(conn: Connection, new: Package) -> None:
        _inherit(conn, old, new, now_s, with_assignments=with_assignments)

    made = None if old.recipe is None else Made(old.recipe, old.arguments or "")
    order = _successor(shop, old, source, target)
    new = publish(shop, order, name or old.name, now_s, progress, made, inherit)
    with shop.catalogue.read() as conn:
        return replace(use_cases.show(conn, new.id), warnings=new.warnings)


def withdraw(shop: Workshop, package_id: str, now_s: float) -> None:
    """Take a package back: see `revise.withdraw`. Its results stay. Raises `NotFound`, `Conflict`, `Corrupt`."""
    _refuse_withdrawn(shop, package_id)
    built = revise.withdraw(shop.data, package_id, shop.signer, shop.ca)
    _replace(shop, built, lambda conn: use_cases.mark_withdrawn(conn, package_id, built.manifest.version, now_s))
    FragmentStore(shop.data.fragments).sweep()


def edit(
    shop: Workshop,
    package_id: str,
    now_s: float,
    *,
    name: str | None,
    priority: int | None,
    target: str | None,
    notify: Callable[[Notify], Notify],
) -> Package:
    """Change what the info of a package says, under the same id, in one step; None: as it was.

    Agents that have fetched the info already go on with what it said. Raises `NotFound`, `Conflict`, `BadInput`.
    """
    package = _refuse_withdrawn(shop, package_id)
    old = directories.read_info(shop.data, package_id)
    info = replace(
        old,
        priority=old.priority if priority is None else priority,
        target=old.target if target is None else target,
        notify=notify(old.notify),
    )
    check_name(package.name if name is None else name)
    check_priority(info.priority, shop.config)
    check_words(Order(None, OperatingSystem(package.os), info.priority, info.action, info.target, notify=info.notify))
    if info != old:
        built = revise.edit(shop.data, info, shop.signer, shop.ca)
        _replace(shop, built, lambda conn: use_cases.mark_edited(conn, info, built.manifest.version, now_s))
    with shop.catalogue.write() as conn:
        if name is not None:
            conn.execute(update(packages).where(packages.c.id == package_id).values(name=name))
        return use_cases.show(conn, package_id)


def _refuse_withdrawn(shop: Workshop, package_id: str) -> Package:
    with shop.catalogue.read() as conn:
        package = use_cases.show(conn, package_id)
    if package.withdrawn_at_s is not None:
        raise Conflict("PACKAGE", f"{package_id} is withdrawn")
    return package


def _replace(shop: Workshop, built: Built, mark: Callable[[Connection], None]) -> None:
    """The directory and its row together. A crash between them leaves the newer directory (`recovery`)."""
    replaced = False
    try:
        built.sync()
        with shop.catalogue.write() as conn:
            mark(conn)
            built.replace()
            replaced = True
    except BaseException:
        if replaced:
            built.replace()  # the row was not committed: back again
        raise
    finally:
        built.discard()


def _successor(shop: Workshop, old: Package, source: Path, target: str | None) -> Order:
    info = directories.read_info(shop.data, old.id)
    system = OperatingSystem(old.os)
    line_ends = None
    if old.recipe is not None and target is None:
        prepared = recipes.prepare(old.recipe, system, source.name, old.arguments or "")
        target, line_ends = prepared.target, prepared.line_ends
    return Order(
        source=source,
        os=system,
        priority=old.priority,
        action=Action(old.action),
        target=old.target if target is None else target,
        plan=fragment_plan.read_plan(old.plan, old.priority, shop.config),
        digest=Digest(info.digest_algo.upper()),
        notify=info.notify,
        line_ends=line_ends,
    )


def _inherit(conn: Connection, old: Package, new: Package, now_s: float, *, with_assignments: bool) -> None:
    conn.execute(update(packages).where(packages.c.id == old.id).values(superseded_by=new.id))
    event_log.append(conn, event_log.Kind.PACKAGE_SUPERSEDED, at_s=now_s, package_id=old.id, by=new.id)
    if not old.active:
        return
    use_cases.activate(conn, new.id, old.info_server, old.fragment_server, now_s, old.via)
    use_cases.deactivate(conn, old.id, now_s)
    if with_assignments:
        _assign_again(conn, old.id, new.id, now_s)


def _assign_again(conn: Connection, old_id: str, new_id: str, now_s: float) -> None:
    """Every computer's latest assignment of the old package, but for those that were taken back.

    What an agent was never told of the old package it need not be told any more.
    """
    latest = select(func.max(assignments.c.id)).where(assignments.c.package_id == old_id)
    query = select(assignments).where(
        assignments.c.id.in_(latest.group_by(assignments.c.computer_id)), assignments.c.withdrawn_at_us.is_(None)
    )
    rows: list[dict[str, Any]] = [
        {
            "computer_id": row.computer_id,
            "package_id": new_id,
            "force": row.force,
            "schedule": row.schedule,
            "postcmd": row.postcmd,
            "assigned_at_us": micros(now_s),
        }
        for row in conn.execute(query)
    ]
    if not rows:
        return
    conn.execute(insert(assignments), rows)
    kind = event_log.Kind.ASSIGNED
    notes = [event_log.Note(kind, now_s, new_id, row["computer_id"], {"force": row["force"]}) for row in rows]
    event_log.append_many(conn, notes)
    unheard = assignments.c.result.is_(None) & assignments.c.notified_at_us.is_(None)
    conn.execute(assignments.delete().where(assignments.c.package_id == old_id, unheard))
