"""A page of a list: lists are long, and nobody gets one whole by accident.

A list has an order by columns that say together where a row is. A page is what comes after a place in that order, so it
is as quick at the end of a list as at its beginning, and rows that come and go in between shift nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from distd.domain.errors import BadInput, writable

T = TypeVar("T")

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000
MAX_CURSOR: Final = 2048  # characters

Place: TypeAlias = Sequence[str | int | None]  # the values of a row in the columns that the list is ordered by


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`items` of a list that has `total`; `next` is the cursor of the page that follows, None: there is none."""

    items: list[T]
    next: str | None
    total: int


@dataclass(frozen=True, slots=True)
class Window:
    """Which page: at most `limit` items, after the `place` in the list; None: from its beginning."""

    limit: int = DEFAULT_LIMIT
    place: Place | None = None


EVERYTHING: Final = Window(1 << 31)


def read_window(limit: int | None, cursor: str | None, kinds: Sequence[type]) -> Window:
    """The window that a request asks for. `kinds` are the types of the list's place. Raises `BadInput`."""
    if limit is None:
        limit = DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput("limit", f"1 to {MAX_LIMIT}", limit)
    return Window(limit, None if cursor is None else _read_cursor(cursor, kinds))


def write_cursor(place: Place) -> str:
    """The text by which the page after `place` is asked for; for its readers it has no meaning."""
    return base64.urlsafe_b64encode(json.dumps(list(place), separators=(",", ":")).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, kinds: Sequence[type]) -> Place:
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        place = None
    if not isinstance(place, list) or len(place) != len(kinds) or not all(map(_is_of, place, kinds)):
        raise BadInput("cursor", "what `next` of the page before said", cursor)
    return place


def _is_of(value: object, kind: type) -> bool:
    """A bool is no number here, no number is too large for the database, and it can keep every text."""
    if isinstance(value, int):
        return kind is int and not isinstance(value, bool) and abs(value) < 1 << 63
    if isinstance(value, str) and writable(value) != value:
        return False
    return value is None or isinstance(value, kind)
