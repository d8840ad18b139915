"""Operators: who may use the API, with which role; and the log-ins of agents."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from distd.domain.page import Page, read_window
from distd.domain.permissions import Act, Role
from distd.domain.restriction import MAX_FILTER
from distd.operations.operation import Named, Operation, Way
from distd.origin.agents import logins
from distd.origin.agents.logins import MAX_PASSWORD_CHARACTERS, AgentLogin
from distd.origin.operators import operators
from distd.origin.operators.operators import MAX_PASSWORD, Grant, Operator
from distd.wire.query import cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked

PASSWORD_BYTES: Final = 12  # of one that is made here

_Password = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD)]
_AgentPassword = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD_CHARACTERS)]
_Filter = Annotated[str, Meta(extra_json_schema={"maxLength": MAX_FILTER})]


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


@dataclass(frozen=True, slots=True)
class AddedOperator:
    """A new operator. `password`: the one that was made, which nothing else knows; null: it was given."""

    operator: Operator
    password: str | None


class OperatorRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A new operator. Without a `password` one is made. `filter`: only with computers that match it."""

    name: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 255})]
    role: Role = Role.OPERATOR
    filter: _Filter = ""
    password: _Password | None = None


class OperatorChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different; what is left out stays."""

    role: Role | UnsetType = UNSET
    filter: _Filter | UnsetType = UNSET
    password: _Password | UnsetType = UNSET


class AgentPasswordRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By which password agents log in."""

    password: _AgentPassword


def _list(conn: Connection, _: Asked, query: OperatorQuery) -> OperatorPage:
    page = operators.list_operators(conn, read_window(query.limit, query.cursor, operators.PLACE))
    return OperatorPage(page.items, page.next, page.total)


def _show(conn: Connection, _: Asked, name: str) -> Operator:
    return operators.show(conn, name)


def _add(asked: Asked, given: OperatorRequest) -> AddedOperator:
    made = secrets.token_urlsafe(PASSWORD_BYTES) if given.password is None else None
    hashed = operators.hash_password(given.password or made or "")  # takes a while: before the transaction
    with asked.site.catalogue.write() as conn:
        grant = Grant(given.role, given.filter)
        operators.create_hashed(conn, asked.actor, given.name, hashed, asked.now_s, grant)
        return AddedOperator(operators.show(conn, given.name), made)


def _change(asked: Asked, name: str, given: OperatorChange) -> Operator:
    role = None if isinstance(given.role, UnsetType) else given.role
    filter_ = None if isinstance(given.filter, UnsetType) else given.filter
    hashed = None if isinstance(given.password, UnsetType) else operators.hash_password(given.password)
    with asked.site.catalogue.write() as conn:
        if hashed is not None:
            operators.set_hashed_password(conn, asked.actor, name, hashed, asked.now_s)
        return operators.change(conn, asked.actor, name, asked.now_s, role=role, filter_=filter_)


def _delete(conn: Connection, asked: Asked, name: str) -> Named:
    operators.delete(conn, asked.actor, name, asked.now_s)
    return Named(name)


def _list_logins(conn: Connection, _: Asked, query: OperatorQuery) -> AgentLoginPage:
    page = logins.list_logins(conn, read_window(query.limit, query.cursor, logins.PLACE))
    return AgentLoginPage(page.items, page.next, page.total)


def _put_login(conn: Connection, asked: Asked, name: str, given: AgentPasswordRequest) -> Named:
    logins.put(conn, asked.actor, name, given.password, asked.now_s)
    return Named(name)


def _delete_login(conn: Connection, asked: Asked, name: str) -> Named:
    logins.delete(conn, asked.actor, name, asked.now_s)
    return Named(name)


_ONE: Final = "/operators/{operator}"

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
SHOW: Final = Operation("show_operator", "GET", _ONE, "One operator.", Operator, _show, Act.OPERATORS_READ)
ADD: Final = Operation(
    "add_operator",
    "POST",
    "/operators",
    "Add an operator.",
    AddedOperator,
    _add,
    Act.OPERATORS_WRITE,
    Way.WORK,
    body=OperatorRequest,
    status=201,
    problems=(409,),
)
CHANGE: Final = Operation(
    "change_operator",
    "PATCH",
    _ONE,
    "Give an operator another role, another filter, another password: at once.",
    Operator,
    _change,
    Act.OPERATORS_WRITE,
    Way.WORK,
    body=OperatorChange,
    problems=(409,),
)
DELETE: Final = Operation(
    "delete_operator",
    "DELETE",
    _ONE,
    "Delete an operator and its tokens; the last administrator with a password here stays.",
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
    body=AgentPasswordRequest,
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
ALL: Final = (LIST, SHOW, ADD, CHANGE, DELETE, LIST_LOGINS, PUT_LOGIN, DELETE_LOGIN)
