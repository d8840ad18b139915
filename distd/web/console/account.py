"""/account: who is signed in, what it may, where else it is signed in; another password of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict, Unavailable
from distd.domain.permissions import Act
from distd.domain.sign_in import SignInSource
from distd.origin.operators import operators, sessions
from distd.origin.operators.operators import MAX_PASSWORD, check_password
from distd.web.console.browsers import browser_name
from distd.web.console.faults import fault_status, faults_of
from distd.web.console.frame import current, now_s, page
from distd.web.console.sign_in import open_session

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as PlainResponse

    from distd.domain.errors import DistdError
    from distd.origin.operators.operators import Operator
    from distd.origin.operators.sessions import ConsoleSession
    from distd.web.console.operations import ConsoleOperations

PATH: Final = "/account"
DONE: Final = ("password", "others")


class OwnPassword(Protocol):
    """What knows the passwords that are kept here."""

    async def is_password(self, name: str, password: str, address: str) -> bool:
        """Whether it is that of an operator. Raises `Unavailable` where too many are tried."""

    async def hash_password(self, password: str) -> str:
        """What is kept of a password."""


class AccountPages:
    """That page, and what is done on it."""

    def __init__(self, asked: ConsoleOperations, passwords: OwnPassword) -> None:
        self._asked = asked
        self._passwords = passwords

    def add_to(self, app: QuartTrio) -> None:
        """Add them."""

        @app.get(PATH)
        async def account() -> Response:
            return await self._show()

        @app.post(f"{PATH}/password")
        async def change_own_password() -> Response | PlainResponse:
            form = await request.form
            try:
                return await self._change(form.get("current", ""), form.get("password", ""))
            except (BadInput, Conflict) as error:
                return await self._show(error, fault_status(error))
            except Unavailable as error:
                return await self._show(error, 429)

        @app.post(f"{PATH}/sign-out-others")
        async def sign_out_others() -> PlainResponse:
            await self._asked.writer.run(partial(sessions.close_others, kept=_session()))
            return redirect(f"{PATH}?done=others", 303)

    async def _change(self, known: str, wanted: str) -> PlainResponse:
        """Whoever has found a browser open has not the password yet. All other sessions end; this one is a new one."""
        actor = self._asked.demand(Act.PASSWORD_CHANGE).actor
        check_password(wanted)
        if len(known) > MAX_PASSWORD or not await self._passwords.is_password(actor.name, known, actor.address):
            raise BadInput("current", "your present password", "another one")
        hashed = await self._passwords.hash_password(wanted)
        change = partial(operators.set_hashed_password, actor=actor, name=actor.name, hashed=hashed, now_s=now_s())
        await self._asked.writer.run(change)
        return await open_session(self._asked.writer, actor.name, f"{PATH}?done=password")

    async def _show(self, error: DistdError | None = None, status: int = 200) -> Response:
        mine = _session()

        def read(conn: Connection) -> tuple[Operator, list[ConsoleSession]]:
            return operators.show(conn, mine.operator), sessions.list_open(conn, mine.operator)

        operator, opened = await self._asked.reader.run(read)
        done = request.args.get("done", "")
        return await page(
            "account.html",
            status,
            operator=operator,
            is_local=operator.source == SignInSource.LOCAL,
            opened=opened,
            own_id=mine.id,
            browser_name=browser_name,
            max_password=MAX_PASSWORD,
            faults=faults_of(error),
            done=done if done in DONE else "",
        )


def _session() -> ConsoleSession:
    session = current().session
    assert session is not None
    return session
