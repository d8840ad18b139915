"""The API's operators: who may use it, with which role; and the own password."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart_schema import validate_response

from distd.domain.actor import ActorKind
from distd.domain.errors import BadInput
from distd.domain.page import read_window
from distd.domain.permissions import Act, Role
from distd.domain.restriction import MAX_FILTER
from distd.origin.operators import operators
from distd.origin.operators.operators import MAX_PASSWORD, Grant, Operator
from distd.web.api.auth import acting_operator, needs
from distd.web.api.bodies import read_json
from distd.web.api.description import answers
from distd.web.api.queries import cursor_parameter, limit_parameter, takes
from distd.wire.structs import convert

if TYPE_CHECKING:
    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.web.api.auth import Logins

PASSWORD_BYTES: Final = 12  # of one that is made here

Password = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD)]
FilterText = Annotated[str, Meta(max_length=MAX_FILTER)]


@dataclass
class OperatorQuery:
    """Which page of the operators."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class OperatorPage:
    """Operators, by name."""

    items: list[Operator]
    next: str | None
    total: int


@dataclass
class AddedOperator:
    """A new operator. `password`: the one that was made, which nothing else knows; null: it was given."""

    operator: Operator
    password: str | None


@dataclass
class DeletedOperator:
    """The name of the operator that there was."""

    name: str


@dataclass
class ChangedPassword:
    """The name of the operator that has another password now."""

    name: str


class OperatorRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new operator. Without a `password` one is made. `filter`: only with computers that match it."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    role: Role = Role.OPERATOR
    filter: FilterText = ""
    password: Password | None = None


class OperatorChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different; what is left out stays."""

    role: Role | UnsetType = UNSET
    filter: FilterText | UnsetType = UNSET
    password: Password | UnsetType = UNSET


class PasswordRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The own password, and the one that is to be in its place."""

    current: Password
    new: Password


class OperatorRoutes:
    """List, add, show, change, delete; the own password."""

    def __init__(self, reader: Reader, writer: Writer, logins: Logins) -> None:
        self._reader = reader
        self._writer = writer
        self._logins = logins

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""
        self._add_reading(app)
        self._add_writing(app)
        self._add_own(app)

    def _add_reading(self, app: QuartTrio) -> None:
        @app.get("/api/v1/operators")
        @needs(Act.OPERATORS_READ)
        @takes(OperatorQuery)
        @validate_response(OperatorPage)
        async def list_operators(query_args: OperatorQuery) -> Any:
            """Operators, by name."""
            window = read_window(query_args.limit, query_args.cursor, operators.PLACE)
            page = await self._reader.run(partial(operators.list_operators, window=window))
            return OperatorPage(page.items, page.next, page.total)

        @app.get("/api/v1/operators/<operator>")
        @needs(Act.OPERATORS_READ)
        @validate_response(Operator)
        async def show_operator(operator: str) -> Any:
            """One operator."""
            return await self._reader.run(partial(operators.show, name=operator))

    def _add_writing(self, app: QuartTrio) -> None:
        @app.post("/api/v1/operators")
        @needs(Act.OPERATORS_WRITE)
        @answers(AddedOperator, body=OperatorRequest, problems=(400, 409, 413, 415))
        async def add_operator() -> Any:
            """Add an operator."""
            wanted = convert(await read_json(), OperatorRequest, "body")
            made = secrets.token_urlsafe(PASSWORD_BYTES) if wanted.password is None else None
            hashed = await self._logins.hash_password(wanted.password or made or "")
            actor, grant, now_s = acting_operator(), Grant(wanted.role, wanted.filter), time.time()

            def add(conn: Connection) -> Operator:
                operators.create_hashed(conn, actor, wanted.name, hashed, now_s, grant)
                return operators.show(conn, wanted.name)

            return AddedOperator(await self._writer.run(add), made)

        @app.patch("/api/v1/operators/<operator>")
        @needs(Act.OPERATORS_WRITE)
        @answers(Operator, body=OperatorChange, problems=(400, 409, 413, 415))
        async def change_operator(operator: str) -> Any:
            """Give an operator another role, another filter, another password."""
            wanted = convert(await read_json(), OperatorChange, "body")
            role = None if isinstance(wanted.role, UnsetType) else wanted.role
            filter_ = None if isinstance(wanted.filter, UnsetType) else wanted.filter
            is_set = not isinstance(wanted.password, UnsetType)
            hashed = await self._logins.hash_password(wanted.password) if is_set else ""  # type: ignore[arg-type]
            actor, now_s = acting_operator(), time.time()

            def change(conn: Connection) -> Operator:
                if hashed:
                    operators.set_hashed_password(conn, actor, operator, hashed, now_s)
                return operators.change(conn, actor, operator, now_s, role=role, filter_=filter_)

            return await self._writer.run(change)

        @app.delete("/api/v1/operators/<operator>")
        @needs(Act.OPERATORS_WRITE)
        @answers(DeletedOperator, problems=(409,))
        async def delete_operator(operator: str) -> Any:
            """Delete an operator and its tokens; the last administrator with a password here stays."""
            actor = acting_operator()
            await self._writer.run(partial(operators.delete, actor=actor, name=operator, now_s=time.time()))
            return DeletedOperator(operator)

    def _add_own(self, app: QuartTrio) -> None:
        @app.post("/api/v1/password")
        @needs(Act.PASSWORD_CHANGE)
        @answers(ChangedPassword, body=PasswordRequest, problems=(409, 413, 415, 429))
        async def change_password() -> Any:
            """Change the own password."""
            wanted = convert(await read_json(), PasswordRequest, "body")
            actor = acting_operator()
            assert actor.kind is ActorKind.OPERATOR
            if not await self._logins.is_password(actor.name, wanted.current, actor.address):
                raise BadInput("current", "your present password", "another one")
            hashed = await self._logins.hash_password(wanted.new)
            change = partial(operators.set_hashed_password, actor=actor, name=actor.name, hashed=hashed)
            await self._writer.run(partial(change, now_s=time.time()))
            return ChangedPassword(actor.name)
