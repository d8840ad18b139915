"""What databases say differently where they are copied and checked: counters of ids, locks, damage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import column, delete, insert, select, table, text

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_COUNTERS: Final = table("sqlite_sequence", column("name"), column("seq"))


def counted_id(conn: Connection, of: Table) -> int | None:
    """The last id that a table has given by itself, 0 before the first; None where it gives none that may not come
    again."""
    if not of.dialect_options["sqlite"]["autoincrement"]:
        return None
    return conn.scalar(select(_COUNTERS.c.seq).where(_COUNTERS.c.name == of.name)) or 0


def set_last_id(conn: Connection, of: Table, last: int) -> None:
    """The next id of the table is the one after `last`."""
    conn.execute(delete(_COUNTERS).where(_COUNTERS.c.name == of.name))
    conn.execute(insert(_COUNTERS).values(name=of.name, seq=last))


def gather_statistics(conn: Connection) -> None:
    """Tell the database how many rows there are now, where it plans by that."""


def damage(conn: Connection) -> list[str]:
    """What the database itself finds wrong, a line each."""
    found = [str(line) for line in conn.scalars(text("PRAGMA integrity_check(100)")) if line != "ok"]
    return [" ".join(line.split()) for line in found]
