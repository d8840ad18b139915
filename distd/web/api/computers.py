"""The API's computers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from quart_schema import validate_response

from distd.domain.page import read_window
from distd.domain.permissions import Act
from distd.origin.computers import computers
from distd.origin.computers.computers import Computer, Detail, WantedComputers  # noqa: TC001 - the API looks at the fields
from distd.web.api.auth import acting_operator, needs
from distd.web.api.queries import PATTERN, cursor_parameter, limit_parameter, parameter, takes

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader


@dataclass
class ComputerQuery:
    """Which computers, and which page of them."""

    name: str | None = parameter(f"name or DEVICEID: {PATTERN}")
    tag: str | None = parameter(f"TAG: {PATTERN}")
    changed: bool = parameter("only those of whose identity something has changed", default=False)
    waiting: bool = parameter("only those in the waiting room", default=False)
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class ComputerPage:
    """Computers, by DEVICEID."""

    items: list[Computer]
    next: str | None
    total: int


class ComputerRoutes:
    """List, show."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/computers")
        @needs(Act.COMPUTERS_READ)
        @takes(ComputerQuery)
        @validate_response(ComputerPage)
        async def list_computers(query_args: ComputerQuery) -> Any:
            """Computers, by DEVICEID."""
            wanted = WantedComputers(query_args.name, query_args.tag, query_args.changed, query_args.waiting)
            window = read_window(query_args.limit, query_args.cursor, computers.PLACE)
            page = await self._reader.run(
                partial(computers.list_computers, wanted=wanted, window=window, actor=acting_operator())
            )
            return ComputerPage(page.items, page.next, page.total)

        @app.get("/api/v1/computers/<device_id>")
        @needs(Act.COMPUTERS_READ)
        @validate_response(Detail)
        async def show_computer(device_id: str) -> Any:
            """One computer: its inventory, assignments and history."""
            return await self._reader.run(partial(computers.show, device_id=device_id, actor=acting_operator()))
