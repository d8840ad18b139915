"""The pages of operators: the list, a new one, and one with its role, its restriction and its password."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict
from distd.domain.permissions import Act, Role, read_role
from distd.domain.sign_in import SignInSource
from distd.operations import operators as operations
from distd.operations.operators import OperatorChange, OperatorQuery, OperatorRequest
from distd.origin.operators.operators import MAX_PASSWORD, check_password
from distd.web.console.faults import fault_status, fault_text
from distd.web.console.frame import current, page
from distd.web.console.links import address, of_operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.wrappers import Response as PlainResponse

    from distd.web.console.operations import ConsoleOperations

PATH: Final = "/operators"
PAGE_SIZE: Final = 50


class OperatorPages:
    """/operators and what is below it."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get(PATH)
        async def operators() -> Response:
            return await self._list({}, {})

        @app.post(PATH)
        async def add_operator() -> Response:
            self._asked.demand(Act.OPERATORS_WRITE)
            form = await request.form
            try:
                added = await self._asked.do(operations.ADD, given=_new(form))
            except (BadInput, Conflict) as error:
                return await self._list(form, {error.field: fault_text(error)}, fault_status(error))
            return await page("operator_added.html", added=added, path=of_operator(added.operator.name))

        @app.get(f"{PATH}/<name>")
        async def operator(name: str) -> Response:
            return await self._show(name)

        @app.post(f"{PATH}/<name>/<any(role,password,delete):act>")
        async def change_operator(name: str, act: str) -> Response | PlainResponse:
            self._asked.demand(Act.OPERATORS_WRITE)
            form = await request.form
            try:
                if act == "delete":
                    await self._asked.do(operations.DELETE, name)
                    return redirect(PATH, 303)
                await self._asked.do(operations.CHANGE, name, given=CHANGES[act](form))
            except (BadInput, Conflict) as error:
                return await self._show(name, act, form, {error.field: fault_text(error)}, fault_status(error))
            return redirect(address(of_operator(name), {"done": act}), 303)

    async def _list(self, form: Mapping[str, str], faults: Mapping[str, str], status: int = 200) -> Response:
        query = OperatorQuery(PAGE_SIZE, request.args.get("cursor") or None)
        found = await self._asked.do(operations.LIST, given=query)
        link = partial(address, PATH, {})
        return await page(
            "operators.html",
            status,
            found=found,
            next=link(cursor=found.next) if found.next else "",
            first=link() if query.cursor else "",
            link_of=of_operator,
            roles=list(Role),
            form=form,
            faults=faults,
        )

    async def _show(
        self,
        name: str,
        act: str = "",
        form: Mapping[str, str] | None = None,
        faults: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        """`act`: the form that was sent, with what is wrong with it."""
        found = await self._asked.do(operations.SHOW, name)
        return await page(
            "operator.html",
            status,
            operator=found,
            path=of_operator(found.name),
            is_local=found.source == SignInSource.LOCAL,
            is_oneself=found.name == current().operator,
            roles=list(Role),
            max_password=MAX_PASSWORD,
            act=act,
            form=form or {"role": found.role, "filter": found.filter},
            faults=faults or {},
            done=request.args.get("done", ""),
        )


def _new(form: Mapping[str, str]) -> OperatorRequest:
    """Raises `BadInput`."""
    password = form.get("password", "")
    if password:
        check_password(password)
    return OperatorRequest(
        form.get("name", "").strip(), read_role(form.get("role", "")), form.get("filter", "").strip(), password or None
    )


def _role(form: Mapping[str, str]) -> OperatorChange:
    return OperatorChange(role=read_role(form.get("role", "")), filter=form.get("filter", "").strip())


def _password(form: Mapping[str, str]) -> OperatorChange:
    password = form.get("password", "")
    check_password(password)
    return OperatorChange(password=password)


CHANGES: Final[Mapping[str, Any]] = {"role": _role, "password": _password}
