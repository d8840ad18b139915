"""A digest of a table's rows that is the same in every database. Pure.

It is the sum of the SHA-256 of all rows: databases sort text differently, so the order of the rows does not count. What
counts is their values as Python has them: a flag is a flag however it is kept, and the keys of JSON are sorted. SQL's
NULL and JSON's null differ. A NUL in a text counts as the character that stands for it where there can be none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, null, select

from distd.catalogue.dialect.many_rows import NUL, without_nul

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import RowMapping, Select, Table

_BITS: Final = 256
ZERO: Final = "0" * (_BITS // 4)
IS_NULL: Final = "_is_null"  # after the name of a column with JSON: whether it holds SQL's NULL


@dataclass(frozen=True, slots=True)
class TableState:
    """A table: how many rows, and their digest."""

    name: str
    rows: int
    digest: str


class RowDigest:
    """How many rows, and their digest. It goes on from `rows` and `digest` (64 hexadecimal digits)."""

    def __init__(self, table: Table, rows: int = 0, digest: str = ZERO) -> None:
        self.rows = rows
        self._sum = int(digest, 16)
        self._forms = [(column.name, _form_of(column)) for column in table.columns]

    def add(self, rows: Iterable[RowMapping]) -> None:
        """Rows that `select_all` found."""
        for row in rows:
            text = ascii([form(row, name) for name, form in self._forms])
            self._sum += int.from_bytes(sha256(text.encode("ascii")).digest())
            self.rows += 1
        self._sum %= 1 << _BITS

    @property
    def digest(self) -> str:
        """64 hexadecimal digits."""
        return f"{self._sum:0{_BITS // 4}x}"


def select_all(table: Table) -> Select[Any]:
    """All columns of a table, and of those with JSON whether they hold SQL's NULL."""
    kinds = [column.is_(null()).label(column.name + IS_NULL) for column in json_columns(table)]
    return select(table, *kinds)


def json_columns(table: Table) -> Sequence[Any]:
    """The columns of JSON that may be NULL."""
    return [column for column in table.columns if isinstance(column.type, JSON) and column.nullable]


def value_of(row: RowMapping) -> dict[str, Any]:
    """A row that `select_all` found, as it is inserted into the same table of another database."""
    values = dict(row)
    for name in [name for name in values if name.endswith(IS_NULL)]:
        if values.pop(name):
            values[name.removesuffix(IS_NULL)] = null()
    return values


def _form_of(column: Any) -> Callable[[Any, str], object]:
    if not isinstance(column.type, JSON):
        return _plain
    return _nullable_json if column.nullable else _json


def _plain(values: Any, name: str) -> object:
    value = values[name]
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return bytes(value) if isinstance(value, memoryview) else value


def _json(values: Any, name: str) -> object:
    value = values[name]
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text if NUL not in text else json.dumps(without_nul(value), sort_keys=True, separators=(",", ":"))


def _nullable_json(values: Any, name: str) -> object:
    return None if values[name + IS_NULL] else _json(values, name)
