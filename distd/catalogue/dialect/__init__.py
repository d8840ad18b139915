"""What databases say differently: how they are opened and locked, upserts, table options, the size of a statement,
errors that may pass.

All other SQL is SQLAlchemy Core that SQLite and PostgreSQL both understand, and no other module knows which database
it is (a test reads the sources for it).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import BigInteger, Integer, exc, text, tuple_
from sqlalchemy.dialects import sqlite as sqlite_sql

from distd.catalogue.dialect import sqlite
from distd.catalogue.dialect.sqlite import SqliteFile
from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Table
    from sqlalchemy.dialects import postgresql as postgresql_sql

    from distd.catalogue.dialect.database import Database
    from distd.domain.settings import CatalogueSettings

    T = TypeVar("T")

# A whole number of 64 bits: ids and the numbers of events. (SQLite counts up a primary key only where it is INTEGER.)
BIG: Final = BigInteger().with_variant(Integer(), "sqlite")

# Options of a table. Without the first, the largest id is given again once its row is deleted (on SQLite).
IDS_NEVER_REUSED: Final[Mapping[str, Any]] = {"sqlite_autoincrement": True}
# Rows lie in the order of the primary key, without a second index (on SQLite).
ORDERED_BY_KEY: Final[Mapping[str, Any]] = {"sqlite_with_rowid": False}

# A statement takes 32,766 values; these are items of up to three.
MAX_ITEMS: Final = 10_000
MAX_PAIRS: Final = 1000  # of `are_pairs`: PostgreSQL takes them for alternatives, one within the other


def database_of(settings: CatalogueSettings, file: Path) -> Database:
    """The database that the settings name; where they name none, SQLite's at `file`, beside which the names of other
    files are looked for. Raises `BadInput`."""
    if not settings.url:
        return SqliteFile(file)
    from distd.catalogue.dialect.postgresql import PostgresqlDatabase  # here, because most installations need it not

    password = None
    if settings.password_file:
        path = file.parent / settings.password_file
        try:
            password = path.read_text("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            got = f"{path}: {getattr(error, 'strerror', 'no text')}"
            raise BadInput("catalogue.password_file", "a file with the password", got) from None
    ca_file = file.parent / settings.ca_file if settings.ca_file else None
    if ca_file is not None and not ca_file.is_file():
        raise BadInput("catalogue.ca_file", "a file of certificates", f"no {ca_file}")
    return PostgresqlDatabase(settings.url, password, ca_file)


def as_database(place: Path | Database) -> Database:
    """The database at `place`; a path is that of SQLite's file."""
    return SqliteFile(place) if isinstance(place, Path) else place


def only_where(condition: str) -> dict[str, Any]:
    """The option of an index that holds only the rows for which `condition` (SQL) is true."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def insert_missing(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`; those whose key is in the table already change nothing. Rows without bytes go more quickly by
    `many_rows.insert_rows`."""
    if rows:
        conn.execute(_insert(conn, table).on_conflict_do_nothing(), rows)


def upsert(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, keep: Sequence[str] = ()) -> None:
    """Insert `rows`, which have the same columns each; where the primary key is there already, its row takes the new
    values, but for the columns to `keep`."""
    if not rows:
        return
    statement = _insert(conn, table)
    key = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key and name not in keep}
    conn.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)


def _insert(conn: Connection, table: Table) -> sqlite_sql.Insert | postgresql_sql.Insert:
    if conn.dialect.name == "sqlite":
        return sqlite_sql.insert(table)
    from sqlalchemy.dialects import postgresql as postgresql_sql  # here, like its driver

    return postgresql_sql.insert(table)


def chunks(items: Sequence[T], size: int = MAX_ITEMS) -> Iterator[Sequence[T]]:
    """The items, as many at a time as one statement can take."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def are_pairs(first: Column[Any], second: Column[Any], pairs: Sequence[tuple[Any, Any]]) -> ColumnElement[bool]:
    """That the two columns of a row are one of these pairs, at most `MAX_PAIRS`, found by an index that begins with
    `first`.

    SQLite reads the whole table where it is asked for the pairs alone.
    """
    return first.in_({pair[0] for pair in pairs}) & tuple_(first, second).in_(pairs)


def is_transient(error: Exception) -> bool:
    """Whether `error` is the database's, and may pass: a lock, a full disk, a failing one, a server that is stopped."""
    if not isinstance(error, exc.DBAPIError):
        return False
    if sqlite.is_transient(error.orig):
        return True
    if not hasattr(error.orig, "sqlstate"):
        return False
    from distd.catalogue.dialect import postgresql

    return postgresql.is_transient(error.orig)
