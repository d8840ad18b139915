"""Assignments of which no agent was notified in time end by themselves, also where the agent never comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select, text, update

from distd.catalogue import event_log
from distd.catalogue.schema import ENDS_BY_ITSELF, assignments, micros
from distd.domain.actor import SYSTEM
from distd.domain.results import EXPIRED, Outcome
from distd.origin.packages.counters import Position, Tally, position_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_EXPIRED: Final = 1000  # of one transaction


def end_expired(conn: Connection, now_s: float) -> int:
    """End at most `MAX_EXPIRED` with `ERR_EXPIRED`; gives how many."""
    query = select(assignments).where(text(ENDS_BY_ITSELF), assignments.c.not_after_us < micros(now_s))
    rows = conn.execute(query.order_by(assignments.c.not_after_us).limit(MAX_EXPIRED)).all()
    tally = Tally()
    for row in rows:
        tally.move(position_of(row), Position(row.package_id, Outcome.FAILED, EXPIRED))
    ended = {"result": EXPIRED, "result_at_us": micros(now_s), "state": Outcome.FAILED, "unproven": False}
    conn.execute(update(assignments).where(assignments.c.id.in_([row.id for row in rows])).values(**ended))
    tally.write(conn)
    kind, detail = event_log.Kind.RESULT, {"code": EXPIRED}
    event_log.append_many(
        conn, [event_log.Note(kind, SYSTEM, now_s, row.package_id, row.computer_id, detail) for row in rows]
    )
    return len(rows)
