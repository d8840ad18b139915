"""/sources: files, folders and URLs whose new versions supersede a package, with forms for another one and to change
each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET
from quart import redirect, request

from distd.domain.errors import BadInput, Conflict
from distd.domain.units import HOUR_S, parse_integer
from distd.domain.watched_source import DEFAULT_EVERY_S, MAX_EVERY_S
from distd.operations import watched_sources as operations
from distd.operations.watched_sources import NewSourceRequest, SourceEdit, SourceQuery
from distd.origin.packages.overview import WantedPackages
from distd.web.console.faults import fault_status, faults_of
from distd.web.console.form_list import FormList
from distd.web.console.frame import page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.errors import DistdError
    from distd.origin.packages.watched_sources import WatchedSource
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

        @app.get(f"{PATH}/<name>")
        async def watched_source(name: str) -> Response:
            return await self._edited(await self._asked.do(operations.SHOW, name))

        @app.post(f"{PATH}/<name>")
        async def edit_source(name: str) -> Response | PlainResponse:
            found, form = await self._asked.do(operations.SHOW, name), await request.form
            try:
                await self._asked.do(operations.EDIT, name, given=_changes(form, found))
            except (BadInput, Conflict) as error:
                return await self._edited(found, form, error)
            return redirect(PATH, 303)

        @app.post(f"{PATH}/<name>/<any(check,forget):act>")
        async def act_on_source(name: str, act: str) -> PlainResponse:
            await self._asked.do(operations.CHECK if act == "check" else operations.DELETE, name)
            return redirect(PATH, 303)

    async def _edited(
        self, found: WatchedSource, form: Mapping[str, str] | None = None, error: DistdError | None = None
    ) -> Response:
        self._asked.demand(operations.EDIT.act)
        values = {"found": found, "form": _form_of(found) if form is None else form, "faults": faults_of(error)}
        return await page("watched_source.html", fault_status(error), **values)


def _form_of(found: WatchedSource) -> dict[str, str]:
    kept = {"name": found.name, "place": found.place, "hours": f"{found.every_s / HOUR_S:.3g}"}
    return kept | ({"with_assignments": "yes"} if found.with_assignments else {})


def _changes(form: Mapping[str, str], found: WatchedSource) -> SourceEdit:
    """What is different: a place is shown without its query, which stays then. Raises `BadInput`."""
    given = {name: form.get(name, "").strip() for name in ("name", "place", "hours")}
    new = {name: value for name, value in given.items() if value != _form_of(found)[name]}
    return SourceEdit(
        new.get("name", UNSET),
        new.get("place", UNSET),
        _hours(new["hours"]) * HOUR_S if "hours" in new else UNSET,
        form.get("with_assignments") == "yes",
    )


def _hours(text: str) -> int:
    return parse_integer(text, "every_s", 1, MAX_HOURS)


def _request(form: Mapping[str, str]) -> NewSourceRequest:
    """Raises `BadInput`."""
    package_id = form.get("package", "")
    if not package_id.isdecimal():
        raise BadInput("package", "a package", "nothing")
    return NewSourceRequest(
        form.get("name", "").strip(),
        package_id,
        form.get("place", "").strip(),
        _hours(form.get("hours", "").strip()) * HOUR_S,
        form.get("with_assignments") == "yes",
    )
