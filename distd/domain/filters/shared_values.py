"""What many filters ask of the values of fields, answered once for each value, however many computers have it. Pure.

As `shared_software` has it for software: each different comparison is a bit, a computer has the bits of all its values.
The bits of values that came last are remembered, as most computers of a site have the same ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.filters.fields import account_field
from distd.domain.filters.judge import judge_values
from distd.domain.lru import Lru

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from distd.domain.filters.facts import Value
    from distd.domain.filters.judge import Judge
    from distd.domain.filters.tree import Compare

MAX_REMEMBERED: Final = 4096  # values of each field


class SharedValues:
    """The comparisons of some filters that do not depend on the time."""

    def __init__(self) -> None:
        self._bits: dict[Compare, int] = {}
        self._fields: dict[str, _Comparisons] = {}

    def __len__(self) -> int:
        """How many different comparisons there are."""
        return len(self._bits)

    def judge(self, node: Compare) -> Judge:
        """For `compile_filter`: the facts' `value_marks` say it."""
        bit = self._bits.get(node)
        if bit is None:
            bit = self._bits[node] = 1 << len(self._bits)
            self._fields.setdefault(account_field(node.field), _Comparisons()).add(bit, judge_values(node))
        return lambda facts, _: facts.value_marks & bit != 0

    def marks(self, values: Mapping[str, tuple[Value, ...]]) -> int:
        """`FilterFacts.value_marks` of a computer with these values."""
        found = 0
        for name, comparisons in self._fields.items():
            if theirs := values.get(name):
                found |= comparisons.marks(theirs)
        return found


class _Comparisons:
    """Those of one field."""

    __slots__ = ("_questions", "_remembered")

    def __init__(self) -> None:
        self._questions: list[tuple[int, Callable[[Sequence[Value]], bool]]] = []
        self._remembered: Lru[tuple[Value, ...], int] = Lru(MAX_REMEMBERED)

    def add(self, bit: int, holds: Callable[[Sequence[Value]], bool]) -> None:
        """Another one; before the first values are asked for."""
        self._questions.append((bit, holds))

    def marks(self, values: tuple[Value, ...]) -> int:
        """The bits of those that hold for one of the values."""
        found = self._remembered.get(values)
        if found is None:
            found = sum(bit for bit, holds in self._questions if holds(values))
            self._remembered.put(values, found)
        return found
