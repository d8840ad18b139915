"""/recurrences: packages that come again every so many days, with a form for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import redirect

from distd.domain.errors import BadInput
from distd.domain.recurrence import MAX_DAYS
from distd.domain.units import parse_integer
from distd.operations import recurrences as operations
from distd.operations.recurrences import NewRecurrenceRequest, RecurrenceQuery, RecurrenceTarget
from distd.origin.packages.overview import WantedPackages
from distd.web.console.form_list import FormList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.web.console.operations import ConsoleOperations

PATH: Final = "/recurrences"
TARGETS: Final = ("filter", "group", "tag")
DEFAULTS: Final = {"every_days": "7"}


class RecurrencePages:
    """That page."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""
        listing = operations.LIST, RecurrenceQuery
        forms = FormList(self._asked, PATH, "recurrences.html", listing, WantedPackages(None, True))

        @app.get(PATH)
        async def recurrences() -> Response:
            return await forms.show(DEFAULTS)

        @app.post(PATH)
        async def create_recurrence() -> Response | PlainResponse:
            return await forms.create(operations.CREATE, _request)

        @app.post(f"{PATH}/<int:recurrence_id>/delete")
        async def delete_recurrence(recurrence_id: int) -> PlainResponse:
            await self._asked.do(operations.DELETE, str(recurrence_id))
            return redirect(PATH, 303)


def _request(form: Mapping[str, str]) -> NewRecurrenceRequest:
    """Raises `BadInput`."""
    package_id = form.get("package", "")
    if not package_id.isdecimal():
        raise BadInput("package", "a package", "nothing")
    days = parse_integer(form.get("every_days", "").strip(), "every_days", 1, MAX_DAYS)
    kind, who = form.get("to", ""), form.get("who", "").strip()
    if kind in TARGETS and not who:
        raise BadInput("who", "a search, a group or a TAG", "nothing")
    target = RecurrenceTarget(**{kind: who}) if kind in TARGETS else RecurrenceTarget()
    return NewRecurrenceRequest(package_id, days, target, form.get("first_at", "").strip() or None)
