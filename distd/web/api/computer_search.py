"""The API's list of computers: filters, sorting, columns, exports."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta
from quart import request

from distd.domain.errors import BadInput
from distd.domain.filters.parse import MAX_TEXT
from distd.domain.page import read_window
from distd.origin.computers import saved_filters, search
from distd.origin.computers.columns import read_columns
from distd.origin.computers.computers import WantedComputers
from distd.origin.computers.search import Search, read_sort
from distd.web.api.auth import acting_operator, for_operators
from distd.web.api.description import REFERENCE, answers
from distd.web.api.exports import stream
from distd.web.api.queries import PATTERN, cursor_parameter, limit_parameter, parameter, takes

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader

FORMS: Final = ("csv", "json")
# A `Computer`, whose shape is in the document with `computers.Detail`; or chosen columns.
ITEM: Final = {"anyOf": [{"$ref": REFERENCE.format(name="Computer")}, {"type": "object"}]}


@dataclass
class ComputerQuery:
    """Which computers, and which page of them."""

    filter: str | None = parameter("a filter, or @NAME of a saved one (guide: Search)", max_length=MAX_TEXT)
    sort: str = parameter("a field of filters; with - before it descending", default="device_id")
    columns: str = parameter("fields of filters with commas between them: only these, by name", default="")
    format: str | None = parameter("csv or json: everything that is found, at once")
    name: str | None = parameter(f"name or DEVICEID: {PATTERN}")
    tag: str | None = parameter(f"TAG: {PATTERN}")
    changed: bool = parameter("only those of whose identity something has changed", default=False)
    waiting: bool = parameter("only those in the waiting room", default=False)
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class ComputerPage:
    """Computers, by DEVICEID or as they are sorted. Where columns were chosen, an item has these alone. `is_exact`: all
    were counted; else that would have taken too long, and `total` is an estimate."""

    items: list[Annotated[Any, Meta(extra_json_schema=ITEM)]]
    next: str | None
    total: int
    is_exact: bool


class ComputerSearchRoutes:
    """The list of computers."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/computers")
        @for_operators
        @takes(ComputerQuery)
        @answers(ComputerPage, also={"text/csv; charset=utf-8": "All that are found."}, problems=(404,))
        async def list_computers(query_args: ComputerQuery) -> Any:
            """Computers that a filter finds.

            With `format`, or `Accept: text/csv`, all of them are written as they are read; the list may change
            meanwhile.
            """
            asked, form = await self._asked(query_args), _form(query_args.format)
            if form is not None:
                return await stream(self._reader, asked, form)
            window = read_window(query_args.limit, query_args.cursor, asked.sort.place)
            found = await self._reader.run(partial(search.search, asked=asked, window=window))
            return ComputerPage(found.items, found.next, found.total, found.is_exact)

    async def _asked(self, query: ComputerQuery) -> Search:
        read = partial(saved_filters.read_filter, actor=acting_operator(), text=query.filter or "")
        return Search(
            now_s=time.time(),
            tree=await self._reader.run(read),
            sort=read_sort(query.sort),
            columns=read_columns(query.columns),
            wanted=WantedComputers(query.name, query.tag, query.changed, query.waiting),
        )


def _form(asked: str | None) -> str | None:
    if asked is None:
        return "csv" if request.accept_mimetypes.best == "text/csv" else None
    if asked not in FORMS:
        raise BadInput("format", f"one of {', '.join(FORMS)}", asked)
    return asked
