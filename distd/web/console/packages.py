"""The pages of packages: the list, and all of them together."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from quart import Response, redirect, request

from distd.domain.errors import BadInput, NotFound
from distd.domain.page import Window, read_window
from distd.domain.permissions import Act
from distd.domain.spreadsheet import CONTENT_TYPE, csv_head, csv_lines
from distd.origin.packages import overview
from distd.origin.packages.overview import ListedPackage, PackageState, WantedPackages
from distd.web.console.frame import current, page
from distd.web.console.jobs import JobPages
from distd.web.console.links import address
from distd.web.console.package_activation import PackageActivationPages
from distd.web.console.package_acts import PackageActPages
from distd.web.console.package_batches import PackageBatchPages
from distd.web.console.package_creation import PackageCreationPages
from distd.web.console.package_looks import LOOKS
from distd.web.console.package_page import OnePackagePages

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.origin.packages.overview import PackageOrdering
    from distd.storage.uploads import Uploads
    from distd.web.console.app import Pages
    from distd.web.console.operations import ConsoleOperations

PAGE_SIZE: Final = 50
RUNNING: Final = "RUNNING"  # beside the states of packages: that some computers have without a result
MAX_EXPORTED: Final = 10_000  # packages of one file


class PackagePages:
    """List."""

    def __init__(self, operations: ConsoleOperations) -> None:
        self._operations = operations

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/packages")
        async def packages() -> Response:
            self._operations.demand(Act.PACKAGES_READ)
            wanted, ordering = _wanted()
            name, sort = wanted.name or "", request.args.get("sort", "")
            state = RUNNING if wanted.running else wanted.state
            window = read_window(PAGE_SIZE, request.args.get("cursor"), ordering.place)
            read = partial(overview.list_packages, wanted=wanted, window=window, ordering=ordering)
            found = await self._operations.reader.run(read)
            asked = (("name", name), ("state", state or ""), ("sort", sort))
            kept = {key: value for key, value in asked if value}
            return await page(
                "packages.html",
                found=found,
                totals=await self._operations.reader.run(overview.totals),
                name=name,
                state=state,
                states=[RUNNING, *PackageState],
                sort=sort or "-created",
                link=partial(_link, kept),
                is_later=window.place is not None,
                looks=LOOKS,
                said=_said(),
                exports=[(form.upper(), address(f"/package-list.{form}", kept)) for form in ("csv", "json")],
            )

        @app.get("/deployments")
        async def deployments() -> PlainResponse:
            return redirect(address("/packages", {"state": RUNNING}), 303)

        @app.get("/package-list.<form>")
        async def export_packages(form: str) -> Response:
            if form not in ("csv", "json"):
                raise NotFound("path", "csv or json", form)
            self._operations.demand(Act.PACKAGES_READ)
            wanted, ordering = _wanted()
            read = partial(overview.list_packages, wanted=wanted, window=Window(MAX_EXPORTED), ordering=ordering)
            found = await self._operations.reader.run(read)
            rows = [asdict(each) for each in found.items]
            if form == "csv":
                names = [field.name for field in fields(ListedPackage)]
                return Response(csv_head(names) + csv_lines(names, rows), content_type=CONTENT_TYPE)
            text = json.dumps({"items": rows, "next": None, "total": found.total}, ensure_ascii=False)
            return Response(text, content_type="application/json")


def package_pages(
    operations: ConsoleOperations, uploads: Uploads, own_servers: Callable[[], tuple[str, str]]
) -> tuple[Pages, ...]:
    """All pages of packages, and of the jobs that make them. `own_servers`: see `PackageActivationPages`."""
    return (
        PackagePages(operations),
        PackageBatchPages(operations),
        PackageCreationPages(operations, uploads),
        OnePackagePages(operations),
        PackageActPages(operations, uploads),
        PackageActivationPages(operations, own_servers),
        JobPages(operations),
    )


def _wanted() -> tuple[WantedPackages, PackageOrdering]:
    """What the address of this request asks for."""
    name, text = request.args.get("name", "").strip(), request.args.get("state", "")
    ordering = overview.read_ordering(request.args.get("sort", ""))
    if text == RUNNING:
        return WantedPackages(name or None, running=True), ordering
    state = _state(text)
    return WantedPackages(name or None, None, state is PackageState.DELETED, state), ordering


def _said() -> str:
    """What was done on the page before."""
    number = request.args.get("n", "")
    count = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else 0
    plural = current().language.plural
    match request.args.get("said"):
        case "activate":
            return plural("{number} package activated.", "{number} packages activated.", count)
        case "deactivate":
            return plural("{number} package deactivated.", "{number} packages deactivated.", count)
        case "withdraw":
            return plural("{number} package withdrawn.", "{number} packages withdrawn.", count)
        case "delete":
            return plural("{number} package deleted.", "{number} packages deleted.", count)
    return ""


def _state(text: str) -> PackageState | None:
    try:
        return PackageState(text) if text else None
    except ValueError:
        raise BadInput("state", f"one of {', '.join(PackageState)}", text) from None


def _link(kept: dict[str, str], **changes: Any) -> str:
    """The path of this list with other parameters; None removes one."""
    values = {key: value for key, value in (kept | changes).items() if value is not None}
    return "/packages?" + urlencode(values) if values else "/packages"
