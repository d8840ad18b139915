"""Rows for every table of a database, whatever its columns are: made from its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, Integer, LargeBinary, String, Text, UniqueConstraint, insert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Column, Connection, MetaData, Table

# What is hard to carry from one database to another, by the type of the column.
VALUES: dict[type[Any], list[Any]] = {
    Boolean: [True, False],
    BigInteger: [1_764_000_000_123_456, 0, -1, 2**62],
    Integer: [3, 0, 2**31 - 1],
    Float: [0.1, -0.0, 1e300],
    LargeBinary: [b"\x00\xff\x00", b"", b"x" * 300],
    JSON: [{"b": [1, None, 0.1, "é"], "a": {"z": True, "y": "\u2028'\""}}, [], "text", 7, None],
    Text: ["é\u2028\U0001f600'\"\\%_", "", "Z", "a", "B"],
    String: ["é'\"\\", "", "Z", "a", "B"],
}


def fill(conn: Connection, metadata: MetaData, rows: int = 5) -> None:
    """Put `rows` rows into every table, so that foreign keys and unique columns hold; NULLs wherever they may be."""
    for table in metadata.sorted_tables:
        if table.name != "alembic_version":
            conn.execute(insert(table), list(_rows(table, rows)))


def _rows(table: Table, rows: int) -> Iterator[dict[str, Any]]:
    for index in range(rows):
        yield {column.name: _value(column, index) for column in table.columns}


def _value(column: Column[Any], index: int) -> Any:
    """Keys, and what refers to them, are numbers from 1 on with a gap; texts and bytes of keys are such numbers too."""
    if column.primary_key or column.foreign_keys or _is_unique(column):
        number = 2 * index + 1
        if isinstance(column.type, Boolean):
            return bool(index % 2)
        if isinstance(column.type, LargeBinary):
            return bytes([number])
        return number if isinstance(column.type, Integer) else str(number)
    if column.nullable and index == 0:
        return None
    kind = next(kind for kind in VALUES if isinstance(column.type, kind))
    return VALUES[kind][index % len(VALUES[kind])]


def _is_unique(column: Column[Any]) -> bool:
    several = [each.columns for each in column.table.indexes if each.unique]
    several += [each.columns for each in column.table.constraints if isinstance(each, UniqueConstraint)]
    return bool(column.unique) or any(column.name in columns for columns in several)
