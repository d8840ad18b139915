"""Sets of packages: list, show, create, edit, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.operations.operation import Operation, Way
from distd.origin.packages import package_sets
from distd.origin.packages.package_sets import MAX_PACKAGES, PackageSet, SetChanges, SetContent
from distd.wire.query import cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked

_Name = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": NAME_LIMIT})]
_Description = Annotated[str, Meta(max_length=TEXT_LIMIT)]
PackageIds = Annotated[
    tuple[Annotated[str, Meta(pattern="^[0-9]{1,20}$")], ...],
    Meta(max_length=MAX_PACKAGES, extra_json_schema={"minItems": 1, "uniqueItems": True}),
]


@dataclass
class SetQuery:
    """Which page of the sets."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class SetPage(Page[PackageSet]):
    """Sets of packages, by name."""


class NewSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`packages`: ids, in the order in which they are assigned. `chain`: each waits on a computer for a success of the
    one before."""

    name: _Name
    packages: PackageIds
    chain: bool = False
    description: _Description = ""


class SetEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Null: as it was."""

    name: _Name | None = None
    packages: PackageIds | None = None
    chain: bool | None = None
    description: _Description | None = None


def _list(conn: Connection, _: Asked, query: SetQuery) -> SetPage:
    page = package_sets.list_sets(conn, read_window(query.limit, query.cursor, package_sets.PLACE))
    return SetPage(page.items, page.next, page.total)


def _show(conn: Connection, _: Asked, name: str) -> PackageSet:
    return package_sets.show(conn, name)


def _create(conn: Connection, asked: Asked, given: NewSet) -> PackageSet:
    content = SetContent(given.name, given.packages, given.chain, given.description)
    return package_sets.create(conn, asked.actor, content, asked.now_s)


def _edit(conn: Connection, asked: Asked, name: str, given: SetEdit) -> PackageSet:
    changes = SetChanges(given.name, given.packages, given.chain, given.description)
    return package_sets.edit(conn, asked.actor, name, changes, asked.now_s)


def _delete(conn: Connection, asked: Asked, name: str) -> PackageSet:
    return package_sets.delete(conn, asked.actor, name, asked.now_s)


_ONE: Final = "/sets/{set}"
LIST: Final = Operation(
    "list_sets", "GET", "/sets", "Sets of packages, by name.", SetPage, _list, Act.PACKAGES_READ, query=SetQuery
)
SHOW: Final = Operation(
    "show_set",
    "GET",
    _ONE,
    "One set of packages.",
    PackageSet,
    _show,
    Act.PACKAGES_READ,
    tag_of=package_sets.content_of,
)
CREATE: Final = Operation(
    "create_set",
    "POST",
    "/sets",
    """Make a set of packages that are assigned together.

    Where one of them is superseded, the set has its successor.""",
    PackageSet,
    _create,
    Act.PACKAGES_WRITE,
    Way.WRITE,
    body=NewSet,
    status=201,
    problems=(404, 409),
    keyed=True,
)
EDIT: Final = Operation(
    "edit_set",
    "PATCH",
    _ONE,
    "Change a set; what was assigned stays as it is.",
    PackageSet,
    _edit,
    Act.PACKAGES_WRITE,
    Way.WRITE,
    body=SetEdit,
    problems=(409,),
    guarded_by=SHOW,
)
DELETE: Final = Operation(
    "delete_set",
    "DELETE",
    _ONE,
    "Forget a set; what was assigned stays as it is.",
    PackageSet,
    _delete,
    Act.PACKAGES_WRITE,
    Way.WRITE,
    guarded_by=SHOW,
)
ALL: Final = (LIST, SHOW, CREATE, EDIT, DELETE)
