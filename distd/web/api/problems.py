"""Errors as answers: which status each kind has, and the problem (RFC 9457) that says what is wrong.

{"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "priority: expected 0 to 10, got 11",
 "errors": [{"field": "priority", "expected": "0 to 10", "got": "11", "hint": ""}]}
"""

from __future__ import annotations

import json
from http import HTTPStatus
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

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.errors import DistdError

CONTENT_TYPE: Final = "application/problem+json"

# By kind; the first that fits.
STATUS: Final[Mapping[type[DistdError], int]] = {
    NotFound: 404,
    TooLarge: 413,
    DigestMismatch: 422,
    BadInput: 400,
    Conflict: 409,
    Corrupt: 500,
    NoSpace: 507,
    Unavailable: 503,
}
UNAUTHORIZED: Final = "expected an operator's name and password"
CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="distd"'}


def status_of(error: DistdError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def content_of(status: int, detail: str) -> dict[str, Any]:
    """The JSON object of a problem that has no fields."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}


def content_of_error(error: DistdError) -> dict[str, Any]:
    """The JSON object that says what is wrong."""
    content = content_of(status_of(error), str(error))
    if isinstance(error, BadInput):
        fault = {"field": error.field, "expected": error.expected, "got": shorten(error.got), "hint": error.hint}
        content["errors"] = [fault]
    elif isinstance(error, Conflict):
        content["errors"] = [{"field": error.field, "expected": "", "got": "", "hint": error.hint}]
    return content


def answer(content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """The answer with a problem."""
    return Response(json.dumps(content), content["status"], dict(headers or {}), content_type=CONTENT_TYPE)
