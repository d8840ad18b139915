"""Which mirrors are online: those that follow the events of a worker, as all workers see it in the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.mirrors_schema import mirrors
from distd.catalogue.schema import micros
from distd.domain.actor import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from distd.origin.mirrors.identity import MirrorIdentity

# A worker records so often which mirrors follow it; a mirror of which nothing was recorded for longer is offline.
HEARTBEAT_S: Final = 15.0
OFFLINE_AFTER_S: Final = 45.0


def set_connected(conn: Connection, mirror: MirrorIdentity, now_s: float) -> None:
    """The mirror follows the events now."""
    _set_presence(conn, mirror, now_s, connected=True)


def set_lost(conn: Connection, mirror: MirrorIdentity, now_s: float) -> None:
    """The connection by which the mirror followed the events has ended."""
    _set_presence(conn, mirror, now_s, connected=False)


def _set_presence(conn: Connection, mirror: MirrorIdentity, now_s: float, *, connected: bool) -> None:
    values = {"connected": connected, "seen_at_us": micros(now_s)}
    conn.execute(update(mirrors).where(mirrors.c.id == mirror.id).values(**values))
    kind, actor = (Kind.MIRROR_CONNECTED, mirror.actor) if connected else (Kind.MIRROR_LOST, SYSTEM)
    event_log.append(conn, kind, actor, at_s=now_s, mirror=mirror.name)


def record_heartbeat(conn: Connection, mirror_ids: Sequence[int], now_s: float) -> None:
    """These mirrors are still online."""
    fresh = {"connected": True, "seen_at_us": micros(now_s)}
    conn.execute(update(mirrors).where(mirrors.c.id.in_(mirror_ids), mirrors.c.revoked_at_us.is_(None)).values(**fresh))


def is_online(row: Row[Any], now_s: float) -> bool:
    """Whether the mirror of this row has followed the events until a moment ago."""
    return bool(row.connected) and row.seen_at_us is not None and now_s - row.seen_at_us / 1_000_000 < OFFLINE_AFTER_S


def online_addresses(conn: Connection, now_s: float) -> list[str]:
    """The "host:port" of the mirrors that are online."""
    rows = conn.execute(select(mirrors).where(mirrors.c.connected, mirrors.c.revoked_at_us.is_(None)))
    return [row.http for row in rows if is_online(row, now_s)]
