"""Messages from outside as typed structs: what does not fit is a `BadInput` that names the field by its path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

Message = TypeVar("Message", bound=msgspec.Struct)

# As msgspec says it: "Expected `int`, got `str` - at `$.rows[...].size`", "Object missing required field `token`".
_PLACE: Final = re.compile(r" - at `\$(.*)`$")
_UNKNOWN: Final = re.compile(r"Object contains unknown field ([\w.]+)")
_MISSING: Final = re.compile(r"Object missing required field `([\w.]+)`")


def convert(values: Mapping[str, object], kind: type[Message], name: str) -> Message:
    """`values` as a `kind`; fields that it does not have are ignored, as newer senders may have them.

    Raises `BadInput` with a field like "report/status/agents", where `name` is "report".
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise _bad_input(str(error), name) from None


def read_fields(values: Mapping[str, object], kind: type[Message]) -> Message:
    """`values`, which an operator has given, as a `kind`. Raises `BadInput` with the path of the field, such as
    "notify.countdown_s"."""
    try:
        return convert(values, kind, "")
    except BadInput as error:
        unknown = _UNKNOWN.fullmatch(error.expected)
        field = error.field.strip("/").replace("/", ".")
        if unknown is not None:
            field = f"{field}.{unknown[1]}" if field else unknown[1]
            raise BadInput(field, "a field that there is", unknown[1]) from None
        raise BadInput(field or "body", error.expected, error.got, error.hint) from None


def _bad_input(message: str, name: str) -> BadInput:
    place = _PLACE.search(message)
    path = re.sub(r"\[[^\]]*\]", "", place[1]).replace(".", "/") if place else ""
    message = message.removesuffix(place[0]) if place else message
    missing = _MISSING.fullmatch(message)
    if missing is not None:
        return BadInput(f"{name}{path}/{missing[1]}", "a value", "nothing")
    expected, _, got = message.removeprefix("Expected ").replace("`", "").partition(", got ")
    return BadInput(f"{name}{path}", expected, got or "another value")
