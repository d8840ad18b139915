"""Whether a catalogue is whole: its schema, what the database itself finds, foreign keys, counters of ids, all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exc, func, select

from distd.catalogue.copying import digest_of
from distd.catalogue.dialect import upkeep
from distd.catalogue.engine import SCHEMA, found_schema
from distd.catalogue.row_digest import TableState
from distd.catalogue.tables import metadata
from distd.domain.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, ForeignKeyConstraint, Table

MAX_FAULTS: Final = 100
MAX_KEYS: Final = 3  # rows that are named in one fault


@dataclass(frozen=True, slots=True)
class CheckReport:
    """`faults`: a line each, at most `MAX_FAULTS`. `tables` is empty where the schema is not this version's."""

    schema: str | None
    tables: tuple[TableState, ...]
    faults: tuple[str, ...]


def check_catalogue(conn: Connection) -> CheckReport:
    """Look at everything that `conn` reads, and change nothing."""
    faults = upkeep.damage(conn)
    schema = found_schema(conn)
    if schema != SCHEMA:
        faults.append(f"the schema is {schema}, and this version's is {SCHEMA}")
        return CheckReport(schema, (), tuple(faults[:MAX_FAULTS]))
    different = schema_differences(conn)
    faults += different
    tables: list[TableState] = []
    if not different:
        for table in metadata.sorted_tables:
            faults += _foreign_key_faults(conn, table)
            faults += _counter_faults(conn, table)
            try:
                digest = digest_of(conn, table)
                tables.append(TableState(table.name, digest.rows, digest.digest))
            except (exc.DBAPIError, ValueError) as error:
                faults.append(f"table {table.name}: a row cannot be read: {shorten(str(error))}")
    return CheckReport(schema, tuple(tables), tuple(faults[:MAX_FAULTS]))


def schema_differences(conn: Connection) -> list[str]:
    """How the tables differ from those of this version, a line each."""
    from alembic.autogenerate import compare_metadata  # here, because it costs 0.1 s that other commands do not need
    from alembic.migration import MigrationContext

    def is_other_type(_context: Any, _there: Any, _ours: Any, found: Any, expected: Any) -> bool:
        return upkeep.type_name(conn, found) != upkeep.type_name(conn, expected)

    context = MigrationContext.configure(conn, opts={"compare_type": is_other_type})
    return [f"the schema differs: {shorten(_said(change))}" for change in compare_metadata(context, metadata)]


def _said(change: Any) -> str:
    """A difference as alembic has it: a tuple of what is to be done, or a list of such of one column."""
    first = change[0] if isinstance(change, list) else change
    return " ".join(str(getattr(part, "name", part)) for part in first if part is not None and part != {})


def _foreign_key_faults(conn: Connection, table: Table) -> Iterator[str]:
    for constraint in table.foreign_key_constraints:
        count, keys = _orphans(conn, table, constraint)
        if count:
            columns = ", ".join(column.name for column in constraint.columns)
            more = " …" if count > len(keys) else ""
            named, other = ", ".join(map(str, keys)) + more, constraint.referred_table.name
            yield f"table {table.name}: {count} rows whose {columns} is not in {other}: {named}"


def _orphans(conn: Connection, table: Table, constraint: ForeignKeyConstraint) -> tuple[int, Sequence[Any]]:
    """How many rows have no row that they refer to, and what some of them refer to."""
    pairs = [(element.parent, element.column) for element in constraint.elements]
    there = select(constraint.referred_table).where(*(parent == column for parent, column in pairs))
    is_orphan = (*(parent.is_not(None) for parent, _ in pairs), ~there.exists())
    count = conn.scalar(select(func.count()).select_from(table).where(*is_orphan)) or 0
    if not count:
        return 0, ()
    values = select(pairs[0][0]).where(*is_orphan).distinct().order_by(pairs[0][0]).limit(MAX_KEYS)
    return count, conn.scalars(values).all()


def _counter_faults(conn: Connection, table: Table) -> Iterator[str]:
    counted = upkeep.counted_id(conn, table)
    if counted is None:
        return
    (key,) = table.primary_key
    largest = conn.scalar(select(func.max(key))) or 0
    if largest > counted:
        yield f"table {table.name}: the next {key.name} would be {counted + 1}, and there is {largest}"
