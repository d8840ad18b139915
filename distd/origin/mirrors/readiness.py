"""Which mirrors have a package, ready for agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from distd.catalogue.event_log import OF_PACKAGES
from distd.catalogue.lists import read_page
from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.catalogue.schema import events, packages, seconds
from distd.origin.mirrors import presence
from distd.origin.mirrors.contents import list_wanted

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select

    from distd.domain.page import Page, Window

MAX_MIRRORS: Final = 1000
PLACE: Final = (int, str)  # of a package in the list of a mirror: when it was made, its id
_TOLD: Final = [kind.value for kind in OF_PACKAGES]


@dataclass(frozen=True, slots=True)
class MirrorReadiness:
    """Whether a mirror has verified the present version of a package (`ready_at_s`: since when; None: it has not), and
    whether it is online. `missing_bytes`: of all packages that it has not got, with this one, as it said last; None:
    it has said nothing since there is this package."""

    name: str
    location: str
    alive: bool
    ready_at_s: float | None
    missing_bytes: int | None = None

    def percent(self, size_bytes: int) -> int:
        """How much of the package, of this size, it has at least: all where it is ready, else what is more than all
        that it misses."""
        if self.ready_at_s is not None:
            return 100
        if self.missing_bytes is None or not 0 < self.missing_bytes <= size_bytes:
            return 0
        return 100 * (size_bytes - self.missing_bytes) // size_bytes


@dataclass(frozen=True, slots=True)
class MirrorPackage:
    """A package that a mirror is to have; `ready_at_s`: since when it has its present version; None: it has not."""

    package_id: str
    name: str
    size_bytes: int
    ready_at_s: float | None


def readiness(conn: Connection, package_id: str, now_s: float) -> list[MirrorReadiness]:
    """Of all mirrors that have joined, by name."""
    has_it = _verified().where(packages.c.id == package_id).subquery()
    query = (
        select(mirrors, has_it.c.ready_at_us)
        .outerjoin(has_it, has_it.c.mirror_id == mirrors.c.id)
        .where(mirrors.c.joined_at_us.is_not(None), mirrors.c.revoked_at_us.is_(None))
        .order_by(mirrors.c.name)
        .limit(MAX_MIRRORS)
    )
    told = select(func.max(events.c.seq)).where(events.c.package_id == package_id, events.c.kind.in_(_TOLD))
    seq = conn.scalar(told) or 0
    return [
        MirrorReadiness(
            row.name,
            row.location or "",
            presence.is_online(row, now_s),
            seconds(row.ready_at_us),
            row.status.get("missing_bytes") if row.heard_seq >= seq else None,
        )
        for row in conn.execute(query)
    ]


def packages_of(conn: Connection, name: str, window: Window) -> Page[MirrorPackage]:
    """What a mirror is to have, the newest package first, with what it has of it."""
    mine = select(mirrors.c.id).where(mirrors.c.name == name).scalar_subquery()
    has_it = _verified().where(mirror_packages.c.mirror_id == mine).subquery()
    wanted = [each.package_id for each in list_wanted(conn)]
    query = (
        select(packages.c.id, packages.c.name, packages.c.size_bytes, packages.c.created_at_us, has_it.c.ready_at_us)
        .outerjoin(has_it, has_it.c.package_id == packages.c.id)
        .where(packages.c.id.in_(wanted))
    )
    return read_page(conn, query, (packages.c.created_at_us, packages.c.id), window, _package, newest_first=True)


def _package(row: Row[Any]) -> MirrorPackage:
    return MirrorPackage(row.id, row.name, row.size_bytes, seconds(row.ready_at_us))


def _verified() -> Select[Any]:
    """Which mirrors have which packages at their present versions."""
    same = (packages.c.id == mirror_packages.c.package_id) & (packages.c.version == mirror_packages.c.version)
    columns = (mirror_packages.c.mirror_id, mirror_packages.c.package_id, mirror_packages.c.ready_at_us)
    return select(*columns).join(packages, same)
