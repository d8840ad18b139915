"""What databases say differently where they are copied and checked: locks, counters of ids, statistics, damage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import column, delete, insert, select, table, text

from distd.catalogue.dialect.sqlite import SqliteFile, is_open_elsewhere
from distd.domain.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Table
    from sqlalchemy.types import TypeEngine

    from distd.catalogue.dialect.database import Database

LOCK_TIMEOUT_S: Final = 5
IN_USE: Final = "a server or a command has it open"
STOP_IT: Final = "stop it first"

_COUNTERS: Final = table("sqlite_sequence", column("name"), column("seq"))
_OF_SEQUENCE: Final = "CAST(pg_get_serial_sequence(:table, :column) AS regclass)"
# The types that columns have in PostgreSQL in the place of those that they are declared with.
_LONGER: Final = {"INTEGER": "BIGINT", "VARCHAR": "TEXT", "TEXT": "TEXT", "FLOAT": "DOUBLE PRECISION"}
_OTHERS: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'distd%' AND pid <> pg_backend_pid()
"""
# What PostgreSQL knows to be wrong, or may be wrong without its knowing.
_DAMAGE: Final = (
    """
    SELECT format('index %s is not valid', relname)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = current_schema() AND NOT (indisvalid AND indisready)
    ORDER BY relname
    """,
    """
    SELECT format('constraint %s does not hold for all rows', conname)
    FROM pg_constraint JOIN pg_namespace ON pg_namespace.oid = connamespace
    WHERE nspname = current_schema() AND NOT convalidated
    ORDER BY conname
    """,
    """
    SELECT format('column %s.%s is ordered by the collation %s, not by "C"', relname, attname, collname)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_collation ON pg_collation.oid = attcollation
    WHERE nspname = current_schema() AND relkind = 'r' AND relname <> 'alembic_version' AND collname <> 'C'
    ORDER BY relname, attname
    """,
)


def require_alone(database: Database) -> None:
    """Raises `Conflict` where somebody has the file of a database open. (Of one that is none see `hold`.)"""
    if isinstance(database, SqliteFile) and is_open_elsewhere(database.path):
        raise Conflict("from", IN_USE, STOP_IT)


def hold(conn: Connection, tables: Sequence[Table]) -> None:
    """Nobody else writes until the transaction ends, whose first statement this is. Raises `Conflict` where a server or
    a command has the database open: it would write afterwards."""
    if conn.dialect.name == "sqlite":
        conn.execute(text("UPDATE alembic_version SET version_num = version_num WHERE 1 = 0"))
        return
    # These take no snapshot: the one that is taken later has all that was committed before the locks were there.
    conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
    names = ", ".join(conn.dialect.identifier_preparer.format_table(each) for each in tables)
    conn.exec_driver_sql(f"LOCK TABLE {names} IN SHARE MODE")
    if conn.scalar(text(_OTHERS)):
        raise Conflict("from", IN_USE, STOP_IT)


def counted_id(conn: Connection, of: Table) -> int | None:
    """The last id that a table has given by itself, 0 before the first; None where it gives none that may not come
    again."""
    if not of.dialect_options["sqlite"]["autoincrement"]:
        return None
    if conn.dialect.name == "sqlite":
        return conn.scalar(select(_COUNTERS.c.seq).where(_COUNTERS.c.name == of.name)) or 0
    return conn.scalar(text(f"SELECT pg_sequence_last_value({_OF_SEQUENCE})"), _sequence(of)) or 0


def set_counted_id(conn: Connection, of: Table, last: int) -> None:
    """The next id of the table is the one after `last`."""
    if conn.dialect.name == "sqlite":
        conn.execute(delete(_COUNTERS).where(_COUNTERS.c.name == of.name))
        conn.execute(insert(_COUNTERS).values(name=of.name, seq=last))
        return
    values = {**_sequence(of), "last": max(last, 1), "given": last > 0}
    conn.execute(text(f"SELECT setval({_OF_SEQUENCE}, :last, :given)"), values)


def _sequence(of: Table) -> dict[str, Any]:
    (key,) = of.primary_key
    return {"table": f'"{of.name}"', "column": key.name}


def gather_statistics(conn: Connection) -> None:
    """Tell the database how many rows there are now, where it plans by that."""
    if conn.dialect.name != "sqlite":
        conn.exec_driver_sql("SET LOCAL statement_timeout = 0")
        conn.exec_driver_sql("ANALYZE")


def type_name(conn: Connection, of_column: TypeEngine[Any]) -> str:
    """A type as the database names it, of a table that is there or of one that would be made."""
    name = of_column.compile(conn.dialect)
    if conn.dialect.name == "sqlite":
        return name
    return _LONGER.get(name.partition("(")[0].partition(" COLLATE")[0], name)


def damage(conn: Connection) -> list[str]:
    """What the database itself finds wrong, a line each."""
    return [" ".join(str(line).split()) for line in _damage(conn)]


def _damage(conn: Connection) -> Iterator[str]:
    if conn.dialect.name == "sqlite":
        yield from (line for line in conn.scalars(text("PRAGMA integrity_check(100)")) if line != "ok")
        return
    for query in _DAMAGE:
        yield from conn.exec_driver_sql(query.replace("%", "%%")).scalars()
