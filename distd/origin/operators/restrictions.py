"""To which computers somebody is restricted: `visible` is what every use case asks that names or lists computers."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, false, select, true

from distd.catalogue.access_schema import api_tokens
from distd.catalogue.schema import micros, operators
from distd.domain.actor import ActorKind
from distd.domain.errors import BadInput
from distd.domain.restriction import read_restriction
from distd.origin.computers.filter_sql import SearchWay, condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection

    from distd.domain.actor import Actor
    from distd.domain.filters.tree import Node

KNOWN: Final = 256  # restrictions whose trees are kept


def visible(conn: Connection, actor: Actor, clock: Callable[[], float] = time.time) -> ColumnElement[bool]:
    """The condition on `computers` that those fulfil which `actor` may see and change. What a restriction says of
    times counts from now on, by `clock`.

    Commands on this machine and the server itself see all; somebody who is no operator, or no token, any more sees
    none.
    """
    texts = _restrictions(conn, actor, clock())
    if texts is None:
        return false()
    trees = [_tree(text) for text in texts]
    now_s = clock()
    # EACH: most of those who ask look at one computer, or at a page of them.
    found = (false() if tree is None else condition(conn, tree, now_s, SearchWay.EACH) for tree in trees)
    return and_(true(), *found)


def is_restricted(conn: Connection, actor: Actor) -> bool:
    """Whether there may be computers that `actor` does not see."""
    return _restrictions(conn, actor, time.time()) != []


def check_filter(text: str) -> None:
    """Raises `BadInput` for what is no filter; "" is one: all computers."""
    if text.strip():
        read_restriction(text)


def _restrictions(conn: Connection, actor: Actor, now_s: float) -> list[str] | None:
    """The filters that a computer must match, all of them; None: it sees no computer."""
    match actor.kind:
        case ActorKind.OPERATOR:
            found = [conn.scalar(select(operators.c.filter).where(operators.c.name == actor.name))]
        case ActorKind.TOKEN:
            of_owner = operators.c.filter.label("of_owner")
            columns = (api_tokens.c.filter, api_tokens.c.owner, api_tokens.c.expires_at_us, of_owner)
            joined = api_tokens.outerjoin(operators, operators.c.name == api_tokens.c.owner)
            query = select(*columns).select_from(joined).where(api_tokens.c.name == actor.name)
            row = conn.execute(query).one_or_none()
            if row is None or row.expires_at_us <= micros(now_s):
                return None
            found = [row.filter, row.of_owner] if row.owner else [row.filter]
        case _:
            return []
    texts = [text for text in found if text is not None]
    return None if len(texts) < len(found) else [text for text in texts if text.strip()]


@lru_cache(KNOWN)
def _tree(text: str) -> Node | None:
    """None for what this version cannot read: then nobody is seen, rather than too many."""
    try:
        return read_restriction(text)
    except BadInput:
        return None
