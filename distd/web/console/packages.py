"""The pages of packages: the list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from quart import request

from distd.domain.page import read_window
from distd.origin.packages import overview
from distd.origin.packages.overview import PackageState, WantedPackages
from distd.web.console.frame import page

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader

PAGE_SIZE: Final = 50
# How a package's state looks.
LOOKS: Final = {
    PackageState.ACTIVE: "success",
    PackageState.PLANNED: "warn",
    PackageState.INACTIVE: "waiting",
    PackageState.SUPERSEDED: "archived",
    PackageState.WITHDRAWN: "failed",
    PackageState.DELETED: "archived",
}


class PackagePages:
    """List."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/packages")
        async def packages() -> Response:
            name = request.args.get("name", "").strip()
            deleted = request.args.get("show") == "deleted"
            wanted = WantedPackages(name or None, None, deleted)
            window = read_window(PAGE_SIZE, request.args.get("cursor"), overview.PLACE)
            found = await self._reader.run(partial(overview.list_packages, wanted=wanted, window=window))
            kept = {key: value for key, value in (("name", name), ("show", "deleted" if deleted else "")) if value}
            return await page(
                "packages.html", found=found, name=name, deleted=deleted, link=partial(_link, kept), looks=LOOKS
            )


def _link(kept: dict[str, str], **changes: Any) -> str:
    """The path of this list with other parameters; None removes one."""
    values = {key: value for key, value in (kept | changes).items() if value is not None}
    return "/packages?" + urlencode(values) if values else "/packages"
