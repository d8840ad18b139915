"""How many computers are where with a package, by its latest assignment on each.

They are kept in a table, in the transactions that change assignments: counting 100,000 assignments takes some 20 ms, a
list of 50 packages would take a second. Whoever changes `state`, `result` or `unproven` of an assignment tells a
`Tally`, and writes it in the same transaction; `recount` counts anew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, func, insert, literal_column, select, update

from distd.catalogue import dialect
from distd.catalogue import schema as tables
from distd.catalogue.dialect import many_rows
from distd.catalogue.schema import assignments, progress
from distd.domain.results import REPLACED, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select


@dataclass(slots=True)
class Counters:
    """Numbers of computers by their state: see `domain.results.Outcome`. `unproven`: of all these, those where only the
    agent claims to have the package."""

    waiting: int = 0
    notified: int = 0
    downloading: int = 0
    success: int = 0
    failed: int = 0
    archived: int = 0
    unproven: int = 0


class Position(NamedTuple):
    """Where a computer is with a package. `code`: the result; "" without one."""

    package_id: str
    state: str
    code: str = ""
    unproven: bool = False


class Tally:
    """By how much counters change. Not written before `write`."""

    def __init__(self) -> None:
        self._changes: Counter[Position] = Counter()

    def add(self, position: Position, count: int = 1) -> None:
        """So many more assignments are there; less than 0: fewer."""
        if position.state != REPLACED:
            self._changes[position] += count

    def move(self, before: Position, after: Position) -> None:
        """An assignment was at one position and is at another now."""
        self.add(before, -1)
        self.add(after)

    def write(self, conn: Connection) -> None:
        """Into the table; the tally is empty then."""
        changes = {position: count for position, count in self._changes.items() if count}
        self._changes.clear()
        if not changes:
            return
        order = sorted(changes)
        empty = [position._asdict() | {"computers": 0} for position in order]
        many_rows.insert_rows(conn, tables.counters, empty, missing_only=True)
        conn.execute(_ADD, [_at(position) | {"count": changes[position]} for position in order])


def position_of(row: Row[Any]) -> Position:
    """Where the assignment of a row of the table is."""
    return Position(row.package_id, row.state, row.result or "", bool(row.unproven))


def count_computers(conn: Connection, package_ids: Sequence[str]) -> Mapping[str, Counters]:
    """The counters of each of these packages that is assigned to a computer."""
    found: dict[str, Counters] = {}
    for ids in dialect.chunks(package_ids):
        for position, computers in count_kept(conn, ids).items():
            counters = found.setdefault(position.package_id, Counters())
            name = position.state.lower()
            setattr(counters, name, getattr(counters, name) + computers)
            counters.unproven += computers if position.unproven else 0
    return found


def count_codes(conn: Connection, package_id: str) -> dict[str, int]:
    """How many computers have each result of a package, archived ones too; those that have most first."""
    found: Counter[str] = Counter()
    for position, computers in count_kept(conn, [package_id]).items():
        found[position.code] += computers if position.code else 0
    return {code: count for code, count in found.most_common() if count}


def recount(conn: Connection, package_ids: Iterable[str]) -> dict[Position, int]:
    """Count the assignments of these packages, and write that; gives where the table was wrong, and by how much."""
    wrong: Counter[Position] = Counter()
    for ids in dialect.chunks(sorted(set(package_ids))):
        kept, counted = count_kept(conn, ids), count_anew(conn, ids)
        wrong.update(counted)
        wrong.subtract(kept)
        conn.execute(delete(tables.counters).where(tables.counters.c.package_id.in_(ids)))
        rows = [position._asdict() | {"computers": count} for position, count in counted.items()]
        if rows:
            conn.execute(insert(tables.counters), rows)
    return {position: count for position, count in wrong.items() if count}


def recount_all(conn: Connection) -> dict[Position, int]:
    """The same for all packages."""
    return recount(conn, packages_counted(conn))


def packages_counted(conn: Connection) -> list[str]:
    """All packages, and those that only the table has."""
    ids = set(conn.scalars(select(tables.packages.c.id)))
    return sorted(ids | set(conn.scalars(select(tables.counters.c.package_id).distinct())))


def forget_computers(conn: Connection, computer_ids: Sequence[int]) -> None:
    """These computers are about to be deleted, at most as many as one statement takes."""
    tally = Tally()
    query = select(*_PLACE, func.count().label("computers"))
    of_these = (assignments.c.computer_id.in_(computer_ids), is_latest())
    for position, count in _read(conn, query.where(*of_these).group_by(*_PLACE)).items():
        tally.add(position, -count)
    tally.write(conn)


def is_latest() -> ColumnElement[bool]:
    """Whether an assignment is the latest one of its package on its computer."""
    return assignments.c.state != REPLACED


def is_claimed() -> ColumnElement[bool]:
    """Whether an assignment waits because only the agent's history has its package."""
    return assignments.c.unproven & (assignments.c.state == Outcome.WAITING)


def progress_of_assignment() -> ColumnElement[bool]:
    """Joins the progress of an assignment."""
    return and_(
        progress.c.computer_id == assignments.c.computer_id,
        progress.c.package_id == assignments.c.package_id,
    )


_CODE = func.coalesce(assignments.c.result, literal_column("''")).label("code")
_PLACE = (assignments.c.package_id, assignments.c.state, _CODE, assignments.c.unproven)
_ADD = (
    update(tables.counters)
    .where(*(tables.counters.c[name] == bindparam(f"at_{name}") for name in Position._fields))
    .values(computers=tables.counters.c.computers + bindparam("count"))
)


def _at(position: Position) -> dict[str, Any]:
    return {f"at_{name}": value for name, value in position._asdict().items()}


def count_kept(conn: Connection, ids: Sequence[str]) -> dict[Position, int]:
    """Where computers are with these packages, as the table has it."""
    query = select(tables.counters).where(tables.counters.c.package_id.in_(ids), tables.counters.c.computers != 0)
    return _read(conn, query)


def count_anew(
    conn: Connection, ids: Sequence[str], computer_ids: Select[tuple[int]] | None = None
) -> dict[Position, int]:
    """Count the assignments of these packages, of all computers or of those that are selected; the table is left as it
    is."""
    query = select(*_PLACE, func.count().label("computers")).where(assignments.c.package_id.in_(ids), is_latest())
    if computer_ids is not None:
        query = query.where(assignments.c.computer_id.in_(computer_ids))
    return _read(conn, query.group_by(*_PLACE))


def _read(conn: Connection, query: Select[Any]) -> dict[Position, int]:
    rows = conn.execute(query)
    return {Position(row.package_id, row.state, row.code, bool(row.unproven)): row.computers for row in rows}
