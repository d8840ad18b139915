"""The API's tokens, by which programs use it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta
from quart_schema import validate_response

from distd.domain.api_tokens import DEFAULT_DAYS, MAX_DAYS, SECRET_BYTES
from distd.domain.page import read_window
from distd.domain.permissions import Act, Role, read_acts
from distd.domain.restriction import MAX_FILTER
from distd.origin.operators import api_tokens
from distd.origin.operators.api_tokens import ApiToken, NewToken  # noqa: TC001 - the API looks at the fields
from distd.web.api.auth import acting_operator, needs, signed_in
from distd.web.api.bodies import read_json
from distd.web.api.description import answers
from distd.web.api.queries import cursor_parameter, limit_parameter, takes
from distd.wire.structs import convert

if TYPE_CHECKING:
    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer


@dataclass
class TokenQuery:
    """Which page of the tokens."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class TokenPage:
    """Tokens, by name."""

    items: list[ApiToken]
    next: str | None
    total: int


@dataclass
class AddedToken:
    """A new token. `secret` is what its bearer sends; nothing else knows it."""

    token: ApiToken
    secret: str


@dataclass
class RevokedToken:
    """The name of the token that there was."""

    name: str


class TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new token: at most what its owner may. `acts`: only these; none: all that its role may, but for what concerns
    operators. `days`: for how long it is valid."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    role: Role = Role.VIEWER
    acts: Annotated[list[Act], Meta(max_length=len(Act))] = []
    filter: Annotated[str, Meta(max_length=MAX_FILTER)] = ""
    days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS


class TokenRoutes:
    """List, add, revoke: the own ones, and for administrators those of all."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.get("/api/v1/tokens")
        @needs(Act.TOKENS_READ)
        @takes(TokenQuery)
        @validate_response(TokenPage)
        async def list_tokens(query_args: TokenQuery) -> Any:
            """The own tokens, by name; administrators see all."""
            window = read_window(query_args.limit, query_args.cursor, api_tokens.PLACE)
            page = await self._reader.run(partial(api_tokens.list_tokens, window=window, owner=_owner()))
            return TokenPage(page.items, page.next, page.total)

        @app.post("/api/v1/tokens")
        @needs(Act.TOKENS_WRITE)
        @answers(AddedToken, body=TokenRequest, problems=(409, 413, 415))
        async def add_token() -> Any:
            """Add a token that acts for who asks."""
            wanted = convert(await read_json(), TokenRequest, "body")
            new = NewToken(wanted.name, wanted.role, read_acts(wanted.acts), wanted.filter, wanted.days)
            actor, secret, now_s = acting_operator(), secrets.token_bytes(SECRET_BYTES), time.time()

            def add(conn: Connection) -> AddedToken:
                token = api_tokens.create(conn, actor, new, secret, now_s)
                return AddedToken(api_tokens.show(conn, new.name), token)

            return await self._writer.run(add)

        @app.delete("/api/v1/tokens/<token>")
        @needs(Act.TOKENS_WRITE)
        @answers(RevokedToken)
        async def revoke_token(token: str) -> Any:
            """Revoke a token: from now on it is nobody's."""
            revoke = partial(api_tokens.revoke, actor=acting_operator(), name=token, owner=_owner())
            await self._writer.run(partial(revoke, now_s=time.time()))
            return RevokedToken(token)


def _owner() -> str | None:
    """Whose tokens may be seen and revoked; None: everybody's."""
    asking = signed_in()
    is_administrator = asking.access.role is Role.ADMINISTRATOR and not asking.access.filter
    return None if is_administrator else asking.actor.name
