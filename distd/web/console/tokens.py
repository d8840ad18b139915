"""/tokens: tokens of the API, by which programs act for an operator."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quart import redirect, request

from distd.domain.api_tokens import DEFAULT_DAYS, MAX_DAYS
from distd.domain.errors import BadInput, Conflict
from distd.domain.permissions import TABLE, Act, Role, least, read_acts, read_role
from distd.domain.units import parse_integer
from distd.operations import tokens as operations
from distd.operations.tokens import TokenQuery, TokenRequest
from distd.web.console.faults import fault_status, fault_text
from distd.web.console.frame import current, page
from distd.web.console.links import address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as PlainResponse

    from distd.web.console.operations import ConsoleOperations, OwnServers

PATH: Final = "/tokens"
PAGE_SIZE: Final = 50


class TokenPages:
    """The list, with a form for a new one."""

    def __init__(self, asked: ConsoleOperations, own_servers: OwnServers) -> None:
        self._asked = asked
        self._own_servers = own_servers

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get(PATH)
        async def tokens() -> Response:
            return await self._list({}, (), {})

        @app.post(PATH)
        async def add_token() -> Response:
            self._asked.demand(Act.TOKENS_WRITE)
            form = await request.form
            try:
                added = await self._asked.do(operations.ADD, given=_request(form))
            except (BadInput, Conflict) as error:
                faults = {error.field: fault_text(error)}
                return await self._list(form, form.getlist("act"), faults, fault_status(error))
            base = f"https://{self._own_servers()[1]}/api/v1"
            return await page("token_added.html", added=added, base=base)

        @app.post(f"{PATH}/revoke")
        async def revoke_token() -> PlainResponse:
            await self._asked.do(operations.REVOKE, (await request.form).get("name", ""))
            return redirect(PATH, 303)

    async def _list(
        self, form: Mapping[str, str], acts: object, faults: Mapping[str, str], status: int = 200
    ) -> Response:
        query = TokenQuery(PAGE_SIZE, request.args.get("cursor") or None)
        found = await self._asked.do(operations.LIST, given=query)
        link = partial(address, PATH, {})
        access = current().access
        own = access.role if access else Role.VIEWER
        return await page(
            "tokens.html",
            status,
            found=found,
            next=link(cursor=found.next) if found.next else "",
            first=link() if query.cursor else "",
            roles=[role for role in Role if least(role, own) is role],
            acts=[
                act
                for act in Act
                if TABLE[act].by_token is not False and least(TABLE[act].role, own) is TABLE[act].role
            ],
            chosen=acts,
            default_days=DEFAULT_DAYS,
            max_days=MAX_DAYS,
            form=form,
            faults=faults,
        )


def _request(form: MultiDict[str, str]) -> TokenRequest:
    """Raises `BadInput`."""
    days = parse_integer(form.get("days", "").strip(), "days", 1, MAX_DAYS)
    return TokenRequest(
        form.get("name", "").strip(),
        read_role(form.get("role", "")),
        tuple(sorted(read_acts(form.getlist("act")))),
        form.get("filter", "").strip(),
        days,
    )
