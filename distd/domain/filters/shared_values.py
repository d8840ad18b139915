"""What many filters ask of the values of fields, answered once for each value, however many computers have it. Pure.

As `shared_software` has it for software: each different comparison has a number. Which comparisons hold for the values
that came last is remembered, as most computers of a site have the same ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.filters.fields import account_field
from distd.domain.filters.judge import judge_values
from distd.domain.lru import Lru

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from distd.domain.filters.facts import Value
    from distd.domain.filters.tree import Compare

MAX_REMEMBERED: Final = 4096  # values of each field


class SharedValues:
    """The comparisons of some filters that do not depend on the time."""

    def __init__(self) -> None:
        self._numbers: dict[Compare, int] = {}
        self._fields: dict[str, _Comparisons] = {}

    def __len__(self) -> int:
        """How many different comparisons there are."""
        return len(self._numbers)

    def number(self, node: Compare) -> int:
        """The number of this comparison, from 0; before the first values are asked for."""
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self._numbers)
            self._fields.setdefault(account_field(node.field), _Comparisons()).add(number, judge_values(node))
        return number

    def answers(self, computers: Iterable[Mapping[str, tuple[Value, ...]]]) -> list[int]:
        """By the number of a comparison a bit for each computer, of which these are the values: whether it holds."""
        found = [0] * len(self._numbers)
        for place, values in enumerate(computers):
            bit = 1 << place
            for name, comparisons in self._fields.items():
                if theirs := values.get(name):
                    for number in comparisons.holding(theirs):
                        found[number] |= bit
        return found


class _Comparisons:
    """Those of one field."""

    __slots__ = ("_questions", "_remembered")

    def __init__(self) -> None:
        self._questions: list[tuple[int, Callable[[Sequence[Value]], bool]]] = []
        self._remembered: Lru[tuple[Value, ...], tuple[int, ...]] = Lru(MAX_REMEMBERED)

    def add(self, number: int, holds: Callable[[Sequence[Value]], bool]) -> None:
        """Another one; before the first values are asked for."""
        self._questions.append((number, holds))

    def holding(self, values: tuple[Value, ...]) -> tuple[int, ...]:
        """The numbers of those that hold for one of the values."""
        found = self._remembered.get(values)
        if found is None:
            found = tuple(number for number, holds in self._questions if holds(values))
            self._remembered.put(values, found)
        return found
