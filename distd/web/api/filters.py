"""What helps to write a filter: completion, what fields there are, text and tree. Saved ones: `operations.filters`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta
from quart_schema import validate_response

from distd.domain.errors import BadInput
from distd.domain.filters.criteria import operators_of
from distd.domain.filters.fields import FIELDS
from distd.domain.filters.json_form import from_json, to_json
from distd.domain.filters.parse import MAX_TEXT, parse
from distd.domain.filters.reads import reads_of
from distd.domain.filters.render import render
from distd.domain.permissions import Act
from distd.origin.computers import filter_completion
from distd.origin.computers.filter_completion import Completion
from distd.web.api.auth import acting_operator, needs
from distd.web.api.bodies import read_json
from distd.web.api.description import answers
from distd.web.api.queries import parameter, takes
from distd.wire.structs import convert

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from distd.catalogue.reader import Reader


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


class FilterRoutes:
    """What helps to write a filter."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

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


def _field(name: str) -> FieldOfFilters:
    field = FIELDS[name]
    return FieldOfFilters(name, str(field.kind), field.meaning, operators_of(field.kind), field.many, field.suggests)
