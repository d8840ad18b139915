"""The pages of packages: the list, and all of them together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from quart import request

from distd.domain.errors import BadInput
from distd.domain.page import read_window
from distd.domain.permissions import Act
from distd.origin.packages import overview
from distd.origin.packages.overview import PackageState, WantedPackages
from distd.web.console.frame import page
from distd.web.console.jobs import JobPages
from distd.web.console.package_activation import PackageActivationPages
from distd.web.console.package_acts import PackageActPages
from distd.web.console.package_creation import PackageCreationPages
from distd.web.console.package_looks import LOOKS
from distd.web.console.package_page import OnePackagePages

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart import Response
    from quart_trio import QuartTrio

    from distd.storage.uploads import Uploads
    from distd.web.console.app import Pages
    from distd.web.console.operations import ConsoleOperations

PAGE_SIZE: Final = 50


class PackagePages:
    """List."""

    def __init__(self, operations: ConsoleOperations) -> None:
        self._operations = operations

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/packages")
        async def packages() -> Response:
            self._operations.demand(Act.PACKAGES_READ)
            name, state = request.args.get("name", "").strip(), _state(request.args.get("state", ""))
            sort = request.args.get("sort", "")
            ordering = overview.read_ordering(sort)
            wanted = WantedPackages(name or None, None, state is PackageState.DELETED, state)
            window = read_window(PAGE_SIZE, request.args.get("cursor"), ordering.place)
            read = partial(overview.list_packages, wanted=wanted, window=window, ordering=ordering)
            found = await self._operations.reader.run(read)
            kept = {key: value for key, value in (("name", name), ("state", state or ""), ("sort", sort)) if value}
            return await page(
                "packages.html",
                found=found,
                totals=await self._operations.reader.run(overview.totals),
                name=name,
                state=state,
                states=list(PackageState),
                sort=sort or "-created",
                link=partial(_link, kept),
                is_later=window.place is not None,
                looks=LOOKS,
            )


def package_pages(
    operations: ConsoleOperations, uploads: Uploads, own_servers: Callable[[], tuple[str, str]]
) -> tuple[Pages, ...]:
    """All pages of packages, and of the jobs that make them. `own_servers`: see `PackageActivationPages`."""
    return (
        PackagePages(operations),
        PackageCreationPages(operations, uploads),
        OnePackagePages(operations),
        PackageActPages(operations, uploads),
        PackageActivationPages(operations, own_servers),
        JobPages(operations),
    )


def _state(text: str) -> PackageState | None:
    try:
        return PackageState(text) if text else None
    except ValueError:
        raise BadInput("state", f"one of {', '.join(PackageState)}", text) from None


def _link(kept: dict[str, str], **changes: Any) -> str:
    """The path of this list with other parameters; None removes one."""
    values = {key: value for key, value in (kept | changes).items() if value is not None}
    return "/packages?" + urlencode(values) if values else "/packages"
