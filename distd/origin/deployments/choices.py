"""Which computers a package is assigned to, where they are not named one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from distd.catalogue.groups_schema import group_members, groups
from distd.catalogue.lists import matches
from distd.catalogue.schema import computers
from distd.domain.actor import SYSTEM
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import BadInput, NotFound
from distd.domain.folding import fold
from distd.origin.computers.filter_sql import condition
from distd.origin.computers.saved_filters import read_filter
from distd.origin.operators.restrictions import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement, Connection

    from distd.domain.actor import Actor
    from distd.domain.assignment_terms import AssignmentOrigin


def choose(conn: Connection, origin: AssignmentOrigin, now_s: float, actor: Actor = SYSTEM) -> list[str]:
    """DEVICEIDs of the computers that the origin's name stands for, of those that `actor` may see. Raises `BadInput`
    where there are none, but for a group: computers may come; and `NotFound`."""
    wanted = CHOICES[origin.kind](conn, actor, origin.name, now_s)
    query = select(computers.c.device_id).where(wanted, visible(conn, actor)).order_by(computers.c.device_id)
    found = list(conn.scalars(query))
    if not found and origin.kind is not OriginKind.GROUP:
        raise BadInput(
            f"to.{origin.kind}",
            "a tag of computers that are there" if origin.kind is OriginKind.TAG else "a filter that finds computers",
            origin.name,
        )
    return found


def _with_tag(_conn: Connection, _actor: Actor, pattern: str, _now_s: float) -> ColumnElement[bool]:
    return matches(computers.c.tag, pattern)


def _in_group(conn: Connection, _actor: Actor, name: str, _now_s: float) -> ColumnElement[bool]:
    group_id = conn.scalar(select(groups.c.id).where(groups.c.name_key == fold(name)))
    if group_id is None:
        raise NotFound("to.group", "the name of a group", name)
    return computers.c.id.in_(select(group_members.c.computer_id).where(group_members.c.group_id == group_id))


def _found(conn: Connection, actor: Actor, text: str, now_s: float) -> ColumnElement[bool]:
    tree = read_filter(conn, actor, text)
    if tree is None:
        raise BadInput("to.filter", "a filter, such as windows or memory >= 8GiB", "nothing")
    return condition(conn, tree, now_s)


CHOICES: Final[Mapping[OriginKind, Callable[[Connection, Actor, str, float], ColumnElement[bool]]]] = {
    OriginKind.TAG: _with_tag,
    OriginKind.GROUP: _in_group,
    OriginKind.FILTER: _found,
}
