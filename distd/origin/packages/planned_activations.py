"""Activations that wait: for a date, and until enough mirrors have verified the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from distd.catalogue import event_log
from distd.catalogue.schema import TEXT_LIMIT, micros, mirror_packages, mirrors, packages, planned_activations, seconds
from distd.domain.errors import BadInput, Conflict
from distd.origin.packages import packages as use_cases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.mirror_rules import Via


@dataclass(frozen=True, slots=True)
class Planned:
    """`ready` of `count` mirrors have it, `needed` must. `latest_s`: then it is activated however few they are."""

    package_id: str
    ready: int
    count: int
    needed: int
    sites: list[str]
    not_before_s: float
    latest_s: float | None


def plan(
    conn: Connection,
    package_id: str,
    via: Via | None,
    *,
    ready_percent: int,
    sites: Sequence[str],
    not_before_s: float,
    latest_s: float | None,
    now_s: float,
) -> Planned:
    """Activate it as soon as these hold. `sites` are locations, or mirrors' names; none: all mirrors count.

    Raises `NotFound`, `Conflict` for a withdrawn package, and `BadInput` for sites that have no mirror.
    """
    if use_cases.show(conn, package_id).withdrawn_at_s is not None:
        raise Conflict("PACKAGE", f"{package_id} is withdrawn", "supersede it, or build it anew")
    text = ",".join(sites)
    if len(text) > TEXT_LIMIT:
        raise BadInput("--site", f"at most {TEXT_LIMIT} characters in all", len(text))
    if ready_percent and not _counted(conn, sites):
        raise BadInput("--when-ready", "mirrors that have joined, in these sites", text or "none")
    if latest_s is not None and latest_s < not_before_s:
        raise BadInput("--latest", "a time after --at", latest_s)
    values = {
        "via": via.value if via else "",
        "ready_percent": ready_percent,
        "sites": text,
        "not_before_us": micros(not_before_s),
        "latest_us": None if latest_s is None else micros(latest_s),
        "planned_at_us": micros(now_s),
    }
    statement = upsert(planned_activations).values(package_id=package_id, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["package_id"], set_=values))
    event_log.append(
        conn, event_log.Kind.ACTIVATION_PLANNED, at_s=now_s, package_id=package_id, ready_percent=ready_percent
    )
    return next(one for one in list_planned(conn) if one.package_id == package_id)


def list_planned(conn: Connection) -> list[Planned]:
    return [_planned(conn, row) for row in conn.execute(select(planned_activations))]


def activate_due(conn: Connection, now_s: float) -> list[str]:
    """Activate what has waited long enough; gives the ids."""
    done = []
    for row in conn.execute(select(planned_activations)).all():
        one = _planned(conn, row)
        is_late = one.latest_s is not None and now_s >= one.latest_s
        if now_s >= one.not_before_s and (one.ready >= one.needed or is_late):
            use_cases.activate(conn, one.package_id, None, None, now_s, row.via)
            cancel(conn, one.package_id)
            done.append(one.package_id)
    return done


def cancel(conn: Connection, package_id: str) -> bool:
    """Whether there was anything to cancel."""
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
    there = select(mirrors).where(mirrors.c.joined_at_us.is_not(None), mirrors.c.revoked_at_us.is_(None))
    wanted = {site.casefold() for site in sites}
    return {
        row.id
        for row in conn.execute(there)
        if not wanted or {row.name.casefold(), (row.location or "").casefold()} & wanted
    }
