"""The rows of assignments: where one is added or removed, the one before it, the progress and the counters follow."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select, update

from distd.catalogue import dialect
from distd.catalogue.dialect import many_rows
from distd.catalogue.schema import assignments, progress
from distd.domain.results import REPLACED, Outcome, classify
from distd.origin.packages.counters import Position, Tally, is_latest, position_of, progress_of_assignment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row


# What a further attempt, or the assignment of a superseding package, has from the one before.
KEPT: Final = (
    *("force", "schedule", "postcmd", "not_before_us", "not_after_us", "after_package_id"),
    *("origin_kind", "origin_name"),
)


def add(conn: Connection, package_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert assignments of the package: each of `rows` is one of another computer, with the same columns. Where a
    computer had one with a result, this is the next attempt."""
    tally = Tally()
    for some in dialect.chunks(rows):
        numbers = _replace(conn, package_id, [row["computer_id"] for row in some], tally)
        common = {"package_id": package_id, "state": Outcome.WAITING}
        values = [{**row, **common, "attempt": numbers.get(row["computer_id"], 1)} for row in some]
        many_rows.insert_rows(conn, assignments, values)
        tally.add(Position(package_id, Outcome.WAITING), len(some))
    tally.write(conn)


def _replace(conn: Connection, package_id: str, computer_ids: Sequence[int], tally: Tally) -> dict[int, int]:
    """The latest attempts on these computers count no more; gives the numbers of the next ones, by computer."""
    mine = (assignments.c.package_id == package_id, assignments.c.computer_id.in_(computer_ids), is_latest())
    before = conn.execute(select(assignments).where(*mine)).all()
    if before:
        for row in before:
            tally.add(position_of(row), -1)
        last = select(progress.c.last_at_us).where(progress_of_assignment()).scalar_subquery()
        conn.execute(update(assignments).where(*mine).values(state=REPLACED, last_fragment_at_us=last))
    fetched = (progress.c.package_id == package_id, progress.c.computer_id.in_(computer_ids))
    conn.execute(delete(progress).where(*fetched))
    return {row.computer_id: row.attempt + 1 for row in before}


def order(conn: Connection, computer_id: int) -> None:
    """The assignments of a computer have come from two, and count nowhere: of each package the newest counts, the
    others are attempts before it."""
    tally, numbers = Tally(), Counter[str]()
    of_it = select(assignments).where(assignments.c.computer_id == computer_id).order_by(assignments.c.id)
    rows = conn.execute(of_it).all()
    newest = {row.package_id: row.id for row in rows}
    changed = {}
    for row in rows:
        numbers[row.package_id] += 1
        is_newest = newest[row.package_id] == row.id
        changed[row.id] = {"attempt": numbers[row.package_id], "state": row.state if is_newest else REPLACED}
        if is_newest:
            tally.add(position_of(row))
    many_rows.update_rows(conn, assignments, changed)
    tally.write(conn)


def remove(conn: Connection, rows: Sequence[Row[Any]]) -> None:
    """Delete assignments of which no agent was notified, as if they had never been: the attempts before them count
    again."""
    tally = Tally()
    for some in dialect.chunks(rows):
        for row in some:
            tally.add(position_of(row), -1)
        conn.execute(delete(assignments).where(assignments.c.id.in_([row.id for row in some])))
        _restore(conn, [row for row in some if row.attempt > 1], tally)
    tally.write(conn)


def _restore(conn: Connection, removed: Sequence[Row[Any]], tally: Tally) -> None:
    by_package: dict[str, list[int]] = {}
    for row in removed:
        by_package.setdefault(row.package_id, []).append(row.computer_id)
    for package_id, computer_ids in by_package.items():
        mine = (assignments.c.package_id == package_id, assignments.c.computer_id.in_(computer_ids))
        newest = select(func.max(assignments.c.id)).where(*mine).group_by(assignments.c.computer_id)
        by_state: dict[str, list[int]] = {}
        for row in conn.execute(select(assignments).where(assignments.c.id.in_(newest))):
            state = classify(row.result) if row.archived_at_us is None else Outcome.ARCHIVED
            by_state.setdefault(state, []).append(row.id)
            tally.add(position_of(row)._replace(state=state))
        for name, ids in by_state.items():
            conn.execute(update(assignments).where(assignments.c.id.in_(ids)).values(state=name))
