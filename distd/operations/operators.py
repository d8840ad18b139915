"""Operators, and the log-ins of agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.operations.operation import Named, Operation, Way
from distd.origin.agents import logins
from distd.origin.agents.logins import MAX_PASSWORD_CHARACTERS, AgentLogin
from distd.origin.operators import operators
from distd.origin.operators.operators import Operator
from distd.wire.query import cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked

_Password = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD_CHARACTERS)]


@dataclass
class OperatorQuery:
    """Which page of them."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class OperatorPage(Page[Operator]):
    """Operators, by name."""


@dataclass(frozen=True, slots=True)
class AgentLoginPage(Page[AgentLogin]):
    """Log-ins of agents, by name."""


class OperatorRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new operator."""

    name: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 255})]
    password: _Password


class PasswordRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another password."""

    password: _Password


def _list(conn: Connection, _: Asked, query: OperatorQuery) -> OperatorPage:
    page = operators.list_operators(conn, read_window(query.limit, query.cursor, (str,)))
    return OperatorPage(page.items, page.next, page.total)


def _add(conn: Connection, asked: Asked, given: OperatorRequest) -> Operator:
    operators.create(conn, asked.actor, given.name, given.password, asked.now_s)
    return Operator(given.name)


def _set_password(conn: Connection, asked: Asked, name: str, given: PasswordRequest) -> Operator:
    operators.set_password(conn, asked.actor, name, given.password, asked.now_s)
    return Operator(name)


def _delete(conn: Connection, asked: Asked, name: str) -> Named:
    operators.delete(conn, asked.actor, name, asked.now_s)
    return Named(name)


def _list_logins(conn: Connection, _: Asked, query: OperatorQuery) -> AgentLoginPage:
    page = logins.list_logins(conn, read_window(query.limit, query.cursor, logins.PLACE))
    return AgentLoginPage(page.items, page.next, page.total)


def _put_login(conn: Connection, asked: Asked, name: str, given: PasswordRequest) -> Named:
    logins.put(conn, asked.actor, name, given.password, asked.now_s)
    return Named(name)


def _delete_login(conn: Connection, asked: Asked, name: str) -> Named:
    logins.delete(conn, asked.actor, name, asked.now_s)
    return Named(name)


LIST: Final = Operation(
    "list_operators",
    "GET",
    "/operators",
    "Operators, by name.",
    OperatorPage,
    _list,
    Act.OPERATORS_READ,
    query=OperatorQuery,
)
ADD: Final = Operation(
    "add_operator",
    "POST",
    "/operators",
    "Add an operator.",
    Operator,
    _add,
    Act.OPERATORS_WRITE,
    Way.WRITE,
    body=OperatorRequest,
    status=201,
    problems=(409,),
)
SET_PASSWORD: Final = Operation(
    "set_password",
    "PUT",
    "/operators/{name}/password",
    "Give an operator another password. The server may take the old one for another minute.",
    Operator,
    _set_password,
    Act.OPERATORS_WRITE,
    Way.WRITE,
    body=PasswordRequest,
)
DELETE: Final = Operation(
    "delete_operator",
    "DELETE",
    "/operators/{name}",
    "Delete an operator; the last one stays. The server may take the password for another minute.",
    Named,
    _delete,
    Act.OPERATORS_WRITE,
    Way.WRITE,
    problems=(409,),
)
LIST_LOGINS: Final = Operation(
    "list_agent_logins",
    "GET",
    "/agent-logins",
    "Names by which agents log in.",
    AgentLoginPage,
    _list_logins,
    Act.OPERATORS_READ,
    query=OperatorQuery,
)
PUT_LOGIN: Final = Operation(
    "put_agent_login",
    "PUT",
    "/agent-logins/{name}",
    "Add a name by which agents log in, or give it another password.",
    Named,
    _put_login,
    Act.OPERATORS_WRITE,
    Way.WRITE,
    body=PasswordRequest,
)
DELETE_LOGIN: Final = Operation(
    "delete_agent_login",
    "DELETE",
    "/agent-logins/{name}",
    "Agents can no longer log in by it.",
    Named,
    _delete_login,
    Act.OPERATORS_WRITE,
    Way.WRITE,
)
ALL: Final = (LIST, ADD, SET_PASSWORD, DELETE, LIST_LOGINS, PUT_LOGIN, DELETE_LOGIN)
