"""Sources whose new versions supersede a package: list, show, watch, edit, look now, forget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType  # noqa: TC002 - the API reads the annotations

from distd.catalogue.schema import NAME_LIMIT
from distd.domain.errors import BadInput
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.domain.watched_source import (
    DEFAULT_EVERY_S,
    MAX_EVERY_S,
    MAX_PLACE,
    MIN_EVERY_S,
    PlaceKind,
    read_folders,
    read_place,
)
from distd.operations.operation import Operation, Way
from distd.origin.packages import watched_sources
from distd.origin.packages.watched_sources import NewSource, SourceChanges, WatchedSource
from distd.packaging import source_version
from distd.wire.query import cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked


@dataclass
class SourceQuery:
    """Which page of the sources."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class SourcePage(Page[WatchedSource]):
    """Sources, by name."""


class NewSourceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`package`: the id of the package that is made of what is there now; its successors are watched for in its place.
    `place`: `https://HOST/…/FILE`, or the path on the server of a file or folder within the setting `sources.folders`.
    `with_assignments`: the computers that have the package assigned get each new one."""

    name: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": NAME_LIMIT})]
    package: Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
    place: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_PLACE})]
    every_s: Annotated[float, Meta(ge=MIN_EVERY_S, le=MAX_EVERY_S)] = DEFAULT_EVERY_S
    with_assignments: bool = True


class SourceEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different, as in `NewSourceRequest`; what is left out stays."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)] | UnsetType = UNSET
    place: Annotated[str, Meta(min_length=1, max_length=MAX_PLACE)] | UnsetType = UNSET
    every_s: Annotated[float, Meta(ge=MIN_EVERY_S, le=MAX_EVERY_S)] | UnsetType = UNSET
    with_assignments: bool | UnsetType = UNSET


def _list(conn: Connection, _: Asked, query: SourceQuery) -> SourcePage:
    page = watched_sources.list_sources(conn, read_window(query.limit, query.cursor, watched_sources.PLACE))
    return SourcePage(page.items, page.next, page.total)


def _show(conn: Connection, _: Asked, source: str) -> WatchedSource:
    return watched_sources.show(conn, source)


def _check(asked: Asked, given: NewSourceRequest) -> None:
    _check_place(asked, given.place)


def _check_edit(asked: Asked, source: str, given: SourceEdit) -> None:
    del source
    if given.place is not UNSET:
        _check_place(asked, given.place)


def _check_place(asked: Asked, place: str) -> None:
    if read_place(place) is PlaceKind.PATH:
        folders = read_folders(asked.site.settings.sources.folders, "sources.folders")
        source_version.resolve(Path(place), folders, asked.site.data.root)


def _create(conn: Connection, asked: Asked, given: NewSourceRequest) -> WatchedSource:
    new = NewSource(given.name, given.package, given.place, given.every_s, given.with_assignments)
    return watched_sources.create(conn, asked.actor, new, asked.now_s)


def _edit(conn: Connection, asked: Asked, source: str, given: SourceEdit) -> WatchedSource:
    values = {name: getattr(given, name) for name in given.__struct_fields__}
    changes = {name: value for name, value in values.items() if value is not UNSET}
    if not changes:
        raise BadInput("changes", "something to change", "nothing")
    return watched_sources.edit(conn, asked.actor, source, SourceChanges(**changes), asked.now_s)


def _tag_of(found: WatchedSource) -> Any:
    """What operators decide of it."""
    return (found.name, found.package_id, found.place, found.every_s, found.with_assignments)


def _check_soon(conn: Connection, asked: Asked, source: str) -> WatchedSource:
    return watched_sources.check_soon(conn, source, asked.now_s)


def _delete(conn: Connection, asked: Asked, source: str) -> WatchedSource:
    return watched_sources.delete(conn, asked.actor, source, asked.now_s)


_ONE: Final = "/sources/{source}"
LIST: Final = Operation(
    "list_sources",
    "GET",
    "/sources",
    "Sources whose new versions supersede a package, by name.",
    SourcePage,
    _list,
    Act.SOURCES_READ,
    query=SourceQuery,
)
SHOW: Final = Operation(
    "show_source", "GET", _ONE, "One source.", WatchedSource, _show, Act.SOURCES_READ, tag_of=_tag_of
)
EDIT: Final = Operation(
    "edit_source",
    "PATCH",
    _ONE,
    """Give a source another name, place or interval, or say whom new versions are for.

    Another place is looked at at once: other content than the package was made of is a new version.""",
    WatchedSource,
    _edit,
    Act.SOURCES_WRITE,
    Way.WRITE,
    body=SourceEdit,
    check=_check_edit,
    problems=(409,),
    guarded_by=SHOW,
)
CREATE: Final = Operation(
    "watch_source",
    "POST",
    "/sources",
    """Watch a file, a folder or a URL: a new version of it supersedes the package.

    What is there at the first look is taken for what the package was made of. Its BLAKE3 decides what is new.""",
    WatchedSource,
    _create,
    Act.SOURCES_WRITE,
    Way.WRITE,
    body=NewSourceRequest,
    check=_check,
    status=201,
    problems=(404, 409),
    keyed=True,
)
CHECK: Final = Operation(
    "check_source",
    "POST",
    f"{_ONE}/check",
    "Look at a source now.",
    WatchedSource,
    _check_soon,
    Act.SOURCES_WRITE,
    Way.WRITE,
)
DELETE: Final = Operation(
    "forget_source",
    "DELETE",
    _ONE,
    "Watch a source no more; its package stays.",
    WatchedSource,
    _delete,
    Act.SOURCES_WRITE,
    Way.WRITE,
    guarded_by=SHOW,
)
ALL: Final[tuple[Operation[Any], ...]] = (LIST, SHOW, CREATE, EDIT, CHECK, DELETE)
