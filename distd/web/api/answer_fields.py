"""Header fields of every answer of the API.

What it sends was partly written by others: the document of a computer is what its agent sent. A browser that opens an
answer, signed in to the console of the same origin, shows it and runs nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWER_FIELDS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
FIELD_MEANINGS: Final[Mapping[str, str]] = {
    "Cache-Control": "No cache keeps the answer.",
    "Content-Security-Policy": "A browser runs nothing of the answer.",
    "X-Content-Type-Options": "It is of the type that it says.",
}
