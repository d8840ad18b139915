"""Computers that came once and never again: they are deleted after a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import exists, select

from distd.catalogue.schema import assignments, micros
from distd.catalogue.schema import computers as computers_table
from distd.domain.actor import SYSTEM
from distd.origin.computers import computers

if TYPE_CHECKING:
    from sqlalchemy import Connection

DAY_S: Final = 86_400.0
FIRST_VISIT_S: Final = 3600.0  # contacts within so long of the first one are the same visit
MAX_EXPIRED: Final = 500  # of one transaction


def expire(conn: Connection, now_s: float, after_days: int) -> int:
    """Delete at most `MAX_EXPIRED` computers that were first seen more than `after_days` ago, never came back, and have
    no assignment; gives how many."""
    seen = computers_table.c.first_seen_at_us, computers_table.c.last_seen_at_us
    query = (
        select(computers_table.c.device_id)
        .where(seen[0] < micros(now_s - after_days * DAY_S), seen[1] - seen[0] < micros(FIRST_VISIT_S))
        .where(~exists().where(assignments.c.computer_id == computers_table.c.id))
        .limit(MAX_EXPIRED)
    )
    device_ids = list(conn.scalars(query))
    if device_ids:
        computers.delete(conn, SYSTEM, device_ids, now_s)
    return len(device_ids)
