"""The API's computers: one of them, duplicates. `computer_search` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from quart import Response
from quart_schema import validate_response

from distd.domain.duplicates import DuplicateReason
from distd.domain.page import read_window
from distd.origin.computers import computers, duplicates
from distd.origin.computers.computers import (  # noqa: TC001 - the API looks at the fields
    Detail,
    SoftwareItem,
)
from distd.origin.computers.duplicates import Duplicates  # noqa: TC001
from distd.web.api.auth import for_operators
from distd.web.api.queries import PATTERN, cursor_parameter, limit_parameter, parameter, takes

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader


@dataclass
class SoftwareQuery:
    """Which software of a computer, and which page of it."""

    name: str | None = parameter(f"its name: {PATTERN}")
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class SoftwarePage:
    """Software, by name."""

    items: list[SoftwareItem]
    next: str | None
    total: int


@dataclass
class DuplicateQuery:
    """Which duplicates, and which page of them."""

    reason: tuple[str, ...] = parameter(
        f"what they have in common, with commas between: {', '.join(DuplicateReason)}",
        default=(),
        choices=tuple(DuplicateReason),
    )
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class DuplicatePage:
    """Computers that are probably the same one, by what they have in common."""

    items: list[Duplicates]
    next: str | None
    total: int


class ComputerRoutes:
    """Show, duplicates."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/computers/duplicates")
        @for_operators
        @takes(DuplicateQuery)
        @validate_response(DuplicatePage)
        async def list_duplicates(query_args: DuplicateQuery) -> Any:
            """Computers that are probably the same one, after an installation."""
            window = read_window(query_args.limit, query_args.cursor, duplicates.PLACE)
            listed = partial(duplicates.list_duplicates, reasons=query_args.reason, window=window)
            page = await self._reader.run(listed)
            return DuplicatePage(page.items, page.next, page.total)

        @app.get("/api/v1/computers/<device_id>")
        @for_operators
        @validate_response(Detail)
        async def show_computer(device_id: str) -> Any:
            """One computer: its inventory, assignments and history."""
            return await self._reader.run(partial(computers.show, device_id=device_id))

        @app.get("/api/v1/computers/<device_id>/software")
        @for_operators
        @takes(SoftwareQuery)
        @validate_response(SoftwarePage)
        async def list_software(device_id: str, query_args: SoftwareQuery) -> Any:
            """What is installed on a computer, by name."""
            window = read_window(query_args.limit, query_args.cursor, computers.SOFTWARE_PLACE)
            found = partial(computers.software_of, device_id=device_id, name=query_args.name, window=window)
            page = await self._reader.run(found)
            return SoftwarePage(page.items, page.next, page.total)

        @app.get("/api/v1/computers/<device_id>/inventory")
        @for_operators
        async def read_inventory(device_id: str) -> Any:
            """The document of a computer's last inventory, as its agent sent it."""
            document = await self._reader.run(partial(computers.read_document, device_id=device_id))
            return Response(document, content_type="application/xml")
