"""Pages of what is done to chosen computers: assign a package, set values, delete. Each says first whom it touches."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.assignment_terms import Terms, read_moment, read_schedule
from distd.domain.errors import BadInput, Conflict
from distd.domain.page import Window
from distd.domain.permissions import Act
from distd.operations.deployments import schedules
from distd.origin.computers import computer_settings, computers
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.packages import overview
from distd.origin.packages.overview import WantedPackages
from distd.web.console.chosen_computers import read_chosen
from distd.web.console.faults import faults_of
from distd.web.console.frame import page
from distd.web.console.links import address, of_computer, of_deployment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as PlainResponse

    from distd.operations.operation import Asked
    from distd.origin.deployments.assignments import Assigned
    from distd.origin.packages.overview import ListedPackage
    from distd.web.console.chosen_computers import ChosenComputers, ChosenNow
    from distd.web.console.use_cases import UseCases

MAX_PACKAGES: Final = 1000  # that can be chosen from, the newest
MAX_SET: Final = 5000  # computers whose values are set at once
MAX_KEYS: Final = 4
FLAGS: Final = ("force", "any_os", "skip_unfit")
TEXTS: Final = ("package", "schedule", "postcmd", "not_before", "not_after", "after")


class ComputerBatchPages:
    """/assign, /computer-values, /computer-deletions."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/assign")
        async def ask_package() -> Response:
            return await self._ask_package(await read_chosen(), {"skip_unfit": "yes"} | request.args)

        @app.post("/assign")
        async def assign() -> Response | PlainResponse:
            form = await request.form
            if form.get("step") != "do":
                return await self._ask_package(await read_chosen(), form)
            return await self._assign(await read_chosen(), form)

        @app.post("/computer-values")
        async def set_values() -> Response | PlainResponse:
            form = await request.form
            return await self._set_values(await read_chosen(), form, do=form.get("step") == "do")

        @app.post("/computer-deletions")
        async def delete() -> Response | PlainResponse:
            form = await request.form
            return await self._delete(await read_chosen(), do=form.get("step") == "do")

    async def _ask_package(
        self, chosen: ChosenComputers, form: Mapping[str, str], error: BadInput | Conflict | None = None
    ) -> Response:
        """The form; with a package also what would be done."""
        tried: Assigned | None = None
        if form.get("package") and error is None:
            try:
                tried = await self._use_cases.read(Act.DEPLOYMENTS_WRITE, partial(_try, chosen=chosen, form=form))
            except (BadInput, Conflict) as found:
                error = found

        def load(conn: Connection, asked: Asked) -> tuple[list[ListedPackage], ChosenNow]:
            active = overview.list_packages(conn, WantedPackages(None, True), Window(MAX_PACKAGES)).items
            return active, chosen.count(conn, asked)

        packages, count = await self._use_cases.read(Act.DEPLOYMENTS_WRITE, load)
        values: dict[str, Any] = {name: form.get(name, "").strip() for name in TEXTS}
        values |= {name: form.get(name) == "yes" for name in FLAGS}
        values["skip_unfit"] |= not form.get("package")
        return await page(
            "assign.html",
            200 if error is None else 409 if isinstance(error, Conflict) else 400,
            chosen=chosen,
            count=count,
            packages=packages,
            values=values,
            tried=tried,
            faults=_faults(error),
            known=(*TEXTS, *FLAGS),
        )

    async def _assign(self, chosen: ChosenComputers, form: Mapping[str, str]) -> Response | PlainResponse:
        def assign(conn: Connection, asked: Asked) -> Assigned:
            return assignments.assign(conn, asked.actor, _request(conn, asked, chosen, form), asked.now_s)

        try:
            done = await self._use_cases.write(Act.DEPLOYMENTS_WRITE, assign)
        except (BadInput, Conflict) as error:
            return await self._ask_package(chosen, form, error)
        if chosen.device_ids and len(chosen.device_ids) == 1:
            return redirect(of_computer(chosen.device_ids[0]), 303)
        told = {"said": "assigned", "n": len(done.assigned)}
        return redirect(address(of_deployment(form["package"]), told), 303)

    async def _set_values(
        self, chosen: ChosenComputers, form: Mapping[str, str], *, do: bool
    ) -> Response | PlainResponse:
        pairs = [(form.get(f"key{at}", "").strip(), form.get(f"value{at}", "").strip()) for at in range(MAX_KEYS)]
        values = {"tag": form.get("tag", "").strip()} if form.get("tag", "").strip() else {}
        values |= {f"{computer_settings.ACCOUNT}{key}": value for key, value in pairs if key}
        error: BadInput | None = None

        def set_all(conn: Connection, asked: Asked) -> int:
            found = chosen.find(conn, asked)
            if len(found) > MAX_SET:
                raise BadInput("computers", f"at most {MAX_SET} at once", len(found), "take a narrower filter")
            computer_settings.change(conn, asked.actor, found, values, asked.now_s)
            return len(found)

        if do:
            try:
                if not values:
                    raise BadInput("tag", "a TAG, or another value", "nothing")
                count = await self._use_cases.write(Act.COMPUTERS_WRITE, set_all)
                return _back(chosen, "set", count)
            except BadInput as found:
                error = found
        named = await self._use_cases.read(Act.COMPUTERS_WRITE, chosen.count)
        return await page(
            "computer_values.html",
            200 if error is None else 400,
            chosen=chosen,
            count=named,
            tag=form.get("tag", ""),
            pairs=pairs,
            faults=_faults(error),
        )

    async def _delete(self, chosen: ChosenComputers, *, do: bool) -> Response | PlainResponse:
        def delete(conn: Connection, asked: Asked) -> int:
            found = chosen.find(conn, asked)
            computers.delete(conn, asked.actor, found, asked.now_s)
            return len(found)

        if do:
            return _back(chosen, "deleted", await self._use_cases.write(Act.COMPUTERS_WRITE, delete))
        count = await self._use_cases.read(Act.COMPUTERS_WRITE, chosen.count)
        return await page("computer_deletion.html", chosen=chosen, count=count)


def _request(conn: Connection, asked: Asked, chosen: ChosenComputers, form: Mapping[str, str]) -> AssignmentRequest:
    found = chosen.find(conn, asked)
    now = datetime.fromtimestamp(asked.now_s)  # noqa: DTZ006 - local, as agents take it
    terms = Terms(
        form.get("force") == "yes",
        read_schedule(form.get("schedule", "").strip(), now),
        form.get("postcmd", "").strip(),
        form.get("any_os") == "yes",
        read_moment(form.get("not_before", "").strip(), now, "not_before"),
        read_moment(form.get("not_after", "").strip(), now, "not_after"),
        form.get("after", "").strip() or None,
    )
    return AssignmentRequest(
        form.get("package", ""),
        found,
        terms,
        chosen.origin,
        skip_had=True,
        skip_unfit=form.get("skip_unfit") == "yes",
        config_of=schedules(conn, asked, found),
    )


def _try(conn: Connection, asked: Asked, *, chosen: ChosenComputers, form: Mapping[str, str]) -> Assigned:
    return assignments.preview(conn, _request(conn, asked, chosen, form), asked.now_s, asked.actor)


def _back(chosen: ChosenComputers, said: str, count: int) -> PlainResponse:
    return redirect(
        address("/computers", {"filter": chosen.filter, "show": chosen.show, "said": said, "n": count}), 303
    )


def _faults(error: BadInput | Conflict | None) -> dict[str, str]:
    return {} if error is None else faults_of(error)
