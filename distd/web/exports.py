"""All that a search finds, as an answer that is written while it is read: CSV or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import Response

from distd.domain.page import Window
from distd.domain.spreadsheet import CONTENT_TYPE, csv_head, csv_lines
from distd.origin.computers import search

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from distd.catalogue.reader import Reader
    from distd.domain.page import Place
    from distd.origin.computers.search import Search

PART: Final = 1000  # computers that are in memory at a time


async def stream(reader: Reader, asked: Search, form: str) -> Response:
    """The answer; `form` is "csv" or "json". What is wrong with the search is raised before it begins."""
    first = await _read(reader, asked, None)
    parts = _parts(reader, asked, first)
    text = _csv(parts) if form == "csv" else _json(parts)
    return Response(text, content_type=CONTENT_TYPE if form == "csv" else "application/json")


async def _read(reader: Reader, asked: Search, place: Place | None) -> tuple[list[dict[str, Any]], Place | None]:
    items, after = await reader.run(partial(search.read_part, asked=asked, window=Window(PART, place)))
    return [item if isinstance(item, dict) else asdict(item) for item in items], after


async def _parts(
    reader: Reader, asked: Search, first: tuple[list[dict[str, Any]], Place | None]
) -> AsyncIterator[Sequence[dict[str, Any]]]:
    items, place = first
    yield items
    while place is not None:
        items, place = await _read(reader, asked, place)
        yield items


async def _csv(parts: AsyncIterator[Sequence[dict[str, Any]]]) -> AsyncIterator[str]:
    names: list[str] = []
    async for rows in parts:
        if rows and not names:
            names = list(rows[0])
            yield csv_head(names)
        yield csv_lines(names, rows)


async def _json(parts: AsyncIterator[Sequence[dict[str, Any]]]) -> AsyncIterator[str]:
    total = 0
    yield '{"items": ['
    async for rows in parts:
        text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        yield f",\n{text}" if total and text else text
        total += len(rows)
    yield f'], "next": null, "total": {total}, "is_exact": true}}'
