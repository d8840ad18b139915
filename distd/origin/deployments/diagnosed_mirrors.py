"""The redistribution server that a computer fetches a package from, or should, and how it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from distd.catalogue.event_log import Kind
from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.catalogue.schema import activations, events, packages, seconds
from distd.domain.diagnosis.facts import DiagnosedMirror
from distd.domain.mirror_rules import Via, rank
from distd.origin.mirrors import directory
from distd.origin.mirrors.presence import is_online
from distd.origin.mirrors.rules import list_rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.diagnosis.facts import DiagnosedPackage
    from distd.domain.settings import Settings

MAX_EVENTS: Final = 1000  # of a package, about files of mirrors
LOAD: Final = "lowest load"  # so begins why a mirror is chosen that is no nearer than others


def mirror_for(
    conn: Connection, settings: Settings, computer: Row[Any], package: DiagnosedPackage, last: str, now_s: float
) -> DiagnosedMirror | None:
    """The one called `last`, which has sent the last fragment; where there is none, the one that is meant for the
    computer by a rule, its network or its location. None: there is no such."""
    via = conn.scalar(select(activations.c.via).where(activations.c.package_id == package.id)) or settings.mirrors.via
    if package.fragment_server or (via == Via.ORIGIN and not last):
        return None
    is_there = mirrors.c.revoked_at_us.is_(None) & mirrors.c.joined_at_us.is_not(None)
    rows = {row.id: row for row in conn.execute(select(mirrors).where(is_there))}
    if not rows:
        return None
    if last:
        row = next((row for row in rows.values() if row.name == last), None)
    else:
        choices = rank(directory.computer_of(computer), map(directory.mirror_of, rows.values()), list_rules(conn))
        row = rows[choices[0].mirror.id] if choices and not choices[0].why.startswith(LOAD) else None
    return None if row is None else read_mirrors(conn, package.id, [row], now_s)[row.name]


def read_mirrors(
    conn: Connection, package_id: str, rows: Sequence[Row[Any]], now_s: float
) -> Mapping[str, DiagnosedMirror]:
    """By their names, how these mirrors are with the package."""
    same = (packages.c.id == mirror_packages.c.package_id) & (packages.c.version == mirror_packages.c.version)
    has = select(mirror_packages.c.mirror_id).join(packages, same).where(mirror_packages.c.package_id == package_id)
    ready, bad = set(conn.scalars(has)), _bad_files(conn, package_id)
    return {
        row.name: DiagnosedMirror(
            name=row.name,
            online=is_online(row, now_s),
            ready=row.id in ready,
            seen_at_s=seconds(row.seen_at_us),
            bad_file=bad.get(row.name, ""),
        )
        for row in rows
    }


def _bad_files(conn: Connection, package_id: str) -> dict[str, str]:
    """By mirrors, a file of the package that the mirror has not replaced since it was found damaged."""
    kinds = [str(Kind.MIRROR_BAD), str(Kind.MIRROR_HEALED), str(Kind.MIRROR_READY)]
    query = select(events).where(events.c.package_id == package_id, events.c.kind.in_(kinds))
    newest: dict[str, str] = {}
    for row in conn.execute(query.order_by(events.c.seq.desc()).limit(MAX_EVENTS)):
        newest.setdefault(
            row.detail.get("mirror", ""), row.detail.get("name", "") if row.kind == Kind.MIRROR_BAD else ""
        )
    return newest
