"""Sources whose new versions supersede a package: list, show, watch, look now, forget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from distd.catalogue.schema import NAME_LIMIT
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
from distd.origin.packages.watched_sources import NewSource, WatchedSource
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


def _list(conn: Connection, _: Asked, query: SourceQuery) -> SourcePage:
    page = watched_sources.list_sources(conn, read_window(query.limit, query.cursor, watched_sources.PLACE))
    return SourcePage(page.items, page.next, page.total)


def _show(conn: Connection, _: Asked, source: str) -> WatchedSource:
    return watched_sources.show(conn, source)


def _check(asked: Asked, given: NewSourceRequest) -> None:
    if read_place(given.place) is PlaceKind.PATH:
        folders = read_folders(asked.site.settings.sources.folders, "sources.folders")
        source_version.resolve(Path(given.place), folders, asked.site.data.root)


def _create(conn: Connection, asked: Asked, given: NewSourceRequest) -> WatchedSource:
    new = NewSource(given.name, given.package, given.place, given.every_s, given.with_assignments)
    return watched_sources.create(conn, asked.actor, new, asked.now_s)


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
SHOW: Final = Operation("show_source", "GET", _ONE, "One source.", WatchedSource, _show, Act.SOURCES_READ)
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
)
ALL: Final[tuple[Operation[Any], ...]] = (LIST, SHOW, CREATE, CHECK, DELETE)
