"""Lists of computers with columns that were chosen, and whole ones, which are printed while they are read."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from distd.domain.filters.fields import Kind
from distd.domain.page import Window
from distd.domain.units import format_size, format_time
from distd.domain.visible import visible_json
from distd.origin.computers.columns import column_name
from distd.origin.computers.search import read_part
from distd.terminal.lists import Column, csv_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from distd.domain.filters.fields import FilterField
    from distd.domain.page import Place
    from distd.origin.computers.search import Search

PART: Final = 1000  # computers that are in memory at a time
RIGHT: Final = (Kind.NUMBER, Kind.SIZE)


def chosen_columns(fields: Sequence[FilterField]) -> tuple[Column[dict[str, Any]], ...]:
    """Columns of a table, whose rows have values by the names of `origin.computers.columns`. The first names the
    row."""
    return tuple(
        Column(
            column_name(field),
            partial(_text, field),
            rank=place,
            cut=field.kind is Kind.TEXT,
            right=field.kind in RIGHT,
        )
        for place, field in enumerate(fields)
    )


def print_everything(conn: Connection, asked: Search, *, as_csv: bool) -> None:
    """All that is found, as CSV or as one JSON document."""
    total = 0
    if not as_csv:
        click.echo('{"items": [', nl=False)
    for rows in _parts(conn, asked):
        if as_csv:
            click.echo(csv_text(rows, with_head=total == 0), nl=False)
        else:
            separator = ",\n" if total and rows else ""
            click.echo(
                separator + visible_json(",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)), nl=False
            )
        total += len(rows)
    if not as_csv:
        click.echo(f'], "next": null, "total": {total}, "is_exact": true}}')


def _parts(conn: Connection, asked: Search) -> Iterator[list[dict[str, Any]]]:
    place: Place | None = None
    while True:
        items, place = read_part(conn, asked, Window(PART, place))
        yield [item if isinstance(item, dict) else asdict(item) for item in items]
        if place is None:
            return


def _text(field: FilterField, row: dict[str, Any]) -> str:
    value = row[column_name(field)]
    if value is None or value == "":
        return ""
    match field.kind:
        case Kind.SIZE:
            return format_size(value)
        case Kind.TIME:
            return format_time(value)
    return ", ".join(value) if isinstance(value, list) else str(value)
