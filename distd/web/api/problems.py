"""Errors as answers: which status each kind has, and the JSON that says it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from quart import Response

from distd.domain.errors import BadInput, Conflict, Corrupt, NotFound, TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.errors import DistdError

# By kind; the first that fits.
STATUS: Final[Mapping[type[DistdError], int]] = {
    NotFound: 404,
    TooLarge: 413,
    BadInput: 400,
    Conflict: 409,
    Corrupt: 500,
    Unavailable: 503,
}
UNAUTHORIZED: Final = "expected an operator's name and password"
CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="distd"'}


def status_of(error: DistdError, statuses: Mapping[type[DistdError], int] = STATUS) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in statuses.items() if isinstance(error, kind)), 500)


def content_of(message: str) -> dict[str, Any]:
    """The JSON object that says what is wrong."""
    return {"error": message}


def problem(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that says what is wrong."""
    return Response(json.dumps(content_of(message)), status, dict(headers or {}), content_type="application/json")
