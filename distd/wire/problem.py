"""Problems (RFC 9457): how an error looks to a client of the API. Pure.

{"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "priority: expected 0 to 10, got 11"}
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any, Final

CONTENT_TYPE: Final = "application/problem+json"

_API_REQUEST: Final = re.compile(rb"\s*[^ ]{1,64} (?:https?://[^/ ]*)?/api/", re.IGNORECASE)


def content_of(status: int, detail: str) -> dict[str, Any]:
    """The JSON object of a problem that has no fields."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}


def body_of(status: int, detail: str) -> bytes:
    """The body of an answer with such a problem."""
    return json.dumps(content_of(status, detail)).encode()


def is_for_api(head: bytes) -> bool:
    """Whether the head of a request, which need not be valid or whole, is one for the API."""
    return _API_REQUEST.match(head) is not None
