"""Tokens of the API, by which programs use it: the own ones, and for administrators those of all."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from distd.domain.actor import ActorKind
from distd.domain.api_tokens import DEFAULT_DAYS, MAX_DAYS, SECRET_BYTES
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act, Role, read_acts
from distd.domain.restriction import MAX_FILTER
from distd.operations.operation import Named, Operation, Way
from distd.origin.operators import api_tokens
from distd.origin.operators.api_tokens import ApiToken, NewToken
from distd.wire.query import cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked


@dataclass
class TokenQuery:
    """Which page of the tokens."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class TokenPage(Page[ApiToken]):
    """Tokens, by name."""


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A new token. `secret` is what its bearer sends; nothing else knows it."""

    token: ApiToken
    secret: str


class TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A new token: at most what its owner may. `acts`: only these; none: all that its role may, but for what concerns
    operators. `days`: for how long it is valid."""

    name: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 255})]
    role: Role = Role.VIEWER
    acts: Annotated[tuple[Act, ...], Meta(max_length=len(Act))] = ()
    filter: Annotated[str, Meta(extra_json_schema={"maxLength": MAX_FILTER})] = ""
    days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS


def _list(conn: Connection, asked: Asked, query: TokenQuery) -> TokenPage:
    window = read_window(query.limit, query.cursor, api_tokens.PLACE)
    page = api_tokens.list_tokens(conn, window, _owner(conn, asked))
    return TokenPage(page.items, page.next, page.total)


def _add(conn: Connection, asked: Asked, given: TokenRequest) -> AddedToken:
    new = NewToken(given.name, given.role, read_acts(given.acts), given.filter, given.days)
    secret = api_tokens.create(conn, asked.actor, new, secrets.token_bytes(SECRET_BYTES), asked.now_s)
    return AddedToken(api_tokens.show(conn, new.name), secret)


def _revoke(conn: Connection, asked: Asked, name: str) -> Named:
    api_tokens.revoke(conn, asked.actor, name, asked.now_s, _owner(conn, asked))
    return Named(name)


def _owner(conn: Connection, asked: Asked) -> str | None:
    """Whose tokens may be seen and revoked; None: everybody's."""
    if asked.access.role is Role.ADMINISTRATOR and not asked.access.filter:
        return None
    name = asked.actor.name
    return api_tokens.show(conn, name).owner if asked.actor.kind is ActorKind.TOKEN else name


LIST: Final = Operation(
    "list_tokens",
    "GET",
    "/tokens",
    "The own tokens, by name; administrators see all.",
    TokenPage,
    _list,
    Act.TOKENS_READ,
    query=TokenQuery,
)
ADD: Final = Operation(
    "add_token",
    "POST",
    "/tokens",
    "Add a token that acts for who asks.",
    AddedToken,
    _add,
    Act.TOKENS_WRITE,
    Way.WRITE,
    body=TokenRequest,
    status=201,
    problems=(409,),
    keyed=True,
    secret=True,
)
REVOKE: Final = Operation(
    "revoke_token",
    "DELETE",
    "/tokens/{token}",
    "Revoke a token: from now on it is nobody's.",
    Named,
    _revoke,
    Act.TOKENS_WRITE,
    Way.WRITE,
)
ALL: Final = (LIST, ADD, REVOKE)
