"""The API's filters: saved ones, completion, what fields there are, text and tree."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta
from quart_schema import validate_response
from werkzeug.routing import BaseConverter

from distd.domain.errors import BadInput
from distd.domain.filters.criteria import operators_of
from distd.domain.filters.fields import FIELDS
from distd.domain.filters.json_form import from_json, to_json
from distd.domain.filters.parse import MAX_TEXT, parse
from distd.domain.filters.reads import reads_of
from distd.domain.filters.render import render
from distd.domain.page import read_window
from distd.domain.permissions import Act
from distd.origin.computers import filter_completion, saved_filters
from distd.origin.computers.filter_completion import Completion
from distd.origin.computers.saved_filters import NewFilter, SavedFilter
from distd.web.api.auth import acting_operator, needs
from distd.web.api.bodies import read_json
from distd.web.api.description import answers
from distd.web.api.queries import cursor_parameter, limit_parameter, parameter, takes
from distd.wire.structs import convert

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer


@dataclass
class FilterQuery:
    """Which page of the saved filters."""

    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass
class FilterPage:
    """Saved filters that this operator can use, by name."""

    items: list[SavedFilter]
    next: str | None
    total: int


@dataclass
class CompletionQuery:
    """A text, and a place in it."""

    text: str = parameter("the text of a filter, as far as it was typed", default="", max_length=MAX_TEXT)
    at: int | None = parameter("the character before which something is to be put, from 0; without it the end")


@dataclass
class FieldOfFilters:
    """A field. `many`: a computer has several values of it. `suggests`: completion offers values."""

    name: str
    kind: str
    meaning: str
    operators: list[str]
    many: bool
    suggests: bool


@dataclass
class FieldPage:
    """The fields of filters: all of them. Beside them there is account.KEY for each key of the account info."""

    items: list[FieldOfFilters]
    next: str | None
    total: int


@dataclass
class ParsedFilter:
    """A filter in both forms. `by_clock`: computers begin and cease to match by the time alone; `sections`: of which
    parts of what is known of a computer a change can change whether it matches."""

    text: str
    tree: dict[str, Any]
    by_clock: bool
    sections: list[str]


class ParseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text or a tree; not both."""

    text: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    tree: dict[str, Any] | None = None


class SaveRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A filter to be saved; `shared`: for all operators."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
    shared: bool = False
    description: Annotated[str, Meta(max_length=4096)] = ""


class SavedName(BaseConverter):
    """The name of a saved filter in a path: what has a route of its own is none."""

    regex = f"(?!(?:{'|'.join(saved_filters.RESERVED)})$)[^/]+"


class FilterRoutes:
    """Saved filters, and what helps to write one."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""
        app.url_map.converters["saved"] = SavedName
        self._add_saved(app)

        @app.get("/api/v1/filters/fields")
        @needs(Act.FILTERS_READ)
        @validate_response(FieldPage)
        async def list_fields() -> Any:
            """The fields of filters."""
            found = [_field(name) for name in FIELDS]
            return FieldPage(found, None, len(found))

        @app.get("/api/v1/filters/complete")
        @needs(Act.FILTERS_READ)
        @takes(CompletionQuery)
        @validate_response(Completion)
        async def complete_filter(query_args: CompletionQuery) -> Any:
            """What may stand at a place of a filter: fields, operators, and the most frequent values."""
            at = len(query_args.text) if query_args.at is None else query_args.at
            return await self._reader.run(
                partial(filter_completion.complete, actor=acting_operator(), text=query_args.text, at=at)
            )

        @app.post("/api/v1/filters/parse")
        @needs(Act.FILTERS_READ)
        @answers(ParsedFilter, body=ParseRequest, problems=(400, 413, 415))
        async def parse_filter() -> Any:
            """A filter's canonical text and its tree, of one of them."""
            wanted = convert(await read_json(), ParseRequest, "body")
            if (wanted.text is None) is (wanted.tree is None):
                raise BadInput("body", "text or tree", "neither" if wanted.text is None else "both")
            tree = from_json(wanted.tree) if wanted.text is None else parse(wanted.text)
            reads = reads_of(tree)
            return ParsedFilter(render(tree), to_json(tree), reads.by_clock, sorted(map(str, reads.sections)))

    def _add_saved(self, app: QuartTrio) -> None:
        @app.get("/api/v1/filters")
        @needs(Act.FILTERS_READ)
        @takes(FilterQuery)
        @validate_response(FilterPage)
        async def list_filters(query_args: FilterQuery) -> Any:
            """Saved filters: the operator's own, and shared ones."""
            window = read_window(query_args.limit, query_args.cursor, saved_filters.PLACE)
            read = partial(saved_filters.list_filters, actor=acting_operator(), window=window)
            page = await self._reader.run(read)
            return FilterPage(page.items, page.next, page.total)

        @app.post("/api/v1/filters")
        @needs(Act.FILTERS_WRITE)
        @answers(SavedFilter, body=SaveRequest, problems=(400, 409, 413, 415))
        async def save_filter() -> Any:
            """Save a filter; the one of the same name, own or shared, is replaced."""
            wanted = convert(await read_json(), SaveRequest, "body")
            new = NewFilter(wanted.name, wanted.text, wanted.shared, wanted.description)
            act = partial(saved_filters.save, actor=acting_operator(), new=new, now_s=time.time())
            return await self._writer.run(act)

        @app.get("/api/v1/filters/<saved:filter_name>")
        @needs(Act.FILTERS_READ)
        @validate_response(SavedFilter)
        async def show_filter(filter_name: str) -> Any:
            """A saved filter: the operator's own of this name, else the shared one."""
            return await self._reader.run(partial(saved_filters.show, actor=acting_operator(), name=filter_name))

        @app.delete("/api/v1/filters/<saved:filter_name>")
        @needs(Act.FILTERS_WRITE)
        @answers(SavedFilter)
        async def delete_filter(filter_name: str) -> Any:
            """Delete a saved filter; the answer is what it was."""
            act = partial(saved_filters.delete, actor=acting_operator(), name=filter_name, now_s=time.time())
            return await self._writer.run(act)


def _field(name: str) -> FieldOfFilters:
    field = FIELDS[name]
    return FieldOfFilters(name, str(field.kind), field.meaning, operators_of(field.kind), field.many, field.suggests)
