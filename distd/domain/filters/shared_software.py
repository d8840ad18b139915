"""What many filters ask of software, judged once for each software, however many computers have it. Pure.

Two hundred filters and a computer's hundreds of programs would be a hundred thousand comparisons at each inventory.
Instead each different question is a bit: a software has the bits of the questions that it answers with yes, which are
remembered by its id, and a computer has the bits of all its software.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.filters.facts import installed_facts
from distd.domain.filters.judge import judge_installed
from distd.domain.lru import Lru

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from distd.domain.computer_facts import InstalledSoftware
    from distd.domain.filters.facts import InstalledFacts
    from distd.domain.filters.judge import Judge
    from distd.domain.filters.tree import Software

MAX_REMEMBERED: Final = 200_000  # software, and computers: some 60 MB


class SharedSoftware:
    """The questions of some filters, and which software answers them with yes.

    `committed`: up to this id software is in the catalogue for good. An id beyond may become that of another software,
    if the transaction that has added it is rolled back, and must not be remembered.
    """

    def __init__(self) -> None:
        self.committed = 0
        self._bits: dict[Software, int] = {}
        self._questions: list[Callable[[InstalledFacts], bool]] = []
        self._marks: dict[int, int] = {}
        self._of_computers: Lru[int, tuple[bytes, int]] = Lru(MAX_REMEMBERED)

    def __len__(self) -> int:
        """How many different questions there are."""
        return len(self._questions)

    def judge(self, node: Software) -> Judge:
        """For `compile_filter`: the facts' `software_marks` say it."""
        if node not in self._bits:
            self._bits[node] = 1 << len(self._questions)
            self._questions.append(judge_installed(node))
        bit = self._bits[node]
        return lambda facts, _: bool(facts.software_marks & bit)

    def marks_of(self, computer_id: int, digest: bytes) -> int | None:
        """The bits of a computer whose software has this digest; None: they are not remembered."""
        known = self._of_computers.get(computer_id)
        return known[1] if known is not None and digest and known[0] == digest else None

    def remember_computer(self, computer_id: int, digest: bytes, marks: int) -> None:
        """What `marks` gave of a computer. The digest stands for what its software is; empty: nothing is known."""
        if digest:
            self._of_computers.put(computer_id, (digest, marks))

    def unknown(self, ids: Iterable[int]) -> set[int]:
        """Those of these ids of software of which nothing is remembered."""
        return {each for each in ids if each not in self._marks}

    def judge_all(self, software: Mapping[int, InstalledSoftware]) -> dict[int, int]:
        """The bits of software, by its id."""
        found = {}
        for key, each in software.items():
            facts = installed_facts(each)
            found[key] = sum(1 << place for place, holds in enumerate(self._questions) if holds(facts))
        return found

    def remember(self, marks: Mapping[int, int]) -> None:
        """What `judge_all` gave, of ids up to `committed`."""
        if len(self._marks) + len(marks) > MAX_REMEMBERED:
            self._marks.clear()
        self._marks.update(marks)

    def marks(self, ids: Iterable[int], others: Mapping[int, int]) -> int:
        """`FilterFacts.software_marks` of a computer that has this software. `others`: bits that are not remembered."""
        found = 0
        for each in ids:
            known = self._marks.get(each)
            found |= others.get(each, 0) if known is None else known
        return found
