"""What many filters ask of software, judged once for each software, however many computers have it. Pure.

Two hundred filters and a computer's hundreds of programs would be a hundred thousand comparisons at each inventory.
Instead each different question has a number. A software has as marks the bits at the numbers of the questions that it
answers with yes, which are remembered by its id, and a computer has the marks of all its software. Of software that is
new, the name alone answers most questions, and is often that of another version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from distd.domain.bits import places_of
from distd.domain.filters.judge import judge_installed
from distd.domain.lru import Lru

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from distd.domain.filters.facts import InstalledFacts
    from distd.domain.filters.tree import Software

MAX_REMEMBERED: Final = 200_000  # software, and computers: some 60 MB
MAX_NAMES: Final = 4096


class _Question(NamedTuple):
    """What is asked of a software's name, and of the rest: both must hold."""

    bit: int
    by_name: Callable[[InstalledFacts], bool]
    by_rest: Callable[[InstalledFacts], bool]


def _question_of(bit: int, node: Software) -> _Question:
    of_name = [each for each in node.criteria if each.field == "name"]
    rest = [each for each in node.criteria if each.field != "name"]
    return _Question(bit, judge_installed(of_name), judge_installed(rest))


class SharedSoftware:
    """The questions of some filters, and which software answers them with yes.

    `committed`: up to this id software is in the catalogue for good. An id beyond may become that of another software,
    if the transaction that has added it is rolled back, and must not be remembered.
    """

    def __init__(self) -> None:
        self.committed = 0
        self._numbers: dict[Software, int] = {}
        self._questions: list[_Question] = []
        self._of_names: Lru[str, tuple[_Question, ...]] = Lru(MAX_NAMES)
        self._marks: dict[int, int] = {}
        self._of_computers: Lru[int, tuple[bytes, int]] = Lru(MAX_REMEMBERED)

    def __len__(self) -> int:
        """How many different questions there are."""
        return len(self._questions)

    def number(self, node: Software) -> int:
        """The number of this question, from 0; before the first software is judged."""
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self._questions)
            self._questions.append(_question_of(1 << number, node))
        return number

    def marks_of(self, computer_id: int, digest: bytes) -> int | None:
        """The marks of a computer whose software has this digest; None: they are not remembered."""
        known = self._of_computers.get(computer_id)
        return known[1] if known is not None and digest and known[0] == digest else None

    def remember_computer(self, computer_id: int, digest: bytes, marks: int) -> None:
        """What `marks` gave of a computer. The digest stands for what its software is; empty: nothing is known."""
        if digest:
            self._of_computers.put(computer_id, (digest, marks))

    def unknown(self, ids: Iterable[int]) -> set[int]:
        """Those of these ids of software of which nothing is remembered."""
        return {each for each in ids if each not in self._marks}

    def judge_all(self, software: Mapping[int, InstalledFacts]) -> dict[int, int]:
        """The marks of software, by its id."""
        return {
            key: sum(question.bit for question in self._asked_of(each) if question.by_rest(each))
            for key, each in software.items()
        }

    def _asked_of(self, software: InstalledFacts) -> tuple[_Question, ...]:
        """Questions that software of this name may answer with yes."""
        found = self._of_names.get(software.name)
        if found is None:
            found = tuple(question for question in self._questions if question.by_name(software))
            self._of_names.put(software.name, found)
        return found

    def remember(self, marks: Mapping[int, int]) -> None:
        """What `judge_all` gave, of ids up to `committed`."""
        if len(self._marks) + len(marks) > MAX_REMEMBERED:
            self._marks.clear()
        self._marks.update(marks)

    def marks(self, ids: Iterable[int], others: Mapping[int, int]) -> int:
        """The marks of a computer that has this software. `others`: what is not remembered."""
        found = 0
        for each in ids:
            known = self._marks.get(each)
            found |= others.get(each, 0) if known is None else known
        return found

    def answers(self, marks: Iterable[int]) -> list[int]:
        """By the number of a question a bit for each computer, of which these are the marks: whether it has such
        software."""
        found = [0] * len(self._questions)
        for place, bits in enumerate(marks):
            for number in places_of(bits):
                found[number] |= 1 << place
        return found
