"""Errors as answers: which status each kind has, and the problem (RFC 9457) that says what is wrong.

{"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "priority: expected 0 to 10, got 11",
 "errors": [{"field": "priority", "expected": "0 to 10", "got": "11", "hint": ""}]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from quart import Response

from distd.domain.errors import (
    BadInput,
    Conflict,
    Corrupt,
    DigestMismatch,
    NoSpace,
    NotFound,
    TooLarge,
    Unavailable,
    shorten,
)
from distd.domain.filters.parse import BadFilter
from distd.origin.idempotency import KeyReused
from distd.wire.problem import CONTENT_TYPE, content_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.errors import DistdError


class LengthRequired(BadInput):
    """A body whose length is not known before it (HTTP 411)."""


class Changed(Conflict):
    """What is to be edited is no longer as it was when its ETag was given (HTTP 412)."""


class FromOtherSite(Conflict):
    """A browser sends it for a page of another site (HTTP 403)."""


class UnsupportedCoding(BadInput):
    """A body that is compressed (HTTP 415)."""


class TooMany(Unavailable):
    """One asks for more than its share (HTTP 429)."""


class TooManyAttempts(TooMany):
    """So many passwords are tried that this one has no place."""


class Forbidden(BadInput):
    """Who asks may not do this (HTTP 403); `expected` names what is missing."""


@dataclass
class ProblemField:
    """What is wrong with a field of the request. `hint` says what to do about it; it may be empty. Of a text, `at` is
    the first character that is wrong, from 0, and `length` says how many are."""

    field: str
    expected: str
    got: str
    hint: str
    at: int | None = None
    length: int | None = None


@dataclass
class Problem:
    """What is wrong (RFC 9457): `title` is that of the status, `detail` says it in a line, `errors` by field."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemField] = field(default_factory=list)


# By kind; the first that fits.
STATUS: Final[Mapping[type[DistdError], int]] = {
    NotFound: 404,
    Forbidden: 403,
    LengthRequired: 411,
    TooLarge: 413,
    UnsupportedCoding: 415,
    DigestMismatch: 422,
    KeyReused: 422,
    BadInput: 400,
    Changed: 412,
    FromOtherSite: 403,
    Conflict: 409,
    Corrupt: 500,
    NoSpace: 507,
    TooMany: 429,
    Unavailable: 503,
}
UNAUTHORIZED: Final = "expected an operator's name and password, or a token"
CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="distd"'}
RETRY_AFTER_S: Final = 10


def status_of(error: DistdError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def content_of_error(error: DistdError) -> dict[str, Any]:
    """The JSON object that says what is wrong."""
    content = content_of(status_of(error), str(error))
    if isinstance(error, BadInput):
        fault: dict[str, Any] = {
            "field": error.field,
            "expected": error.expected,
            "got": shorten(error.got),
            "hint": error.hint,
        }
        if isinstance(error, BadFilter):
            fault |= {"at": error.at, "length": error.length}
        content["errors"] = [fault]
    elif isinstance(error, Conflict):
        content["errors"] = [{"field": error.field, "expected": "", "got": "", "hint": error.hint}]
    return content


def fields_of(status: int) -> dict[str, str]:
    """The header fields that go with a problem of this status, wherever it comes from."""
    match status:
        case 401:
            return dict(CHALLENGE)
        case 415:
            return {"Accept-Encoding": "identity"}
        case 429:
            return {"Retry-After": "1"}
        case 503:
            return {"Retry-After": str(RETRY_AFTER_S)}
        case _:
            return {}


def answer(content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The answer with a problem."""
    fields = fields_of(content["status"]) | dict(headers or {})
    return Response(json.dumps(content), content["status"], fields, content_type=CONTENT_TYPE)
