"""A catalogue, copied row by row into an empty database, also of another kind.

While it lasts, the target's schema has the name "copying …", which every version of distd refuses: no server starts on
a part of a catalogue. What is there already, and its digest, stands in a table of the target's own, `copy_progress`; so
a copy that was interrupted goes on where it was, if the source is still what it was, and else begins anew. Each table
is read back from the target and compared before it counts as done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    delete,
    exc,
    func,
    insert,
    inspect,
    select,
    tuple_,
    update,
)

from distd.catalogue.dialect import many_rows, upkeep
from distd.catalogue.engine import COPYING, SCHEMA, found_schema, set_schema
from distd.catalogue.row_digest import ZERO, RowDigest, TableState, json_columns, select_all, value_of
from distd.catalogue.tables import metadata
from distd.domain.errors import BadInput, Conflict, Corrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row, RowMapping

    from distd.catalogue.engine import Catalogue

    # The name of a table, how many of its rows are copied, how many there are.
    Tell = Callable[[str, int, int], None]

BATCH_ROWS: Final = 5000
LARGE_BATCH_ROWS: Final = 200  # where a row may have tens of kilobytes
UNFINISHED: Final = f"{COPYING} {SCHEMA}"

progress = Table(
    "copy_progress",
    MetaData(),
    Column("name", String(64), primary_key=True),
    Column("place", Text, nullable=False),  # the key of the last row that is copied, as a list of JSON
    Column("row_count", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("verified", Boolean, nullable=False),
)


@dataclass(frozen=True, slots=True)
class CopyReport:
    """`resumed`: whether an earlier copy went on; `begun_anew`: whether what it had copied was given up, because the
    source has changed since."""

    tables: tuple[TableState, ...]
    resumed: bool
    begun_anew: bool


def copy_catalogue(source: Connection, target: Catalogue, tell: Tell) -> CopyReport:
    """Copy everything that `source` reads, which is one state of a database that nobody writes, into `target`.

    `target` has this version's schema and no rows, or a part of an earlier copy. Raises `BadInput` where it is another,
    `Conflict` where the source's schema is another, `Corrupt` where a row cannot be taken or what was written is not
    what was read. Whatever is raised, the copy can go on later.
    """
    require_this_schema(source)
    done = _begin(target)
    resumed = bool(done)
    begun_anew = resumed and not all(_is_the_same(source, row) for row in done.values())
    if begun_anew:
        _empty(target)
        done = {}
    for table in metadata.sorted_tables:
        row = done.get(table.name)
        if row is None or not row.verified:
            _copy_table(source, target, table, row, tell)
    tables = _finish(source, target)
    return CopyReport(tables, resumed and not begun_anew, begun_anew)


def require_this_schema(source: Connection) -> None:
    """Raises `Conflict` where the schema is not this version's."""
    found = found_schema(source)
    if found != SCHEMA:
        hint = "`distd db migrate` brings it up to date"
        if found is None or found > SCHEMA:
            hint = "a copy into it was not finished" if found and found.startswith(COPYING) else "upgrade distd"
        raise Conflict("from", f"expected a database of schema {SCHEMA}, got schema {found}", hint)


def digest_of(conn: Connection, table: Table) -> RowDigest:
    """The digest of a whole table."""
    found = RowDigest(table)
    for rows in _batches(conn, table, []):
        found.add(rows)
    return found


def _begin(target: Catalogue) -> Mapping[str, Row[Any]]:
    """Mark the target as unfinished; what an earlier copy has done, by the names of tables."""
    with target.write() as conn:
        found = found_schema(conn)
        if found == UNFINISHED:
            return {row.name: row for row in conn.execute(select(progress))}
        if found != SCHEMA:
            raise BadInput("to", f"an empty database of schema {SCHEMA}", f"schema {found}")
        filled = [
            table.name for table in metadata.sorted_tables if conn.scalar(select(func.count()).select_from(table))
        ]
        if filled:
            raise BadInput("to", "an empty database", f"one with rows in {', '.join(filled)}")
        if inspect(conn).has_table(progress.name):
            progress.drop(conn)
        progress.create(conn)
        set_schema(conn, UNFINISHED)
    return {}


def _is_the_same(source: Connection, done: Row[Any]) -> bool:
    """Whether the source still has, up to the place that the copy had reached, the rows that were copied."""
    table = metadata.tables[done.name]
    if done.verified and _count(source, table) != done.row_count:
        return False
    found, last = RowDigest(table), []
    for rows in _batches(source, table, []):
        known = rows[: done.row_count - found.rows]
        if not known:
            break
        found.add(known)
        last = _place(table, known[-1])
    return (found.rows, found.digest, last) == (done.row_count, done.digest, json.loads(done.place))


