"""What databases say differently: upserts, table options, the size of a statement, errors that may pass.

Here it is said for SQLite. All other SQL is SQLAlchemy Core that PostgreSQL understands as well, and no other module
but `catalogue.engine` knows which database it is (a test reads the sources for it).
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Integer, String, exc, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

    T = TypeVar("T")

# Options of a table. Without the first, the largest id is given again once its row is deleted.
IDS_NEVER_REUSED: Final[Mapping[str, Any]] = {"sqlite_autoincrement": True}
# Rows lie in the order of the primary key, without a second index.
ORDERED_BY_KEY: Final[Mapping[str, Any]] = {"sqlite_with_rowid": False}

# A statement takes 32,766 values; these are items of up to three.
MAX_ITEMS: Final = 10_000

# What may pass by itself, or when somebody frees the disk. Anything else that SQLite says is a bug of ours.
_TRANSIENT: Final = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
)
# The file is no database, or one without our tables.
_NOT_OURS: Final = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


class unindexed(FunctionElement[int]):  # noqa: N801 - it is used as a function
    """A number that SQLite compares in the rows that it reads, and does not look for in an index. PostgreSQL knows
    better by itself."""

    type = Integer()
    inherit_cache = True


@compiles(unindexed)
def _compile_unindexed(element: unindexed, compiler: Any, **options: Any) -> str:
    text: str = compiler.process(element.clauses, **options)
    return text


@compiles(unindexed, "sqlite")
def _compile_unindexed_sqlite(element: unindexed, compiler: Any, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


def compared_by_code_points(limit: int) -> String:
    """The type of a text that is compared, sorted and indexed by its characters' numbers, as Python does."""
    return String(limit).with_variant(String(limit, collation="C"), "postgresql")


def only_where(condition: str) -> dict[str, Any]:
    """The option of an index that holds only the rows for which `condition` (SQL) is true."""
    return {"sqlite_where": text(condition)}


def insert_missing(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`; those whose key is in the table already change nothing."""
    if rows:
        conn.execute(insert(table).on_conflict_do_nothing(), rows)


def upsert(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, keep: Sequence[str] = ()) -> None:
    """Insert `rows`, which have the same columns each; where the primary key is there already, its row takes the new
    values, but for the columns to `keep`."""
    if not rows:
        return
    statement = insert(table)
    key = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key and name not in keep}
    conn.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)


def insert_pairs(conn: Connection, table: Table, pairs: Sequence[tuple[int, int]]) -> None:
    """Insert rows of a table that has two columns, twice as quickly as by a mapping for each. Raises SQLAlchemy's
    `IntegrityError`."""
    if pairs:
        first, second, mark = *table.columns.keys(), _mark(conn)
        sql = f"INSERT INTO {table.name} ({first}, {second}) VALUES ({mark}, {mark})"  # noqa: S608 - names of ours
        conn.exec_driver_sql(sql, list(pairs))


def delete_pairs(conn: Connection, table: Table, pairs: Sequence[tuple[int, int]]) -> None:
    """Delete rows of a table that has two columns."""
    if pairs:
        first, second, mark = *table.columns.keys(), _mark(conn)
        sql = f"DELETE FROM {table.name} WHERE {first} = {mark} AND {second} = {mark}"  # noqa: S608 - names of ours
        conn.exec_driver_sql(sql, list(pairs))


def _mark(conn: Connection) -> str:
    """What stands for a value in SQL that goes to the driver as it is."""
    return "?" if conn.dialect.paramstyle == "qmark" else "%s"


def chunks(items: Sequence[T], size: int = MAX_ITEMS) -> Iterator[Sequence[T]]:
    """The items, as many at a time as one statement can take."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def is_transient(error: Exception) -> bool:
    """Whether `error` is the database's, and may pass: a lock, a full disk, a failing one."""
    if not isinstance(error, exc.OperationalError):
        return False
    return getattr(error.orig, "sqlite_errorname", "").startswith(_TRANSIENT)


def is_damaged(error: exc.DatabaseError) -> bool:
    """Whether `error` says that the database is not whole: pages that are none, tables that are gone."""
    name, message = getattr(error.orig, "sqlite_errorname", ""), str(error.orig)
    is_gone = message.startswith("no such table: ") and not message.endswith(" alembic_version")
    return name.startswith("SQLITE_CORRUPT") or is_gone


def is_other_file(error: exc.DatabaseError) -> bool:
    """Whether `error` says that a file is no catalogue: no database, or one with other tables."""
    return isinstance(error.orig, sqlite3.Error) and error.orig.sqlite_errorcode in _NOT_OURS
