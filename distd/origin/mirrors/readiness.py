"""Which mirrors have a package, ready for agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.catalogue.schema import packages, seconds
from distd.origin.mirrors import presence

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_MIRRORS: Final = 1000


@dataclass(frozen=True, slots=True)
class MirrorReadiness:
    """Whether a mirror has verified the present version of a package (`ready_at_s`: since when; None: it has not), and
    whether it is online."""

    name: str
    location: str
    alive: bool
    ready_at_s: float | None


def readiness(conn: Connection, package_id: str, now_s: float) -> list[MirrorReadiness]:
    """Of all mirrors that have joined, by name."""
    has_it = (
        select(mirror_packages.c.mirror_id, mirror_packages.c.ready_at_us)
        .join(
            packages,
            (packages.c.id == mirror_packages.c.package_id) & (packages.c.version == mirror_packages.c.version),
        )
        .where(packages.c.id == package_id)
        .subquery()
    )
    query = (
        select(mirrors, has_it.c.ready_at_us)
        .outerjoin(has_it, has_it.c.mirror_id == mirrors.c.id)
        .where(mirrors.c.joined_at_us.is_not(None), mirrors.c.revoked_at_us.is_(None))
        .order_by(mirrors.c.name)
        .limit(MAX_MIRRORS)
    )
    return [
        MirrorReadiness(row.name, row.location or "", presence.is_online(row, now_s), seconds(row.ready_at_us))
        for row in conn.execute(query)
    ]
