"""The API's packages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from quart_schema import validate_response

from distd.domain.page import read_window
from distd.domain.permissions import Act
from distd.origin.packages import overview
from distd.origin.packages.overview import ListedPackage, WantedPackages
from distd.web.api.auth import needs
from distd.web.api.queries import PATTERN, cursor_parameter, limit_parameter, parameter, takes

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader


@dataclass
class PackageQuery:
    """Which packages, and which page of them."""

    name: str | None = parameter(f"name: {PATTERN}")
    active: bool | None = parameter("only those that are active, or only those that are not")
    deleted: bool = parameter("deleted ones instead of those that are there", default=False)
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class PackagePage:
    """Packages, the newest first."""

    items: list[ListedPackage]
    next: str | None
    total: int


class PackageRoutes:
    """List, show."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/packages")
        @needs(Act.PACKAGES_READ)
        @takes(PackageQuery)
        @validate_response(PackagePage)
        async def list_packages(query_args: PackageQuery) -> Any:
            """Packages, the newest first, with how many computers are where with each."""
            wanted = WantedPackages(query_args.name, query_args.active, query_args.deleted)
            window = read_window(query_args.limit, query_args.cursor, overview.PLACE)
            page = await self._reader.run(partial(overview.list_packages, wanted=wanted, window=window))
            return PackagePage(page.items, page.next, page.total)

        @app.get("/api/v1/packages/<package_id>")
        @needs(Act.PACKAGES_READ)
        @validate_response(ListedPackage)
        async def show_package(package_id: str) -> Any:
            """One package, also a deleted one."""
            return await self._reader.run(partial(overview.show, package_id=package_id))
