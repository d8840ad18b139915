"""For whom a package is cancelled: they get empty fragments of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select, text

from distd.catalogue.event_log import Kind
from distd.catalogue.schema import IS_CANCELLED, assignments

if TYPE_CHECKING:
    from sqlalchemy import Connection

# After one of these events `read` gives something else.
KINDS: Final = (Kind.CANCELLED, Kind.ASSIGNED, Kind.RENOTIFIED)


def read(conn: Connection) -> frozenset[tuple[int, str]]:
    """(computer, package) where a cancelled assignment has no result yet."""
    query = select(assignments.c.computer_id, assignments.c.package_id).where(text(IS_CANCELLED))
    return frozenset((row.computer_id, row.package_id) for row in conn.execute(query))
