"""What an origin says when it refuses, in one line."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

MAX_REASON_CHARACTERS: Final = 300


def reason_of(body: bytes) -> str:
    """The detail of a problem (RFC 9457), of an origin of 0.1 its error; else the text itself."""
    text = body.decode("utf-8", "replace")
    with suppress(ValueError):
        problem = json.loads(text)
        if isinstance(problem, dict):
            text = str(problem.get("detail") or problem.get("error") or text)
    text = " ".join(text.split())
    return text if len(text) <= MAX_REASON_CHARACTERS else f"{text[: MAX_REASON_CHARACTERS - 1]}…"
