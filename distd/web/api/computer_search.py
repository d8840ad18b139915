"""The API's list of computers: filters, sorting, columns, exports; the document of one."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import Response, request

from distd.domain.errors import BadInput
from distd.domain.page import read_window
from distd.operations.computers import DOCUMENT, LIST, ComputerPage, ComputerQuery, search_of
from distd.origin.computers import computers, search
from distd.web.api.auth import acting_operator, needs
from distd.web.api.description import answers
from distd.web.api.queries import takes
from distd.web.exports import stream

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader

FORMS: Final = ("csv", "json")
TEXT: Final = "text/plain; charset=utf-8"


class ComputerSearchRoutes:
    """The list of computers, documents."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/computers")
        @needs(LIST.act)
        @takes(ComputerQuery)
        @answers(ComputerPage, also={"text/csv; charset=utf-8": "All that are found."}, problems=(404,))
        async def list_computers(query_args: ComputerQuery) -> Any:
            """Computers that a filter finds.

            With `format`, or `Accept: text/csv`, all of them are written as they are read; the list may change
            meanwhile.
            """
            read = partial(search_of, actor=acting_operator(), query=query_args, now_s=time.time())
            asked, form = await self._reader.run(read), _form(query_args.format)
            if form is not None:
                return await stream(self._reader, asked, form)
            window = read_window(query_args.limit, query_args.cursor, asked.sort.place)
            found = await self._reader.run(partial(search.search, asked=asked, window=window))
            return ComputerPage(found.items, found.next, found.total, found.is_exact)

        @app.get("/api/v1/computers/<device_id>/inventory")
        @needs(DOCUMENT.act)
        @answers(content_type=TEXT, problems=(404,))
        async def read_inventory(device_id: str) -> Any:
            """The document of a computer's last inventory, as its agent sent it: XML, sent as text."""
            read = partial(computers.read_document, device_id=device_id, actor=acting_operator())
            return Response(await self._reader.run(read), content_type=TEXT)


def _form(asked: str | None) -> str | None:
    if asked is None:
        return "csv" if request.accept_mimetypes.best == "text/csv" else None
    if asked not in FORMS:
        raise BadInput("format", f"one of {', '.join(FORMS)}", asked)
    return asked
