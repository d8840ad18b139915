"""The API's computers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from quart_schema import validate_response

from distd.origin.computers import computers
from distd.origin.computers.computers import Computer, Detail
from distd.web.api.auth import for_operators

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader


class ComputerRoutes:
    """List, show."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/computers")
        @for_operators
        @validate_response(list[Computer])
        async def list_computers() -> Any:
            """All computers, by DEVICEID."""
            return await self._reader.run(computers.list_computers)

        @app.get("/api/v1/computers/<device_id>")
        @for_operators
        @validate_response(Detail)
        async def show_computer(device_id: str) -> Any:
            """One computer: its inventory, assignments and history."""
            return await self._reader.run(partial(computers.show, device_id=device_id))
