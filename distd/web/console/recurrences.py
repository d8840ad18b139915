"""/recurrences: packages that come again every so many days, with a form for another one, and one to change each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UNSET
from quart import redirect, request

from distd.domain.errors import BadInput, NotFound
from distd.domain.recurrence import MAX_DAYS
from distd.domain.units import parse_integer
from distd.operations import recurrences as operations
from distd.operations.recurrences import NewRecurrenceRequest, RecurrenceEdit, RecurrenceQuery, RecurrenceTarget
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
    from distd.origin.deployments.recurrences import Recurrence
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

        @app.get(f"{PATH}/<int:recurrence_id>")
        async def recurrence(recurrence_id: int) -> Response:
            return await self._edited(await self._asked.do(operations.SHOW, str(recurrence_id)))

        @app.post(f"{PATH}/<int:recurrence_id>")
        async def edit_recurrence(recurrence_id: int) -> Response | PlainResponse:
            found, form = await self._asked.do(operations.SHOW, str(recurrence_id)), await request.form
            try:
                await self._asked.do(operations.EDIT, str(recurrence_id), given=_changes(form, found))
            except (BadInput, NotFound) as error:
                return await self._edited(found, form, error)
            return redirect(PATH, 303)

        @app.post(f"{PATH}/<int:recurrence_id>/delete")
        async def delete_recurrence(recurrence_id: int) -> PlainResponse:
            await self._asked.do(operations.DELETE, str(recurrence_id))
            return redirect(PATH, 303)

    async def _edited(
        self, found: Recurrence, form: Mapping[str, str] | None = None, error: DistdError | None = None
    ) -> Response:
        self._asked.demand(operations.EDIT.act)
        kept = {"every_days": str(found.every_days), "to": found.who_kind, "who": found.who}
        values = {"found": found, "form": kept if form is None else form, "faults": faults_of(error)}
        return await page("recurrence.html", fault_status(error), **values)


def _request(form: Mapping[str, str]) -> NewRecurrenceRequest:
    """Raises `BadInput`."""
    package_id = form.get("package", "")
    if not package_id.isdecimal():
        raise BadInput("package", "a package", "nothing")
    return NewRecurrenceRequest(package_id, _days(form), _target(form), form.get("first_at", "").strip() or None)


def _changes(form: Mapping[str, str], found: Recurrence) -> RecurrenceEdit:
    """What is different. Raises `BadInput`."""
    days, target, first_at = _days(form), _target(form), form.get("first_at", "").strip()
    kept = RecurrenceTarget(**{found.who_kind: found.who}) if found.who_kind else RecurrenceTarget()
    return RecurrenceEdit(days, UNSET if target == kept else target, first_at or UNSET)


def _days(form: Mapping[str, str]) -> int:
    return parse_integer(form.get("every_days", "").strip(), "every_days", 1, MAX_DAYS)


def _target(form: Mapping[str, str]) -> RecurrenceTarget:
    kind, who = form.get("to", ""), form.get("who", "").strip()
    if kind in TARGETS and not who:
        raise BadInput("who", "a search, a group or a TAG", "nothing")
    return RecurrenceTarget(**{kind: who}) if kind in TARGETS else RecurrenceTarget()
