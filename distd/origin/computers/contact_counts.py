"""How many computers there are, and how many were in contact lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, func, select

from distd.catalogue.schema import computers, micros
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from distd.domain.actor import Actor

LATELY_S: Final = 300.0
HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
SILENT_S: Final = 30 * DAY_S


@dataclass(frozen=True, slots=True)
class ContactCounts:
    """`lately`, `hour`, `day`: their last contact is no older than `LATELY_S`, an hour, a day; `silent`: it is
    older than 30 days. `waiting`: in the waiting room; `changed`: something of their identity has changed."""

    total: int
    lately: int
    hour: int
    day: int
    silent: int
    waiting: int
    changed: int


def count_contacts(conn: Connection, actor: Actor, now_s: float) -> ContactCounts:
    """Of the computers that `actor` may see."""
    seen = computers.c.last_seen_at_us
    query = select(
        func.count(),
        _of(seen >= micros(now_s - LATELY_S)),
        _of(seen >= micros(now_s - HOUR_S)),
        _of(seen >= micros(now_s - DAY_S)),
        _of(seen < micros(now_s - SILENT_S)),
        _of(computers.c.waiting),
        _of(computers.c.changed != ""),
    )
    row = conn.execute(query.select_from(computers).where(visible(conn, actor))).one()
    return ContactCounts(*(int(number or 0) for number in row))


def _of(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))