def _empty(target: Catalogue) -> None:
    for table in reversed(metadata.sorted_tables):
        with target.write() as conn:
            conn.execute(delete(progress).where(progress.c.name == table.name))
            conn.execute(delete(table))


def _copy_table(source: Connection, target: Catalogue, table: Table, done: Row[Any] | None, tell: Tell) -> None:
    total = _count(source, table)
    if done is None:
        place: list[Any] = []
        found = RowDigest(table)
        with target.write() as conn:
            first = {"name": table.name, "place": "[]", "row_count": 0, "digest": ZERO, "verified": False}
            conn.execute(insert(progress).values(first))
    else:
        place, found = json.loads(done.place), RowDigest(table, done.row_count, done.digest)
    tell(table.name, found.rows, total)
    for rows in _batches(source, table, place):
        found.add(rows)
        place = _place(table, rows[-1])
        with target.write() as conn:
            _insert(conn, table, rows)
            state = {"place": json.dumps(place), "row_count": found.rows, "digest": found.digest}
            conn.execute(update(progress).where(progress.c.name == table.name).values(state))
        tell(table.name, found.rows, total)
    _verify(target, table, found)


def _insert(conn: Connection, table: Table, rows: Sequence[RowMapping]) -> None:
    try:
        if _is_plain(table, rows):
            many_rows.insert_rows(conn, table, [dict(row) for row in rows])
        else:
            conn.execute(insert(table), [value_of(row) for row in rows])
    except (exc.DataError, exc.IntegrityError) as error:
        places = f"keys {_place(table, rows[0])} to {_place(table, rows[-1])}"
        got = f"{places}: {' '.join(str(error.orig).split())}"
        raise Corrupt(f"table {table.name}", "rows that the database takes", got) from error


def _is_plain(table: Table, rows: Sequence[RowMapping]) -> bool:
    """Whether all values are such that a statement of many rows takes them: no bytes, no NULL or null of JSON."""
    if not all(isinstance(column.type, String | Integer | Boolean | JSON) for column in table.columns):
        return False
    names = [column.name for column in table.columns if isinstance(column.type, JSON)]
    return not json_columns(table) and all(row[name] is not None for name in names for row in rows)


def _verify(target: Catalogue, table: Table, expected: RowDigest) -> None:
    with target.read() as conn:
        found = digest_of(conn, table)
    if (found.rows, found.digest) != (expected.rows, expected.digest):
        wanted = f"{expected.rows} rows of digest {expected.digest}"
        got = f"{found.rows} rows of digest {found.digest} in the copy"
        raise Corrupt(f"table {table.name}", wanted, got)
    with target.write() as conn:
        conn.execute(update(progress).where(progress.c.name == table.name).values(verified=True))


def _finish(source: Connection, target: Catalogue) -> tuple[TableState, ...]:
    """Ids go on after the largest that was ever given; from now on the target is a catalogue."""
    with target.write() as conn:
        rows = {row.name: row for row in conn.execute(select(progress))}
        for table in metadata.sorted_tables:
            counted = upkeep.counted_id(source, table)
            if counted is not None:
                (key,) = table.primary_key
                largest = conn.scalar(select(func.max(key))) or 0
                upkeep.set_counted_id(conn, table, max(counted, largest))
        progress.drop(conn)
        set_schema(conn, SCHEMA)
    with target.write() as conn:
        upkeep.gather_statistics(conn)
    return tuple(
        TableState(table.name, rows[table.name].row_count, rows[table.name].digest) for table in metadata.sorted_tables
    )


def _batches(conn: Connection, table: Table, place: list[Any]) -> Iterator[Sequence[RowMapping]]:
    """The rows after `place`, in the order of the key."""
    key = list(table.primary_key)
    is_large = any(isinstance(column.type, LargeBinary) for column in table.columns)
    limit = LARGE_BATCH_ROWS if is_large else BATCH_ROWS
    query = select_all(table).order_by(*key).limit(limit)
    while rows := conn.execute(query.where(tuple_(*key) > tuple_(*place)) if place else query).mappings().all():
        yield rows
        if len(rows) < limit:
            return
        place = _place(table, rows[-1])


def _place(table: Table, row: RowMapping) -> list[Any]:
    return [row[column.name] for column in table.primary_key]


def _count(conn: Connection, table: Table) -> int:
    return conn.scalar(select(func.count()).select_from(table)) or 0
