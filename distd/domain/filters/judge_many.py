"""Filters judged for many computers at once: for dynamic groups. Pure.

A set of computers is a number with a bit for each of them, so that AND, OR and NOT take an operation on numbers each,
however many computers there are. What many filters ask is answered once: comparisons of values (`shared_values`),
software (`shared_software`), members of groups. The rest is judged one computer at a time, as in `judge`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from distd.domain.bits import places_of
from distd.domain.filters.judge import compile_filter, is_aged
from distd.domain.filters.tree import And, Compare, InGroup, Not, Or, Software

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from distd.domain.filters.facts import FilterFacts
    from distd.domain.filters.shared_software import SharedSoftware
    from distd.domain.filters.shared_values import SharedValues
    from distd.domain.filters.tree import Leaf, Node

    # Of these computers (the second) those for which a filter holds.
    JudgeMany: TypeAlias = Callable[["ManyFacts", int], int]


@dataclass(frozen=True, slots=True)
class ManyFacts:
    """What is known of some computers; the place of a bit is that of a computer in `facts`.

    `values`, `software`: by the number of a shared question the computers that answer it with yes; `members`: by the
    id of a group those that are in it.
    """

    facts: Sequence[FilterFacts]
    values: Sequence[int]
    software: Sequence[int]
    members: Mapping[int, int]
    now_s: float


class SharedLeaves(NamedTuple):
    """What filters that are compiled together share. `groups_like`: ids of groups, by a pattern of their names."""

    values: SharedValues
    software: SharedSoftware
    groups_like: Callable[[str], Collection[int]]


def compile_many(node: Node, shared: SharedLeaves) -> JudgeMany:
    """What judges a filter by what it shares with others."""
    match node:
        case And(parts):
            return _all([compile_many(part, shared) for part in parts])
        case Or(parts):
            return _any([compile_many(part, shared) for part in parts])
        case Not(part):
            opposite = compile_many(part, shared)
            return lambda known, among: among & ~opposite(known, among)
        case Compare() if not is_aged(node):
            number = shared.values.number(node)
            return lambda known, among: among & known.values[number]
        case Software():
            number = shared.software.number(node)
            return lambda known, among: among & known.software[number]
        case InGroup(name):
            return _members(shared.groups_like(name))
        case _:
            return _one_by_one(node)


def _all(judges: Sequence[JudgeMany]) -> JudgeMany:
    def holds(known: ManyFacts, among: int) -> int:
        for judge in judges:
            among = judge(known, among)
            if not among:
                break
        return among

    return holds


def _any(judges: Sequence[JudgeMany]) -> JudgeMany:
    def holds(known: ManyFacts, among: int) -> int:
        left = among
        for judge in judges:
            left &= ~judge(known, left)
            if not left:
                break
        return among & ~left

    return holds


def _members(group_ids: Collection[int]) -> JudgeMany:
    def holds(known: ManyFacts, among: int) -> int:
        found = 0
        for group_id in group_ids:
            found |= known.members.get(group_id, 0)
        return among & found

    return holds


def _one_by_one(leaf: Leaf) -> JudgeMany:
    matches = compile_filter(leaf).matches

    def holds(known: ManyFacts, among: int) -> int:
        return sum(1 << place for place in places_of(among) if matches(known.facts[place], known.now_s))

    return holds
