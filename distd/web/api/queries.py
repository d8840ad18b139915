"""Query parameters of the API: how a route takes them, and how they are described. See `wire.query`."""

from __future__ import annotations

from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

from quart import request

from distd.wire.query import (
    MAX_PAIRS,
    PATTERN,
    cursor_parameter,
    declared,
    kind_of,
    limit_parameter,
    parameter,
    read_pairs,
    read_query,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from distd.wire.query import (
        QueryParameter,
    )

    Query = TypeVar("Query")
    Route = Callable[..., Awaitable[Any]]

__all__ = ["PATTERN", "cursor_parameter", "limit_parameter", "parameter", "read_query"]

_ROUTE: Final = "_distd_query"


def takes(query: type[Query]) -> Callable[[Route], Route]:
    """The route gets its query as `query_args`, a `query`; `BadInput` for one that cannot be read."""

    def decorate(route: Route) -> Route:
        @wraps(route)
        async def read(*args: Any, **kwargs: Any) -> Any:
            return await route(*args, query_args=read_query(query, request.query_string), **kwargs)

        setattr(read, _ROUTE, query)
        return read

    return decorate


def query_of(route: object) -> type[Any] | None:
    """The dataclass of a route's query; None: it takes none."""
    return getattr(route, _ROUTE, None)


def check_names(query: type[Any] | None, query_string: bytes) -> None:
    """Raise `BadInput` for a parameter that a route does not have."""
    read_pairs(() if query is None else tuple(each.name for each in fields(query)), query_string)


def describe(query: type[Any]) -> list[dict[str, Any]]:
    """The parameters as OpenAPI has them."""
    known, hints = declared(query), get_type_hints(query)
    return [_describe(each.name, hints[each.name], known[each.name], each.default) for each in fields(query)]


def _describe(name: str, hint: Any, known: QueryParameter, default: object) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": kind_of(hint, known)}
    described: dict[str, Any] = {"name": name, "in": "query", "description": known.meaning, "schema": schema}
    match schema["type"]:
        case "integer":
            schema |= {"minimum": known.low, "maximum": known.high}
        case "string":
            schema |= {"maxLength": known.max_length, "pattern": "^[^\\x00-\\x1f]*$"}
        case "array":
            schema |= {"items": {"type": "string", "enum": list(known.choices)}, "minItems": 1}
            schema["maxItems"] = MAX_PAIRS
            described |= {"style": "form", "explode": False}
    if default not in (None, ""):
        schema["default"] = default
    return described
