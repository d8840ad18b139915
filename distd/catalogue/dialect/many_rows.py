"""Statements of many rows, each in one round trip.

SQLite runs a statement once a row, within the process. It gets the values by their positions: with a mapping a row,
SQLAlchemy takes as long as SQLite. PostgreSQL gets all rows as one parameter, an array a column or a JSON document: the
statement's text is the same whatever their number, so it is planned once. The names in these texts are those of our own
tables.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ARRAY, JSON, String, any_, bindparam, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Table, TextClause

_PAIRS: Final = "unnest(CAST(:a AS bigint[]), CAST(:b AS bigint[])) AS v (a, b)"
_NUMBER: Final = "_number"  # of a row; columns do not begin like that
NUL: Final = "\\u0000"  # as JSON has it; PostgreSQL has none in texts


def insert_rows(
    conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, missing_only: bool = False
) -> None:
    """Insert rows, which have the same columns each and no bytes, in their order. `missing_only`: those whose key is in
    the table already change nothing."""
    if not rows:
        return
    quoted, names = conn.dialect.identifier_preparer, tuple(rows[0])
    if conn.dialect.name == "sqlite":
        of_each = _insert_of_each(quoted, table, names, missing_only=missing_only)
        conn.exec_driver_sql(of_each, _by_positions(table, names, rows))
        return
    of_all = _insert_statement(quoted, table, names, missing_only=missing_only)
    conn.execute(of_all, {"rows": _document(rows)})


def update_rows(conn: Connection, table: Table, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Set the values of the rows with these ids; all have the same columns."""
    if not rows:
        return
    quoted, names = conn.dialect.identifier_preparer, tuple(next(iter(rows.values())))
    if conn.dialect.name == "sqlite":
        values = _by_positions(table, names, rows.values())
        of_each = _update_of_each(quoted, table, names)
        conn.exec_driver_sql(of_each, [(*row, key) for key, row in zip(rows, values, strict=True)])
        return
    columns = {f"new_{name}": [row[name] for row in rows.values()] for name in names}
    statement_of_all = _update_statement(quoted, table, names)
    conn.execute(statement_of_all, {"key": list(rows), **columns})


def is_one_of(column: Column[Any], name: str) -> ColumnElement[bool]:
    """Whether the column has one of the values of the parameter `name`, which is a list: for statements that are made
    once. PostgreSQL gets it as an array; SQLite reads a whole table where it does not see how many they are."""
    return _IsOneOf(column, bindparam(name, expanding=True))


class _IsOneOf(FunctionElement[Any]):
    inherit_cache = True
    type = NullType()  # of a Boolean SQLite would be asked whether it = 1, which no index answers


@compiles(_IsOneOf, "sqlite")
def _one_of_values(element: Any, compiler: Any, **more: Any) -> Any:
    column, values = element.clauses
    return compiler.process(column.in_(values), **more)


@compiles(_IsOneOf, "postgresql")
def _one_of_array(element: Any, compiler: Any, **more: Any) -> Any:
    column, values = element.clauses
    return compiler.process(column == any_(bindparam(values.key, type_=ARRAY(column.type))), **more)


def insert_pairs(conn: Connection, table: Table, pairs: Sequence[tuple[int, int]]) -> None:
    """Insert rows of a table that has two columns of numbers. Raises SQLAlchemy's `IntegrityError`."""
    first, second = table.columns.keys()
    rows = f"INSERT INTO {table.name} ({first}, {second}) "
    _run_pairs(conn, pairs, rows + "VALUES (?, ?)", f"{rows} SELECT a, b FROM {_PAIRS}")  # noqa: S608


def delete_pairs(conn: Connection, table: Table, pairs: Sequence[tuple[int, int]]) -> None:
    """Delete rows of a table that has two columns of numbers."""
    first, second = table.columns.keys()
    rows, name = "DELETE FROM ", table.name
    of_all = f"{rows}{name} USING {_PAIRS} WHERE {name}.{first} = v.a AND {name}.{second} = v.b"
    _run_pairs(conn, pairs, f"{rows}{name} WHERE {first} = ? AND {second} = ?", of_all)


def _run_pairs(conn: Connection, pairs: Sequence[tuple[int, int]], of_each: str, of_all: str) -> None:
    if not pairs:
        return
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(of_each, list(pairs))
        return
    first, second = zip(*pairs, strict=True)
    conn.execute(text(of_all), {"a": list(first), "b": list(second)})


def _by_positions(table: Table, names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    documents = {name for name in names if isinstance(table.c[name].type, JSON)}
    return [tuple(json.dumps(row[name]) if name in documents else row[name] for name in names) for row in rows]


@lru_cache(64)
def _insert_of_each(quoted: Any, table: Table, names: tuple[str, ...], *, missing_only: bool) -> str:
    into, columns = quoted.format_table(table), ", ".join(map(quoted.quote, names))
    end = "ON CONFLICT DO NOTHING" if missing_only else ""
    return f"INSERT INTO {into} ({columns}) VALUES ({', '.join('?' * len(names))}) {end}"  # noqa: S608


@lru_cache(64)
def _update_of_each(quoted: Any, table: Table, names: tuple[str, ...]) -> str:
    values = ", ".join(f"{quoted.quote(name)} = ?" for name in names)
    return f"UPDATE {quoted.format_table(table)} SET {values} WHERE id = ?"  # noqa: S608


@lru_cache(64)
def _insert_statement(quoted: Any, table: Table, names: tuple[str, ...], *, missing_only: bool) -> TextClause:
    columns = ", ".join(map(quoted.quote, names))
    types = ", ".join(f"{quoted.quote(name)} {_type_of(table.c[name])}" for name in names)
    rows = (
        f"ROWS FROM (json_to_recordset(CAST(:rows AS json)) AS ({types})) WITH ORDINALITY AS v ({columns}, {_NUMBER})"
    )
    into, end = quoted.format_table(table), "ON CONFLICT DO NOTHING" if missing_only else ""
    return text(f"INSERT INTO {into} ({columns}) SELECT {columns} FROM {rows} ORDER BY {_NUMBER} {end}")  # noqa: S608


@lru_cache(64)
def _update_statement(quoted: Any, table: Table, names: tuple[str, ...]) -> TextClause:
    target, columns = quoted.format_table(table), {name: quoted.quote(name) for name in names}
    arrays = ", ".join(f"CAST(:new_{name} AS {_type_of(table.c[name])}[])" for name in names)
    rows = f"unnest(CAST(:key AS bigint[]), {arrays}) AS v ({_NUMBER}, {', '.join(columns.values())})"
    values = ", ".join(f"{column} = v.{column}" for column in columns.values())
    return text(f"UPDATE {target} SET {values} FROM {rows} WHERE {target}.id = v.{_NUMBER}")  # noqa: S608


def _type_of(column: Column[Any]) -> str:
    if isinstance(column.type, String):
        return "text"
    if isinstance(column.type, JSON):
        return "json"
    return {bool: "boolean", int: "bigint", float: "double precision"}[column.type.python_type]


def _document(rows: Sequence[Mapping[str, Any]]) -> str:
    found = json.dumps([dict(row) for row in rows])
    return found if NUL not in found else json.dumps([without_nul(row) for row in rows])


def without_nul(value: Any) -> Any:
    """What JSON can say, with the character that stands for a broken one in the place of each NUL."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(each) for key, each in value.items()}
    return [without_nul(each) for each in value] if isinstance(value, list | tuple) else value
