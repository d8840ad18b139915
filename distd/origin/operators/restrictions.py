"""To which computers somebody is restricted: `visible` is what every use case asks that names or lists computers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, false, select, true

from distd.catalogue.access_schema import api_tokens
from distd.catalogue.schema import computers, operators
from distd.domain.actor import ActorKind
from distd.domain.restriction import read_tags

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from distd.domain.actor import Actor


def visible(conn: Connection, actor: Actor) -> ColumnElement[bool]:
    """The condition on `computers` that those fulfil which `actor` may see and change.

    Commands on this machine and the server itself see all; somebody who is no operator, or no token, any more sees
    none.
    """
    match actor.kind:
        case ActorKind.OPERATOR:
            return _condition(conn.scalar(select(operators.c.filter).where(operators.c.name == actor.name)))
        case ActorKind.TOKEN:
            row = conn.execute(
                select(api_tokens.c.filter, api_tokens.c.owner).where(api_tokens.c.name == actor.name)
            ).one_or_none()
            if row is None:
                return false()
            if not row.owner:
                return _condition(row.filter)
            owner = conn.scalar(select(operators.c.filter).where(operators.c.name == row.owner))
            return and_(_condition(row.filter), _condition(owner))
        case _:
            return true()


def is_restricted(conn: Connection, actor: Actor) -> bool:
    """Whether there may be computers that `actor` does not see."""
    return not visible(conn, actor).compare(true())


def check_filter(text: str) -> None:
    """Raises `BadInput` for what is no filter; "" is one: all computers."""
    if text.strip():
        read_tags(text)


def _condition(text: str | None) -> ColumnElement[bool]:
    """The one place that knows what filters mean."""
    if text is None:
        return false()
    if not text.strip():
        return true()
    return computers.c.tag.in_(read_tags(text))
