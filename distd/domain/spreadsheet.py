"""Rows as CSV for spreadsheets, in which no text is taken for a formula. Pure."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CONTENT_TYPE: Final = "text/csv; charset=utf-8"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_head(names: Sequence[str]) -> str:
    """The first line."""
    return _written([names])


def csv_lines(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A line for each row."""
    return _written([csv_cell(row[name]) for name in names] for row in rows)


def csv_cell(value: object) -> object:
    """Lists and objects as JSON. A text that a spreadsheet would take for a formula gets an apostrophe in front. Within
    a text lines end as the rows do."""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(_FORMULA) else value
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _written(rows: Iterable[Iterable[object]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
