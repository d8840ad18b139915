"""Bodies of requests in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from quart import request

from distd.domain.errors import BadInput
from distd.web.api.problems import UnsupportedCoding
from distd.wire.structs import read_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

BODY_LIMIT: Final = "_distd_body_limit"  # the attribute of a route whose bodies have a limit of their own, in bytes
JSON: Final = "application/json"
MAX_DEPTH: Final = 64  # of lists and objects within each other


Body = TypeVar("Body", bound=msgspec.Struct)


async def read_body(kind: type[Body]) -> Body:
    """The JSON object that the request has for a body, as a `kind`. Raises `BadInput`, `UnsupportedCoding`."""
    return read_fields(await read_json(), kind)


async def read_json() -> dict[str, Any]:
    """The JSON object that the request has for a body. Raises `BadInput`; `UnsupportedCoding` for another type, which
    a page of another site could send in the name of an operator."""
    if request.mimetype != JSON:
        raise UnsupportedCoding("Content-Type", JSON, request.mimetype or "nothing")
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.strip().lower() != "identity":
        raise UnsupportedCoding("Content-Encoding", "the body as it is", coding)
    body: Any = await request.get_data(as_text=False)
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("body", "a JSON object", str(error)) from None
    if not _is_shallow(found):
        raise BadInput("body", f"at most {MAX_DEPTH} lists and objects within each other", "more")
    if b"\\u" in body and not _is_text(found):
        raise BadInput("body", "texts of Unicode characters without NUL", "others")
    return found


def _is_shallow(value: Any) -> bool:
    """Whether whoever goes through it needs no deep stack."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return True
        level = [each for outer in level for each in _below(outer) if isinstance(each, dict | list)]
    return not level


def _below(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _is_text(value: Any) -> bool:
    """Whether all texts in it can be written down: they have no NUL, and no half of a surrogate pair."""
    match value:
        case str():
            return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
        case list():
            return all(map(_is_text, value))
        case dict():
            return all(_is_text(name) and _is_text(each) for name, each in value.items())
    return True
