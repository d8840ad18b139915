"""Numbers of fragments as text: {1, 2, 3, 7} is "1-3,7"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def render(numbers: Iterable[int]) -> str:
    """{1, 2, 3, 7} as "1-3,7"."""
    return add("", numbers)[0]


def add(text: str, numbers: Iterable[int]) -> tuple[str, int]:
    """The ranges in a text with more `numbers`, and how many they are then: in time by the ranges, not by the numbers,
    of which a computer that fetches in order has many in one range."""
    added = list(numbers)
    if len(added) == 1 and text and "," not in text:  # the next one of a computer that fetches in order
        begin, _, end = text.partition("-")
        if added[0] == int(end or begin) + 1:
            return f"{begin}-{added[0]}", added[0] - int(begin) + 1
    spans = [(number, number) for number in added]
    for part in filter(None, text.split(",")):
        begin, _, end = part.partition("-")
        spans.append((int(begin), int(end or begin)))
    spans.sort()
    merged: list[tuple[int, int]] = []
    for first, last in spans:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    shown = ",".join([f"{first}-{last}" if last > first else str(first) for first, last in merged])
    return shown, sum([last - first + 1 for first, last in merged])


def parse(text: str, limit: int | None = None) -> set[int]:
    """The numbers in a text that `render` wrote. Raises `ValueError` for others, and for more than `limit` numbers."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        start, stop = int(first), int(last or first) + 1
        if limit is not None and len(numbers) + stop - start > limit:  # before a range is made, which has its own limit
            raise ValueError(f"more than {limit} numbers")
        numbers.update(range(start, stop))
    return numbers
