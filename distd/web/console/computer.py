"""The pages of one computer: what it is, its packages and why they are where they are, software, parameters, values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import Response, redirect, request

from distd.catalogue.event_log import Kind
from distd.domain.diagnosis.causes import CauseKind
from distd.domain.errors import BadInput
from distd.domain.filters.patterns import escape
from distd.domain.filters.render import quote as quote_text
from distd.domain.page import Window, read_window
from distd.domain.parameters import ON, PARAMETERS, Level, read_values
from distd.domain.permissions import Act
from distd.domain.settings import TABLE
from distd.origin.computers import computer_settings, computers, parameters
from distd.origin.computers.parameters import Subject
from distd.origin.deployments import diagnoses
from distd.origin.deployments.diagnosis_facts import read_context
from distd.origin.groups import groups
from distd.origin.operators import events
from distd.origin.operators.events import Wanted
from distd.web.console.deployment import GOES_ON
from distd.web.console.faults import fault_text, faults_of
from distd.web.console.frame import current, page
from distd.web.console.links import address, of_computer, of_deployment, of_group
from distd.web.console.setting_words import unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.page import Page
    from distd.domain.parameters import Effective
    from distd.operations.operation import Asked
    from distd.origin.computers.computers import Detail
    from distd.origin.deployments.diagnoses import ToldCause
    from distd.origin.operators.events import LoggedEvent
    from distd.web.console.use_cases import UseCases

SOFTWARE_PAGE: Final = 100
MAX_EVENTS: Final = 8
TOLD: Final = tuple(kind for kind in Kind if kind is not Kind.INVENTORY)  # of which there is one a day, or more
MAX_CAUSES: Final = 5


@dataclass(frozen=True, slots=True)
class ShownComputer:
    """All that its page shows. `causes`: why its packages are where they are."""

    detail: Detail
    causes: list[ToldCause]
    parameters: dict[str, Effective]
    events: list[LoggedEvent]
    groups: list[str]


class ComputerPages:
    """/computers/{device_id} and what is below it."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/computers/<path:device_id>")
        async def computer(device_id: str) -> Response:
            return await self._show(device_id, {})

        @app.get("/computers/<path:device_id>/software")
        async def software_of_one(device_id: str) -> Response:
            return await self._show_software(device_id)

        @app.get("/computers/<path:device_id>/inventory.xml")
        async def inventory_of_one(device_id: str) -> Response:
            def read(conn: Connection, asked: Asked) -> bytes:
                return computers.read_document(conn, device_id, asked.actor)

            found = await self._use_cases.read(Act.COMPUTERS_READ, read)
            return Response(found, content_type="text/plain; charset=utf-8")  # shown as it is: nothing of it is run

        @app.post("/computers/<path:device_id>/parameters")
        async def set_parameters(device_id: str) -> Response | PlainResponse:
            form = await request.form
            return await self._set_parameters(device_id, {name: form.get(name, "") for name in PARAMETERS})

        @app.post("/computers/<path:device_id>/values")
        async def set_values_of_one(device_id: str) -> Response | PlainResponse:
            return await self._set_values(device_id, await request.form)

    async def _show(self, device_id: str, faults: Mapping[str, str], form: Mapping[str, str] | None = None) -> Response:
        found = await self._use_cases.read(Act.COMPUTERS_READ, partial(_read, device_id=device_id))
        own = {name: each for name, each in found.parameters.items() if each.origin == Level.COMPUTER}
        return await page(
            "computer.html",
            400 if faults else 200,
            **_common(found.detail),
            causes=found.causes,
            is_bad=any(cause.advice and str(cause.kind) not in GOES_ON for cause in found.causes[:1]),
            names={row.package_id: row.package_name for row in found.detail.assignments},
            parameters=found.parameters,
            own=own,
            unit_of=unit_of,
            ranges={name: (TABLE[name].low, TABLE[name].high) for name in PARAMETERS},
            on=ON,
            events=found.events,
            groups=[(name, of_group(name)) for name in found.groups],
            faults=faults,
            form=form or {},
            open_of={row.package_id for row in found.detail.assignments if row.result_at_s is None},
            link_of_deployment=of_deployment,
        )

    async def _show_software(self, device_id: str) -> Response:
        name = request.args.get("name", "").strip()
        window = read_window(SOFTWARE_PAGE, request.args.get("cursor") or None, computers.SOFTWARE_PLACE)

        def read(conn: Connection, asked: Asked) -> tuple[Detail, Page[Any]]:
            detail = computers.show(conn, device_id, asked.actor)
            return detail, computers.software_of(conn, device_id, name or None, window, asked.actor)

        detail, found = await self._use_cases.read(Act.COMPUTERS_READ, read)
        link = partial(address, f"{of_computer(device_id)}/software", {"name": name})
        return await page(
            "computer_software.html",
            **_common(detail),
            found=found,
            name=name,
            next=link(cursor=found.next) if found.next else "",
            first=link() if window.place is not None else "",
            search_link=_having,
        )

    async def _set_parameters(self, device_id: str, texts: dict[str, str]) -> Response | PlainResponse:
        try:
            values = read_values(texts)
        except BadInput as error:
            return await self._show(device_id, faults_of(error), texts)

        def write(conn: Connection, asked: Asked) -> None:
            parameters.set_values(conn, asked.actor, Subject(Level.COMPUTER, device_id), values, asked.now_s)

        await self._use_cases.write(Act.PARAMETERS_WRITE, write)
        return redirect(f"{of_computer(device_id)}#parameters", 303)

    async def _set_values(self, device_id: str, form: Mapping[str, str]) -> Response | PlainResponse:
        """The account info, and what of its identity an operator decides. What stays empty is as it was."""
        values: dict[str, str] = {}
        if form.get("key", "").strip():
            values[f"{computer_settings.ACCOUNT}{form['key'].strip()}"] = form.get("value", "")
        if form.get("known") == "yes":
            values["changed"] = ""
        if "networks" in form:
            values["networks"] = form["networks"]

        def write(conn: Connection, asked: Asked) -> None:
            if form.get("admit") == "yes":
                computer_settings.admit(conn, asked.actor, [device_id], asked.now_s)
            if values:
                computer_settings.change(conn, asked.actor, [device_id], values, asked.now_s)

        try:
            await self._use_cases.write(Act.COMPUTERS_WRITE, write)
        except BadInput as error:
            if error.field == "computers":
                raise
            name = "networks" if error.field == "networks" else "key"
            return await self._show(device_id, {name: fault_text(error)}, form)
        return redirect(f"{of_computer(device_id)}#values", 303)


def _read(conn: Connection, asked: Asked, device_id: str) -> ShownComputer:
    detail = computers.show(conn, device_id, asked.actor)
    context = read_context(asked.site.data, asked.site.settings)
    causes = diagnoses.why(conn, context, device_id, None, asked.now_s, asked.actor)
    if detail.assignments:  # they are listed, though none of them is to be deployed any more
        causes = [cause for cause in causes if cause.kind is not CauseKind.NOTHING_ASSIGNED]
    wanted = Wanted(device_id=device_id, kinds=TOLD, reader=asked.actor, audit=False)
    return ShownComputer(
        detail,
        diagnoses.tell(causes[:MAX_CAUSES], current().language.code),
        parameters.show(conn, asked.actor, asked.site.settings, Subject(Level.COMPUTER, device_id)),
        events.newest(conn, wanted, Window(MAX_EVENTS)).items,
        groups.names_of(conn, device_id),
    )


def _common(detail: Detail) -> dict[str, Any]:
    return {"detail": detail, "computer": detail.computer, "path": of_computer(detail.computer.device_id)}


def _having(name: str) -> str:
    """The computers that have this software, too."""
    return address("/computers", {"filter": f"software({quote_text(escape(name))})"})
