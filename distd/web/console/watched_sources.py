"""/sources: files, folders and URLs whose new versions supersede a package, with a form for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import redirect

from distd.domain.errors import BadInput
from distd.domain.units import HOUR_S, parse_integer
from distd.domain.watched_source import DEFAULT_EVERY_S, MAX_EVERY_S
from distd.operations import watched_sources as operations
from distd.operations.watched_sources import NewSourceRequest, SourceQuery
from distd.origin.packages.overview import WantedPackages
from distd.web.console.form_list import FormList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.web.console.operations import ConsoleOperations

PATH: Final = "/sources"
MAX_HOURS: Final = MAX_EVERY_S // HOUR_S
DEFAULTS: Final = {"hours": f"{DEFAULT_EVERY_S // HOUR_S:g}", "with_assignments": "yes"}


class WatchedSourcePages:
    """That page."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""
        listing = operations.LIST, SourceQuery
        forms = FormList(self._asked, PATH, "watched_sources.html", listing, WantedPackages(None, None))

        @app.get(PATH)
        async def watched_sources() -> Response:
            return await forms.show(DEFAULTS)

        @app.post(PATH)
        async def watch_source() -> Response | PlainResponse:
            return await forms.create(operations.CREATE, _request)

        @app.post(f"{PATH}/<name>/<any(check,forget):act>")
        async def act_on_source(name: str, act: str) -> PlainResponse:
            await self._asked.do(operations.CHECK if act == "check" else operations.DELETE, name)
            return redirect(PATH, 303)


def _request(form: Mapping[str, str]) -> NewSourceRequest:
    """Raises `BadInput`."""
    package_id = form.get("package", "")
    if not package_id.isdecimal():
        raise BadInput("package", "a package", "nothing")
    hours = parse_integer(form.get("hours", "").strip(), "every_s", 1, MAX_HOURS)
    return NewSourceRequest(
        form.get("name", "").strip(),
        package_id,
        form.get("place", "").strip(),
        hours * HOUR_S,
        form.get("with_assignments") == "yes",
    )
