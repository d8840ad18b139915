"""Saved filters: list, show, save, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from distd.domain.filters.parse import MAX_TEXT
from distd.domain.page import Page, read_window
from distd.domain.permissions import Act
from distd.operations.operation import Operation, Way
from distd.origin.computers import saved_filters
from distd.origin.computers.saved_filters import NewFilter, SavedFilter
from distd.wire.query import cursor_parameter, limit_parameter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.operations.operation import Asked


@dataclass
class FilterQuery:
    """Which page of the saved filters."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class FilterPage(Page[SavedFilter]):
    """Saved filters that who asks can use, by name."""


class SaveRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A filter to be saved; `shared`: for all operators."""

    name: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": 255})]
    text: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_TEXT})]
    shared: bool = False
    description: Annotated[str, Meta(max_length=4096)] = ""


def _list(conn: Connection, asked: Asked, query: FilterQuery) -> FilterPage:
    window = read_window(query.limit, query.cursor, saved_filters.PLACE)
    page = saved_filters.list_filters(conn, asked.actor, window)
    return FilterPage(page.items, page.next, page.total)


def _show(conn: Connection, asked: Asked, name: str) -> SavedFilter:
    return saved_filters.show(conn, asked.actor, name)


def _save(conn: Connection, asked: Asked, given: SaveRequest) -> SavedFilter:
    new = NewFilter(given.name, given.text, given.shared, given.description)
    return saved_filters.save(conn, asked.actor, new, asked.now_s)


def _delete(conn: Connection, asked: Asked, name: str) -> SavedFilter:
    return saved_filters.delete(conn, asked.actor, name, asked.now_s)


_ONE: Final = "/filters/{filter_name}"

LIST: Final = Operation(
    "list_filters",
    "GET",
    "/filters",
    "Saved filters: one's own, and shared ones.",
    FilterPage,
    _list,
    Act.FILTERS_READ,
    query=FilterQuery,
)
SHOW: Final = Operation(
    "show_filter",
    "GET",
    _ONE,
    "A saved filter: one's own of this name, else the shared one.",
    SavedFilter,
    _show,
    Act.FILTERS_READ,
)
SAVE: Final = Operation(
    "save_filter",
    "POST",
    "/filters",
    "Save a filter; the one of the same name, own or shared, is replaced.",
    SavedFilter,
    _save,
    Act.FILTERS_WRITE,
    Way.WRITE,
    body=SaveRequest,
    problems=(409,),
)
DELETE: Final = Operation(
    "delete_filter",
    "DELETE",
    _ONE,
    "Delete a saved filter; the answer is what it was.",
    SavedFilter,
    _delete,
    Act.FILTERS_WRITE,
    Way.WRITE,
)
ALL: Final = (LIST, SHOW, SAVE, DELETE)
