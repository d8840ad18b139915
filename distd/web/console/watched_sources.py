"""/sources: files, folders and URLs whose new versions supersede a package, with a form for another one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import Window
from distd.domain.units import HOUR_S
from distd.domain.watched_source import DEFAULT_EVERY_S, MAX_EVERY_S
from distd.operations import watched_sources as operations
from distd.operations.watched_sources import NewSourceRequest, SourceQuery
from distd.origin.packages import overview
from distd.origin.packages.overview import WantedPackages
from distd.web.console.faults import fault_status, fault_text
from distd.web.console.frame import page
from distd.web.console.links import address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.errors import DistdError
    from distd.web.console.operations import ConsoleOperations

PATH: Final = "/sources"
PAGE_SIZE: Final = 50
MAX_CHOICES: Final = 1000  # packages that can be chosen from, the newest
FIELDS: Final = ("name", "package", "place", "every_s")
MAX_HOURS: Final = MAX_EVERY_S // HOUR_S
DEFAULTS: Final = {"hours": f"{DEFAULT_EVERY_S // HOUR_S:g}", "with_assignments": "yes"}


class WatchedSourcePages:
    """That page."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get(PATH)
        async def watched_sources() -> Response:
            return await self._list(DEFAULTS)

        @app.post(PATH)
        async def watch_source() -> Response | PlainResponse:
            form = await request.form
            try:
                await self._asked.do(operations.CREATE, given=_request(form))
            except (BadInput, Conflict, NotFound) as error:
                return await self._list(form, error)
            return redirect(PATH, 303)

        @app.post(f"{PATH}/<name>/<any(check,forget):act>")
        async def act_on_source(name: str, act: str) -> PlainResponse:
            await self._asked.do(operations.CHECK if act == "check" else operations.DELETE, name)
            return redirect(PATH, 303)

    async def _list(self, form: Mapping[str, str], error: DistdError | None = None) -> Response:
        query = SourceQuery(PAGE_SIZE, request.args.get("cursor") or None)
        found = await self._asked.do(operations.LIST, given=query)
        read = partial(overview.list_packages, wanted=WantedPackages(None, None), window=Window(MAX_CHOICES))
        link = partial(address, PATH, {})
        return await page(
            "watched_sources.html",
            200 if error is None else 404 if isinstance(error, NotFound) else fault_status(error),
            found=found,
            packages=(await self._asked.reader.run(read)).items,
            next=link(cursor=found.next) if found.next else "",
            first=link() if query.cursor else "",
            form=form,
            faults={} if error is None else {str(getattr(error, "field", "")): fault_text(error)},
            known=FIELDS,
        )


def _request(form: Mapping[str, str]) -> NewSourceRequest:
    """Raises `BadInput`."""
    package_id, hours = form.get("package", ""), form.get("hours", "").strip()
    if not package_id.isdecimal():
        raise BadInput("package", "a package", "nothing")
    if not (hours.isascii() and hours.isdecimal() and 1 <= int(hours[:6]) <= MAX_HOURS):
        raise BadInput("every_s", f"1 to {MAX_HOURS:g}", hours)
    return NewSourceRequest(
        form.get("name", "").strip(),
        package_id,
        form.get("place", "").strip(),
        int(hours) * HOUR_S,
        form.get("with_assignments") == "yes",
    )
