"""Query strings: declared at the fields of a dataclass, read and written from there. Pure.

What is not declared is refused: a misspelt `state=` would otherwise list everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints
from urllib.parse import parse_qsl, urlencode

from distd.domain.errors import BadInput
from distd.domain.page import DEFAULT_LIMIT, MAX_CURSOR, MAX_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    Query = TypeVar("Query")

MAX_TEXT: Final = 500  # characters of a value
MAX_NUMBER: Final = 10**18
MAX_PAIRS: Final = 100
PATTERN: Final = "? is one character, * are several; without them the text may be anywhere in it"

_KEY: Final = "query"
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


def declared(query: type[Any]) -> dict[str, QueryParameter]:
    """The parameters of a dataclass, by their names."""
    return {each.name: each.metadata[_KEY] for each in fields(query)}


def read_query(query: type[Query], query_string: bytes) -> Query:
    """Read a query. Raises `BadInput`, whose field is the parameter."""
    known, hints = declared(query), get_type_hints(query)
    pairs = read_pairs(tuple(known), query_string)
    return query(**{name: _read(name, text, hints[name], known[name]) for name, text in pairs.items()})


def write_query(query: Any) -> str:
    """The query string that `read_query` reads as this `query`; "" where all is as without one."""
    pairs = {}
    for each in fields(query):
        value = getattr(query, each.name)
        if value is None or value == each.default:
            continue
        if isinstance(value, tuple):
            pairs[each.name] = ",".join(map(str, value))
        else:
            pairs[each.name] = str(value).lower() if isinstance(value, bool) else str(value)
    return urlencode(pairs)


def read_pairs(known: Sequence[str], query_string: bytes) -> dict[str, str]:
    """Name and value of each parameter. Raises `BadInput` for one that is not `known`, or comes twice."""
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
    match kind_of(hint, declared):
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


def kind_of(hint: Any, declared: QueryParameter) -> str:
    """OpenAPI's name of a parameter's type; `hint` is the type of its field."""
    if declared.choices:
        return "array"
    kinds = getattr(hint, "__args__", (hint,))
    return "boolean" if bool in kinds else "integer" if int in kinds else "string"
