"""Dynamic groups: computers that match a filter are members, and which group asks for which other. Pure.

A filter may ask for other groups (`group("Class*")`), so groups are nested; no group may ask for itself, not through
others either. What computers are members of is judged in memory, some computers at a time, and only where something has
changed that a filter reads: see `DynamicGroups`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from distd.domain.bits import places_of
from distd.domain.errors import Conflict
from distd.domain.filters.fields import ReadSection
from distd.domain.filters.judge_many import ManyFacts, SharedLeaves, compile_many
from distd.domain.filters.patterns import read_pattern
from distd.domain.filters.reads import reads_of, together
from distd.domain.filters.shared_software import SharedSoftware
from distd.domain.filters.shared_values import SharedValues
from distd.domain.folding import fold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from distd.domain.filters.facts import FilterFacts
    from distd.domain.filters.judge_many import JudgeMany
    from distd.domain.filters.reads import Reads
    from distd.domain.filters.tree import Node

Key = TypeVar("Key")
# What changes without an inventory: such groups are judged at every contact.
CHANGING: Final = frozenset({ReadSection.CONTACT, ReadSection.ASSIGNMENTS})


@dataclass(frozen=True, slots=True)
class DynamicGroup:
    """`reads`: what its filter reads; `asks_for`: ids of dynamic groups that it names."""

    id: int
    name: str
    tree: Node
    reads: Reads
    judge: JudgeMany
    asks_for: frozenset[int]


class JudgedComputers(NamedTuple):
    """What is known of computers that are judged, by their ids.

    `which`: by which groups each is judged. `software`: what `SharedSoftware.marks` gave of it; nothing is needed where
    no filter reads software. `members`: a group, and a computer that is in it; `picked`: a group, a computer, and
    whether an operator has decided that it is in it.
    """

    facts: Mapping[int, FilterFacts]
    which: Mapping[int, frozenset[int]]
    software: Mapping[int, int]
    members: Sequence[tuple[int, int]]
    picked: Sequence[tuple[int, int, bool]]


class ChangedMembers(NamedTuple):
    """By the id of a group the ids of computers."""

    joined: dict[int, list[int]]
    left: dict[int, list[int]]


class DynamicGroups:
    """All dynamic groups of a site, compiled together; a group comes after those that it asks for."""

    def __init__(self, filters: Mapping[str, tuple[int, Node]], static: Mapping[str, int] | None = None) -> None:
        """Ids and filters by the groups' names, and the ids of static ones by theirs. Raises `Conflict` where a group
        asks for itself."""
        self.software = SharedSoftware()
        self._values = SharedValues()
        ids = {name: group_id for name, (group_id, _) in filters.items()}
        self._keys = {group_id: fold(name) for name, group_id in (ids | dict(static or {})).items()}
        shared = SharedLeaves(self._values, self.software, self._groups_like)
        asked = {name: asks_for(tree, filters) for name, (_, tree) in filters.items()}
        trees = {name: filters[name][1] for name in in_order(asked)}
        self.groups: tuple[DynamicGroup, ...] = tuple(
            DynamicGroup(
                id=ids[name],
                name=name,
                tree=tree,
                reads=reads_of(tree),
                judge=compile_many(tree, shared),
                asks_for=frozenset(ids[other] for other in asked[name]),
            )
            for name, tree in trees.items()
        )
        self.all: frozenset[int] = frozenset(ids.values())
        self.volatile: frozenset[int] = frozenset(group.id for group in self.groups if _is_volatile(group))
        self._reading: dict[ReadSection, frozenset[int]] = {
            section: frozenset(group.id for group in self.groups if section in group.reads.sections)
            for section in ReadSection
        }

    def _groups_like(self, pattern: str) -> list[int]:
        """All names are known, so which of them a pattern is like is found out once."""
        matches = read_pattern(pattern, whole=True).matches
        return [group_id for group_id, key in self._keys.items() if matches(key)]

    def reading(self, sections: Iterable[ReadSection]) -> frozenset[int]:
        """The groups whose filters read one of these."""
        return frozenset[int]().union(*(self._reading[section] for section in sections))

    def asking_for(self, name: str) -> frozenset[int]:
        """The groups whose filters name this one, which may be static."""
        return frozenset(group.id for group in self.groups if name in asks_for(group.tree, [name]))

    def reads(self, which: Collection[int]) -> Reads:
        """What must be known to judge these groups, and those that ask for them."""
        reached, found = set(which), []
        for group in self.groups:
            if group.id in reached or not group.asks_for.isdisjoint(reached):
                reached.add(group.id)
                found.append(group.reads)
        return together(found)

    def judge(self, computers: JudgedComputers, now_s: float) -> ChangedMembers:
        """Which memberships change: of the groups by which a computer is judged, and of those that ask for one whose
        membership changes."""
        bits = {computer_id: 1 << place for place, computer_id in enumerate(computers.facts)}
        judged = _sets(bits, ((computers.which[computer_id], computer_id) for computer_id in bits))
        members = _sets(bits, computers.members)
        included = _sets(bits, ((group, computer) for group, computer, is_in in computers.picked if is_in))
        picked = _sets(bits, ((group, computer) for group, computer, _ in computers.picked))
        known = self._known(computers, members, now_s)
        changed = dict[int, int]()
        for group in self.groups:
            among = sum(some for which, some in judged.items() if group.id in which)
            for other in group.asks_for & changed.keys():
                among |= changed[other]
            if not among:
                continue
            before, by_hand = members[group.id], picked[group.id]
            after = before & ~among | included[group.id] & among | group.judge(known, among & ~by_hand)
            if after != before:
                changed[group.id], members[group.id] = before ^ after, after
        return _changed_members(list(bits), changed, members)

    def _known(self, computers: JudgedComputers, members: Mapping[int, int], now_s: float) -> ManyFacts:
        facts, marks = computers.facts, computers.software
        values = self._values.answers(each.values for each in facts.values())
        software = self.software.answers(marks.get(computer_id, 0) for computer_id in facts)
        return ManyFacts(list(facts.values()), values, software, members, now_s)


def asks_for(tree: Node, names: Iterable[str]) -> list[str]:
    """Those of the names of groups that a filter names."""
    patterns = [read_pattern(pattern, whole=True) for pattern in reads_of(tree).groups]
    return [name for name in names if any(pattern.matches(fold(name)) for pattern in patterns)]


def in_order(asked: Mapping[str, Iterable[str]]) -> list[str]:
    """Names of groups, each after those that it asks for. Raises `Conflict` where one asks for itself."""
    try:
        return list(TopologicalSorter(asked).static_order())
    except CycleError as error:
        path = " asks for ".join(reversed(error.args[1]))
        raise Conflict("filter", f"no group may ask for itself: {path}", "leave one of them out") from None


def _is_volatile(group: DynamicGroup) -> bool:
    return group.reads.by_clock or not CHANGING.isdisjoint(group.reads.sections)


def _sets(bits: Mapping[int, int], pairs: Iterable[tuple[Key, int]]) -> defaultdict[Key, int]:
    """By the first of each pair the set of computers."""
    found = defaultdict[Key, int](int)
    for key, computer_id in pairs:
        found[key] |= bits.get(computer_id, 0)
    return found


def _changed_members(ids: Sequence[int], changed: Mapping[int, int], members: Mapping[int, int]) -> ChangedMembers:
    found = ChangedMembers({}, {})
    for group_id, bits in changed.items():
        for by_group, some in ((found.joined, bits & members[group_id]), (found.left, bits & ~members[group_id])):
            if some:
                by_group[group_id] = [ids[place] for place in places_of(some)]
    return found
