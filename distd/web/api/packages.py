"""The API's packages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from quart_schema import validate_response

from distd.origin.packages import packages
from distd.origin.packages.packages import Package
from distd.web.api.auth import for_operators

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader


class PackageRoutes:
    """List, show."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/packages")
        @for_operators
        @validate_response(list[Package])
        async def list_packages() -> Any:
            """All packages, oldest first."""
            return await self._reader.run(packages.list_packages)

        @app.get("/api/v1/packages/<package_id>")
        @for_operators
        @validate_response(Package)
        async def show_package(package_id: str) -> Any:
            """One package."""
            return await self._reader.run(partial(packages.show, package_id=package_id))
