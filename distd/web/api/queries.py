"""Query parameters of the API: declared at the fields of a dataclass, read and described from there.

What is not declared is refused: a misspelt `state=` would otherwise list everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints
from urllib.parse import parse_qsl

from quart import request

from distd.domain.errors import BadInput
from distd.domain.page import DEFAULT_LIMIT, MAX_CURSOR, MAX_LIMIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Query = TypeVar("Query")
    Route = Callable[..., Awaitable[Any]]

MAX_TEXT: Final = 500  # characters of a value
MAX_NUMBER: Final = 10**18
MAX_PAIRS: Final = 100
PATTERN: Final = "? is one character, * are several; without them the text may be anywhere in it"

_KEY: Final = "query"
_ROUTE: Final = "_distd_query"
_BOOLEANS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """What a parameter means and which values it takes: numbers from `low` to `high`, texts of at most `max_length`
    characters, or several of `choices` with commas between."""

    meaning: str
    low: int = 0
    high: int = MAX_NUMBER
    max_length: int = MAX_TEXT
    choices: tuple[str, ...] = ()


def parameter(meaning: str, *, default: Any = None, **limits: Any) -> Any:
    """A field of a dataclass that is a query parameter; `limits` are fields of `QueryParameter`.

    The field's type is that of the value: int, bool, str, or with `choices` tuple[str, ...]; `| None` where it has no
    default.
    """
    return field(default=default, metadata={_KEY: QueryParameter(meaning, **limits)})


def limit_parameter() -> Any:
    """How many items a page has at most."""
    return parameter(f"how many items a page has at most; without it {DEFAULT_LIMIT}", low=1, high=MAX_LIMIT)


def cursor_parameter() -> Any:
    """Which page."""
    return parameter("what `next` of the page before said", max_length=MAX_CURSOR)


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
    _read_pairs(() if query is None else tuple(each.name for each in fields(query)), query_string)


def read_query(query: type[Query], query_string: bytes) -> Query:
    """Read a query. Raises `BadInput`, whose field is the parameter."""
    declared = {each.name: each.metadata[_KEY] for each in fields(query)}  # type: ignore[arg-type]
    hints = get_type_hints(query)
    pairs = _read_pairs(tuple(declared), query_string)
    return query(**{name: _read(name, text, hints[name], declared[name]) for name, text in pairs.items()})


def describe(query: type[Any]) -> list[dict[str, Any]]:
    """The parameters as OpenAPI has them."""
    hints = get_type_hints(query)
    return [_describe(each.name, hints[each.name], each.metadata[_KEY], each.default) for each in fields(query)]


def _read_pairs(known: Sequence[str], query_string: bytes) -> dict[str, str]:
    try:
        text = query_string.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
    except ValueError:
        got = query_string.decode("ascii", "backslashreplace")
        raise BadInput("query", f"at most {MAX_PAIRS} parameters in UTF-8, percent-encoded", got) from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"perhaps {near[0]}" if near else ""
            raise BadInput(name or "query", f"one of {', '.join(known)}" if known else "no parameter", name, hint)
        if name in found:
            raise BadInput(name, "one value", "several")
        found[name] = value
    return found


def _read(name: str, text: str, hint: Any, declared: QueryParameter) -> Any:
    match _kind(hint, declared):
        case "boolean":
            if text.lower() not in _BOOLEANS:
                raise BadInput(name, "true or false", text)
            return _BOOLEANS[text.lower()]
        case "integer":
            digits = text.removeprefix("-")
            is_number = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(MAX_NUMBER))
            if not is_number or not declared.low <= int(text) <= declared.high:
                raise BadInput(name, f"{declared.low} to {declared.high}", text)
            return int(text)
        case kind:
            if len(text) > declared.max_length:
                raise BadInput(name, f"at most {declared.max_length} characters", f"{len(text)} characters")
            if any(ord(letter) < 32 for letter in text):
                raise BadInput(name, "a text without control characters", text)
            return tuple(text.split(",")) if kind == "array" else text


def _kind(hint: Any, declared: QueryParameter) -> str:
    if declared.choices:
        return "array"
    kinds = getattr(hint, "__args__", (hint,))
    return "boolean" if bool in kinds else "integer" if int in kinds else "string"


def _describe(name: str, hint: Any, declared: QueryParameter, default: object) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _kind(hint, declared)}
    described: dict[str, Any] = {"name": name, "in": "query", "description": declared.meaning, "schema": schema}
    match schema["type"]:
        case "integer":
            schema |= {"minimum": declared.low, "maximum": declared.high}
        case "string":
            schema |= {"maxLength": declared.max_length, "pattern": "^[^\\x00-\\x1f]*$"}
        case "array":
            schema |= {"items": {"type": "string", "enum": list(declared.choices)}, "minItems": 1}
            schema["maxItems"] = MAX_PAIRS
            described |= {"style": "form", "explode": False}
    if default not in (None, ""):
        schema["default"] = default
    return described
