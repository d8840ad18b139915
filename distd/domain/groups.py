"""Dynamic groups: computers that match a filter are members, and which group asks for which other. Pure.

A filter may ask for other groups (`group("Class*")`), so groups are nested; no group may ask for itself, not through
others either. What a computer is a member of is judged in memory, one computer at a time, and only where something has
changed that a filter reads: see `DynamicGroups`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Final

from distd.domain.errors import Conflict
from distd.domain.filters.fields import ReadSection
from distd.domain.filters.judge import LeafJudges, compile_filter
from distd.domain.filters.patterns import read_pattern
from distd.domain.filters.reads import reads_of
from distd.domain.filters.shared_software import SharedSoftware
from distd.domain.filters.shared_values import SharedValues
from distd.domain.folding import fold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from distd.domain.filters.facts import FilterFacts
    from distd.domain.filters.judge import CompiledFilter, Judge
    from distd.domain.filters.tree import InGroup, Node

# What changes without an inventory: such groups are judged at every contact.
CHANGING: Final = frozenset({ReadSection.CONTACT, ReadSection.ASSIGNMENTS})


@dataclass(frozen=True, slots=True)
class DynamicGroup:
    """`key`: its folded name. `asks_for`: ids of dynamic groups that its filter names."""

    id: int
    name: str
    key: str
    filter: CompiledFilter
    asks_for: frozenset[int]


class DynamicGroups:
    """All dynamic groups of a site, compiled together; a group comes after those that it asks for."""

    def __init__(self, filters: Mapping[str, tuple[int, Node]], static: Iterable[str] = ()) -> None:
        """Ids and filters by the groups' names, and the names of static ones. Raises `Conflict` where a group asks for
        itself."""
        self.software = SharedSoftware()
        self._values = SharedValues()
        leaf_judges = LeafJudges(self.software.judge, self._judge_group, self._values.judge)
        self._keys = [fold(name) for name in (*filters, *static)]
        ids = {name: group_id for name, (group_id, _) in filters.items()}
        asked = {name: asks_for(tree, filters) for name, (_, tree) in filters.items()}
        self.groups: tuple[DynamicGroup, ...] = tuple(
            DynamicGroup(
                ids[name],
                name,
                fold(name),
                compile_filter(filters[name][1], leaf_judges),
                frozenset(ids[other] for other in asked[name]),
            )
            for name in in_order(asked)
        )
        self.all: frozenset[int] = frozenset(ids.values())
        self.volatile: frozenset[int] = frozenset(group.id for group in self.groups if _is_volatile(group))
        self._reading: dict[ReadSection, frozenset[int]] = {
            section: frozenset(group.id for group in self.groups if section in group.filter.reads.sections)
            for section in ReadSection
        }

    def _judge_group(self, node: InGroup) -> Judge:
        """All names are known, so which of them a pattern is like is found out once."""
        meant = frozenset(filter(read_pattern(node.name, whole=True).matches, self._keys))
        return lambda facts, _: not meant.isdisjoint(facts.groups)

    def reading(self, sections: Iterable[ReadSection]) -> frozenset[int]:
        """The groups whose filters read one of these."""
        return frozenset[int]().union(*(self._reading[section] for section in sections))

    def asking_for(self, name: str) -> frozenset[int]:
        """The groups whose filters name this one, which may be static."""
        return frozenset(group.id for group in self.groups if name in asks_for(group.filter.tree, [name]))

    def sections(self, which: Collection[int]) -> frozenset[ReadSection]:
        """What must be known to judge these groups, and those that ask for them."""
        found, reached = set[ReadSection](), set(which)
        for group in self.groups:
            if group.id in reached or group.asks_for & reached:
                reached.add(group.id)
                found |= group.filter.reads.sections
        return frozenset(found)

    def judge(
        self, facts: FilterFacts, now_s: float, which: Collection[int], picked: Mapping[int, bool]
    ) -> dict[int, bool]:
        """Which memberships of a computer change: by the group's id whether it is a member now.

        `which` groups are judged, and those that ask for one whose membership changes. `picked`: memberships that an
        operator has decided. `facts.groups`: those that it is in.
        """
        changed: dict[int, bool] = {}
        facts = replace(facts, value_marks=self._values.marks(facts.values))
        for group in self.groups:
            if group.id not in which and not group.asks_for & changed.keys():
                continue
            is_member = picked.get(group.id)
            if is_member is None:
                is_member = group.filter.matches(facts, now_s)
            if is_member is not (group.key in facts.groups):
                changed[group.id] = is_member
                others = facts.groups - {group.key}
                facts = replace(facts, groups=others | {group.key} if is_member else others)
        return changed


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
    return group.filter.reads.by_clock or not CHANGING.isdisjoint(group.filter.reads.sections)
