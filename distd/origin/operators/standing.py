"""Whether somebody who signed in a while ago would still be let in, and what it may by now: for what stays open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from distd.domain.actor import ActorKind
from distd.origin.operators import api_tokens, operators

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.permissions import OperatorRights


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may. `password_hash`: of an operator with a password here; another one is another sign-in."""

    access: OperatorRights
    password_hash: str = ""


def find_standing(conn: Connection, actor: Actor, now_s: float) -> Standing | None:
    """Of an operator or a token; None: it is no operator, or no token, any more, or has expired."""
    if actor.kind is ActorKind.TOKEN:
        token = api_tokens.find_named(conn, actor.name, now_s)
        return None if token is None else Standing(token.access)
    known = operators.find(conn, actor.name)
    return None if known is None else Standing(known.access, known.password_hash)
