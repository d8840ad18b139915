"""Planned activations: they wait for a time, and until enough mirrors have verified the package."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from distd.catalogue import dialect, event_log
from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.catalogue.schema import TEXT_LIMIT, micros, packages, planned_activations, seconds
from distd.domain.actor import SYSTEM
from distd.domain.errors import BadInput, Conflict, DistdError
from distd.origin.packages.packages import activate, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.mirror_rules import Via


@dataclass(frozen=True, slots=True)
class Planned:
    """`ready` of `count` mirrors have it, `needed` must. At `latest_s` it is activated even if fewer have it."""

    package_id: str
    ready: int
    count: int
    needed: int
    sites: list[str]
    not_before_s: float
    latest_s: float | None


@dataclass(frozen=True, slots=True)
class Conditions:
    """What an activation waits for: the time `not_before_s`, and that `ready_percent` of the mirrors have the package;
    but at `latest_s` it waits no longer. `sites` are locations or names of mirrors, and only those count; none: all.
    """

    ready_percent: int
    not_before_s: float
    latest_s: float | None = None
    sites: Sequence[str] = ()


def plan(
    conn: Connection, actor: Actor, package_id: str, via: Via | None, conditions: Conditions, now_s: float
) -> Planned:
    """Activate a package as soon as the conditions hold.

    Raises `NotFound`, `Conflict` for a withdrawn package, and `BadInput` for sites that have no mirror.
    """
    package = show(conn, package_id)
    if package.withdrawn_at_s is not None:
        raise Conflict("package", f"{package_id} is withdrawn", "supersede it, or build it anew")
    if package.active:
        where = f"on {package.info_server}" if package.info_server else "on this server"
        raise Conflict("package", f"{package_id} is active already, {where}", "deactivate it first")
    sites = ",".join(conditions.sites)
    if len(sites) > TEXT_LIMIT:
        raise BadInput("sites", f"at most {TEXT_LIMIT} characters in all", len(sites))
    if conditions.ready_percent and not _counted(conn, conditions.sites):
        if conditions.sites:
            raise BadInput("sites", "the name or location of a mirror that has joined", sites)
        raise BadInput("when_ready_percent", "mirrors that have joined", "none")
    if conditions.latest_s is not None and conditions.latest_s < conditions.not_before_s:
        latest = datetime.fromtimestamp(conditions.latest_s, UTC).isoformat(" ", "seconds")
        raise BadInput("latest", "a time after the one from which it may be activated", latest)
    row = {
        "package_id": package_id,
        "via": via.value if via else "",
        "ready_percent": conditions.ready_percent,
        "sites": sites,
        "not_before_us": micros(conditions.not_before_s),
        "latest_us": None if conditions.latest_s is None else micros(conditions.latest_s),
        "planned_at_us": micros(now_s),
    }
    dialect.upsert(conn, planned_activations, [row])
    detail = {"ready_percent": conditions.ready_percent}
    event_log.append(conn, event_log.Kind.ACTIVATION_PLANNED, actor, at_s=now_s, package_id=package_id, **detail)
    planned = planned_of(conn, package_id)
    assert planned is not None
    return planned


def planned_of(conn: Connection, package_id: str) -> Planned | None:
    """That of a package; None: it waits for nothing."""
    row = conn.execute(select(planned_activations).filter_by(package_id=package_id)).one_or_none()
    return None if row is None else _planned(conn, row)


def list_planned(conn: Connection) -> list[Planned]:
    """All that wait."""
    return [_planned(conn, row) for row in conn.execute(select(planned_activations))]


def activate_due(conn: Connection, now_s: float) -> list[str]:
    """Activate those whose conditions hold; gives their packages' ids. What cannot be activated waits no longer."""
    activated = []
    for row in conn.execute(select(planned_activations)).all():
        planned = _planned(conn, row)
        is_late = planned.latest_s is not None and now_s >= planned.latest_s
        if now_s >= planned.not_before_s and (planned.ready >= planned.needed or is_late):
            _remove(conn, planned.package_id)
            try:
                with conn.begin_nested():
                    activate(conn, SYSTEM, planned.package_id, None, None, now_s, row.via)
            except DistdError as error:
                _note_cancelled(conn, SYSTEM, planned.package_id, now_s, why=str(error))
            else:
                activated.append(planned.package_id)
    return activated


def cancel(conn: Connection, actor: Actor, package_id: str, now_s: float) -> bool:
    """Forget a planned activation; gives whether there was one."""
    was_planned = _remove(conn, package_id)
    if was_planned:
        _note_cancelled(conn, actor, package_id, now_s)
    return was_planned


def _note_cancelled(conn: Connection, actor: Actor, package_id: str, now_s: float, **detail: Any) -> None:
    kind = event_log.Kind.ACTIVATION_CANCELLED
    event_log.append(conn, kind, actor, at_s=now_s, package_id=package_id, **detail)


def _remove(conn: Connection, package_id: str) -> bool:
    gone = delete(planned_activations).where(planned_activations.c.package_id == package_id)
    return bool(conn.execute(gone).rowcount)


def _planned(conn: Connection, row: Row[Any]) -> Planned:
    sites = [site for site in row.sites.split(",") if site]
    counted = _counted(conn, sites)
    same = (packages.c.id == mirror_packages.c.package_id) & (packages.c.version == mirror_packages.c.version)
    query = select(mirror_packages.c.mirror_id).join(packages, same).where(packages.c.id == row.package_id)
    ready = counted & set(conn.scalars(query))
    return Planned(
        row.package_id,
        len(ready),
        len(counted),
        -(-len(counted) * row.ready_percent // 100),
        sites,
        row.not_before_us / 1_000_000,
        seconds(row.latest_us),
    )


def _counted(conn: Connection, sites: Sequence[str]) -> set[int]:
    joined = select(mirrors).where(mirrors.c.joined_at_us.is_not(None), mirrors.c.revoked_at_us.is_(None))
    wanted = {site.casefold() for site in sites}
    return {
        row.id
        for row in conn.execute(joined)
        if not wanted or {row.name.casefold(), (row.location or "").casefold()} & wanted
    }
