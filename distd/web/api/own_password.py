"""The API's route for the own password: it checks the present one as the sign-in does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from distd.domain.actor import ActorKind
from distd.domain.errors import BadInput
from distd.domain.permissions import Act
from distd.origin.operators import operators
from distd.origin.operators.operators import MAX_PASSWORD
from distd.web.api.auth import acting_operator, needs
from distd.web.api.bodies import read_body
from distd.web.api.description import answers

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.writer import Writer
    from distd.web.api.auth import Logins

Password = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD)]


@dataclass
class ChangedPassword:
    """The name of the operator that has another password now."""

    name: str


class PasswordRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The own password, and the one that is to be in its place."""

    current: Password
    new: Password


class OwnPasswordRoutes:
    """Change the own password."""

    def __init__(self, writer: Writer, logins: Logins) -> None:
        self._writer = writer
        self._logins = logins

    def add_to(self, app: QuartTrio) -> None:
        """Add the route."""

        @app.post("/api/v1/password")
        @needs(Act.PASSWORD_CHANGE)
        @answers(ChangedPassword, body=PasswordRequest, problems=(409, 413, 415, 429))
        async def change_password() -> Any:
            """Change the own password."""
            wanted = await read_body(PasswordRequest)
            actor = acting_operator()
            assert actor.kind is ActorKind.OPERATOR
            if not await self._logins.is_password(actor.name, wanted.current, actor.address):
                raise BadInput("current", "your present password", "another one")
            hashed = await self._logins.hash_password(wanted.new)
            change = partial(operators.set_hashed_password, actor=actor, name=actor.name, hashed=hashed)
            await self._writer.run(partial(change, now_s=time.time()))
            return ChangedPassword(actor.name)
