"""/recurrences: packages that come again every so many days, with a form for another one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import Window
from distd.domain.recurrence import MAX_DAYS
from distd.operations import recurrences as operations
from distd.operations.recurrences import NewRecurrenceRequest, RecurrenceQuery, RecurrenceTarget
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

PATH: Final = "/recurrences"
PAGE_SIZE: Final = 50
MAX_CHOICES: Final = 1000  # packages that can be chosen from, the newest
TARGETS: Final = ("filter", "group", "tag")
FIELDS: Final = ("package", "every_days", "first_at", "who", "to.filter", "to.group", "to.tag")
DEFAULTS: Final = {"every_days": "7"}


class RecurrencePages:
    """That page."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get(PATH)
        async def recurrences() -> Response:
            return await self._list(DEFAULTS)

        @app.post(PATH)
        async def create_recurrence() -> Response | PlainResponse:
            form = await request.form
            try:
                await self._asked.do(operations.CREATE, given=_request(form))
            except (BadInput, Conflict, NotFound) as error:
                return await self._list(form, error)
            return redirect(PATH, 303)

        @app.post(f"{PATH}/<int:recurrence_id>/delete")
        async def delete_recurrence(recurrence_id: int) -> PlainResponse:
            await self._asked.do(operations.DELETE, str(recurrence_id))
            return redirect(PATH, 303)

    async def _list(self, form: Mapping[str, str], error: DistdError | None = None) -> Response:
        query = RecurrenceQuery(PAGE_SIZE, request.args.get("cursor") or None)
        found = await self._asked.do(operations.LIST, given=query)
        read = partial(overview.list_packages, wanted=WantedPackages(None, True), window=Window(MAX_CHOICES))
        link = partial(address, PATH, {})
        return await page(
            "recurrences.html",
            200 if error is None else 404 if isinstance(error, NotFound) else fault_status(error),
            found=found,
            packages=(await self._asked.reader.run(read)).items,
            next=link(cursor=found.next) if found.next else "",
            first=link() if query.cursor else "",
            form=form,
            faults={} if error is None else {str(getattr(error, "field", "")): fault_text(error)},
            known=FIELDS,
        )


def _request(form: Mapping[str, str]) -> NewRecurrenceRequest:
    """Raises `BadInput`."""
    package_id, days = form.get("package", ""), form.get("every_days", "").strip()
    if not package_id.isdecimal():
        raise BadInput("package", "a package", "nothing")
    if not (days.isascii() and days.isdecimal() and 1 <= int(days[:6]) <= MAX_DAYS):
        raise BadInput("every_days", f"1 to {MAX_DAYS}", days)
    kind, who = form.get("to", ""), form.get("who", "").strip()
    if kind in TARGETS and not who:
        raise BadInput("who", "a search, a group or a TAG", "nothing")
    target = RecurrenceTarget(**{kind: who}) if kind in TARGETS else RecurrenceTarget()
    return NewRecurrenceRequest(package_id, int(days), target, form.get("first_at", "").strip() or None)
