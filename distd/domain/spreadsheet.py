"""Rows as CSV for spreadsheets, in which no text is taken for a formula. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CONTENT_TYPE: Final = "text/csv; charset=utf-8"
# Spreadsheets of some languages separate cells by semicolons, others by tabs: a formula may begin behind them, too, and
# behind quotes, of which these spreadsheets make nothing there.
_FORMULA: Final = re.compile(r'((?:^|[;\t\n])[" ]*)([=+@-])')


def csv_head(names: Sequence[str]) -> str:
    """The first line."""
    return _written([[csv_cell(name) for name in names]])


def csv_lines(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A line for each row."""
    return _written([csv_cell(row[name]) for name in names] for row in rows)


def csv_cell(value: object) -> object:
    """Lists and objects as JSON. What a spreadsheet would take for a formula gets an apostrophe in front, wherever it
    separates cells. Within a text lines end as the rows do."""
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return ("'" if text.startswith(("\t", "\n")) else "") + _FORMULA.sub(r"\1'\2", text)


def _written(rows: Iterable[Iterable[object]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
