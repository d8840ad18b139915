"""Which computers a package is assigned to, where they are not named one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from distd.catalogue.lists import matches
from distd.catalogue.schema import computers
from distd.domain.actor import SYSTEM
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import BadInput
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.assignment_terms import AssignmentOrigin


def choose(conn: Connection, origin: AssignmentOrigin, actor: Actor = SYSTEM) -> list[str]:
    """DEVICEIDs of the computers that the origin's name stands for, of those that `actor` may see. Raises `BadInput`
    where there are none."""
    found = CHOICES[origin.kind](conn, actor, origin.name)
    if not found:
        raise BadInput(origin.kind, f"a {origin.kind} of computers that are there", origin.name)
    return found


def _with_tag(conn: Connection, actor: Actor, pattern: str) -> list[str]:
    query = select(computers.c.device_id).where(matches(computers.c.tag, pattern), visible(conn, actor))
    return list(conn.scalars(query.order_by(computers.c.device_id)))


# Groups and filters get their place here.
CHOICES: Final[Mapping[OriginKind, Callable[[Connection, Actor, str], list[str]]]] = {OriginKind.TAG: _with_tag}
