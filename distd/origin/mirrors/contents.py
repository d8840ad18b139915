"""Which packages mirrors are to have, and which ones each of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, select

from distd.catalogue import dialect, event_log
from distd.catalogue.mirrors_schema import mirror_packages
from distd.catalogue.schema import activations, assignments, micros, packages
from distd.wire.mirror_events import WantedPackage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from distd.origin.mirrors.identity import MirrorIdentity


def list_wanted(conn: Connection) -> list[WantedPackage]:
    """All packages that mirrors are to have, oldest first; not those superseded that no computer waits for."""
    is_open = exists().where(assignments.c.package_id == packages.c.id, assignments.c.result.is_(None))
    active = activations.c.activated_at_us.is_not(None) & activations.c.deactivated_at_us.is_(None)
    query = (
        select(packages.c.id, packages.c.version, packages.c.size_bytes, packages.c.superseded_by)
        .add_columns(active.label("active"), is_open.label("open"))
        .outerjoin(activations, activations.c.package_id == packages.c.id)
        .where(packages.c.deleted_at_us.is_(None), packages.c.fragments > 0)
        .order_by(packages.c.created_at_us, packages.c.id)
    )
    rows = [(row, bool(row.active or row.open)) for row in conn.execute(query)]
    return [
        WantedPackage(row.id, row.version, row.size_bytes, needed)
        for row, needed in rows
        if needed or row.superseded_by is None
    ]


def add_ready(conn: Connection, mirror: MirrorIdentity, pairs: Iterable[tuple[str, int]], now_s: float) -> None:
    """The mirror has verified these packages (id, version) and serves them. Unknown ids are ignored.

    An event tells of those that it did not have.
    """
    versions = dict(pairs)
    mine = (mirror_packages.c.mirror_id == mirror.id) & mirror_packages.c.package_id.in_(list(versions))
    before = {row.package_id: row.version for row in conn.execute(select(mirror_packages).where(mine))}
    known = sorted(conn.scalars(select(packages.c.id).where(packages.c.id.in_(list(versions)))))
    rows = [
        {"mirror_id": mirror.id, "package_id": package_id, "version": version, "ready_at_us": micros(now_s)}
        for package_id in known
        for version in (versions[package_id],)
    ]
    dialect.upsert(conn, mirror_packages, rows)
    kind = event_log.Kind.MIRROR_READY
    event_log.append_many(
        conn,
        [
            _event(kind, mirror, package_id, now_s, version=versions[package_id])
            for package_id in known
            if versions[package_id] != before.get(package_id)
        ],
    )


def remove(conn: Connection, mirror: MirrorIdentity, package_ids: Iterable[str], now_s: float) -> None:
    """The mirror no longer has these packages."""
    events = []
    for package_id in dict.fromkeys(package_ids):
        mine = (mirror_packages.c.mirror_id == mirror.id) & (mirror_packages.c.package_id == package_id)
        if conn.execute(delete(mirror_packages).where(mine)).rowcount:
            events.append(_event(event_log.Kind.MIRROR_GONE, mirror, package_id, now_s))
    event_log.append_many(conn, events)


def replace(conn: Connection, mirror: MirrorIdentity, pairs: Iterable[tuple[str, int]], now_s: float) -> None:
    """The mirror has exactly these packages (id, version)."""
    versions = dict(pairs)
    rows = conn.execute(select(mirror_packages).where(mirror_packages.c.mirror_id == mirror.id)).all()
    known = {row.package_id: row.version for row in rows}
    remove(conn, mirror, sorted(known.keys() - versions.keys()), now_s)
    changed = [(package_id, version) for package_id, version in versions.items() if known.get(package_id) != version]
    add_ready(conn, mirror, changed, now_s)


def _event(
    kind: event_log.Kind, mirror: MirrorIdentity, package_id: str, now_s: float, **detail: Any
) -> event_log.Note:
    return event_log.Note(kind, mirror.actor, now_s, package_id, None, {"mirror": mirror.name, **detail})
