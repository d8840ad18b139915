"""Numbers of fragments as text: {1, 2, 3, 7} is "1-3,7"."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def render(numbers: Iterable[int]) -> str:
    """{1, 2, 3, 7} as "1-3,7"."""
    parts = []
    for _, run in itertools.groupby(enumerate(sorted(set(numbers))), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        parts.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return ",".join(parts)


def parse(text: str, limit: int | None = None) -> set[int]:
    """The numbers in a text that `render` wrote. Raises `ValueError` for others, and for more than `limit` numbers."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        span = range(int(first), int(last or first) + 1)
        if limit is not None and len(numbers) + len(span) > limit:
            raise ValueError(f"more than {limit} numbers")
        numbers.update(span)
    return numbers
