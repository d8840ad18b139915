"""Groups of computers: list, show, create, edit, members, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from distd.catalogue.schema import NAME_LIMIT
from distd.domain.filters.parse import MAX_TEXT
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.operations.computers import MAX_NAMED, MAX_NAMED_BYTES
from distd.operations.operation import Operation, Way
from distd.origin.groups import groups
from distd.origin.groups.groups import ComputerGroup, GroupChanges, GroupDetail, NewComputerGroup
from distd.wire.query import cursor_parameter, limit_parameter, parameter

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import Connection

    from distd.operations.operation import Asked

_Name = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": NAME_LIMIT})]
_Filter = Annotated[str, Meta(max_length=MAX_TEXT)]
_DeviceIds = Annotated[tuple[str, ...], Meta(max_length=MAX_NAMED)]


@dataclass
class GroupQuery:
    """Which groups, and which page of them."""

    name: str | None = parameter("a part of the name")
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class GroupPage(Page[ComputerGroup]):
    """Groups, by name."""


class NewGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`filter` (@NAME: a saved one): of a dynamic group, whose members follow it; null: a static group. `computers`:
    DEVICEIDs of its members; of a dynamic group those that are in it whatever the filter says. `dry_run`: only tell how
    many members it would have."""

    name: _Name
    description: str = ""
    filter: _Filter | None = None
    computers: _DeviceIds = ()
    dry_run: bool = False


class GroupEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Another name, description or filter; null: as it was. `dry_run`: only tell who would come and leave."""

    name: _Name | None = None
    description: str | None = None
    filter: _Filter | None = None
    dry_run: bool = False


class MemberLists(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """DEVICEIDs: put these in and take those out by hand, whatever the filter of a dynamic group says; `reset`: its
    filter alone decides again. `dry_run`: only tell how many would come and leave."""

    add: _DeviceIds = ()
    remove: _DeviceIds = ()
    reset: _DeviceIds = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """The group as it is now, and how many computers came and left."""

    group: ComputerGroup
    joined: int
    left: int


def _list(conn: Connection, asked: Asked, query: GroupQuery) -> GroupPage:
    window = read_window(query.limit, query.cursor, groups.PLACE)
    page = groups.list_groups(conn, asked.actor, query.name, window)
    return GroupPage(page.items, page.next, page.total)


def _show(conn: Connection, asked: Asked, group: str) -> GroupDetail:
    return groups.show(conn, asked.actor, group)


def _create(conn: Connection, asked: Asked, given: NewGroup) -> ComputerGroup:
    new = NewComputerGroup(given.name, given.description, given.filter, given.computers)
    return groups.create(conn, asked.actor, new, asked.now_s)


def _edit(conn: Connection, asked: Asked, group: str, given: GroupEdit) -> GroupChanged:
    changes = GroupChanges(given.name, given.description, given.filter)
    done = groups.edit(conn, asked.actor, group, changes, asked.now_s)
    found = groups.show(conn, asked.actor, given.name if given.name is not None else group)
    return GroupChanged(found.group, done.joined, done.left)


def _set_members(conn: Connection, asked: Asked, group: str, given: MemberLists) -> GroupChanged:
    lists = given.add, given.remove, given.reset
    done = groups.set_members(conn, asked.actor, group, *lists, now_s=asked.now_s)
    return GroupChanged(groups.show(conn, asked.actor, group).group, done.joined, done.left)


def _delete(conn: Connection, asked: Asked, group: str) -> ComputerGroup:
    return groups.delete(conn, asked.actor, group, asked.now_s)


def _tag_of(found: GroupDetail) -> Any:
    """What an operator changes of it; not who is in it."""
    return (found.group.name, found.group.description, found.group.filter)


_ONE: Final = "/groups/{group}"
LIST: Final = Operation(
    "list_groups", "GET", "/groups", "Groups, by name.", GroupPage, _list, Act.GROUPS_READ, query=GroupQuery
)
SHOW: Final = Operation(
    "show_group",
    "GET",
    _ONE,
    """One group: its filter, who was put in or taken out by hand, what it gives its members.

    Its members are the computers of the filter `group("NAME")`.""",
    GroupDetail,
    _show,
    Act.GROUPS_READ,
    tag_of=_tag_of,
)
CREATE: Final = Operation(
    "create_group",
    "POST",
    "/groups",
    "Create a group: static, of some computers; or dynamic, of all that match a filter, now and later.",
    ComputerGroup,
    _create,
    Act.GROUPS_WRITE,
    Way.WRITE,
    body=NewGroup,
    status=201,
    problems=(404, 409),
    keyed=True,
    max_body_bytes=MAX_NAMED_BYTES,
)
EDIT: Final = Operation(
    "edit_group",
    "PATCH",
    _ONE,
    "Change the name, description or filter of a group.",
    GroupChanged,
    _edit,
    Act.GROUPS_WRITE,
    Way.WRITE,
    body=GroupEdit,
    problems=(409,),
    guarded_by=SHOW,
)
SET_MEMBERS: Final = Operation(
    "set_group_members",
    "POST",
    f"{_ONE}/members",
    "Put computers into a group, and take others out of it, by hand.",
    GroupChanged,
    _set_members,
    Act.GROUPS_WRITE,
    Way.WRITE,
    body=MemberLists,
    max_body_bytes=MAX_NAMED_BYTES,
)
DELETE: Final = Operation(
    "delete_group",
    "DELETE",
    _ONE,
    """Delete a group with its parameters.

    What it gave its members, and their agents were not told of, is taken back.""",
    ComputerGroup,
    _delete,
    Act.GROUPS_WRITE,
    Way.WRITE,
    problems=(409,),
    guarded_by=SHOW,
)
ALL: Final = (LIST, SHOW, CREATE, EDIT, SET_MEMBERS, DELETE)
