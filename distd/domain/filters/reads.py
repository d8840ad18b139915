"""What a filter reads: which changes of a computer can change whether the filter holds for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from distd.domain.filters.criteria import is_age
from distd.domain.filters.fields import FIELDS, WORD_FIELDS, Kind, ReadSection, account_field, find_field
from distd.domain.filters.tree import Compare, Empty, InGroup, PackageInState, Software, Word, leaves

if TYPE_CHECKING:
    from collections.abc import Iterable

    from distd.domain.filters.tree import Leaf, Node


@dataclass(frozen=True, slots=True)
class Reads:
    """`fields`: names, `account.` with the folded key; `sections`: where these and the rest come from; `groups`: the
    patterns of the names of groups. `by_clock`: what holds may change without a change of the computer."""

    fields: frozenset[str]
    sections: frozenset[ReadSection]
    groups: frozenset[str]
    by_clock: bool


def reads_of(tree: Node) -> Reads:
    """What this filter reads."""
    fields: set[str] = set()
    sections: set[ReadSection] = set()
    found = list(leaves(tree))
    for leaf in found:
        names = _fields_of(leaf)
        fields.update(map(account_field, names))
        sections.update(find_field(name).section for name in names)
        sections.update(_section_of(leaf))
    return Reads(
        fields=frozenset(fields),
        sections=frozenset(sections),
        groups=frozenset(leaf.name for leaf in found if isinstance(leaf, InGroup)),
        by_clock=any(isinstance(leaf, Compare) and _has_age(leaf) for leaf in found),
    )


def together(many: Iterable[Reads]) -> Reads:
    """What some filters read."""
    found = list(many)
    return Reads(
        fields=frozenset[str]().union(*(each.fields for each in found)),
        sections=frozenset[ReadSection]().union(*(each.sections for each in found)),
        groups=frozenset[str]().union(*(each.groups for each in found)),
        by_clock=any(each.by_clock for each in found),
    )


def _fields_of(leaf: Leaf) -> tuple[str, ...]:
    match leaf:
        case Compare(field) | Empty(field):
            return (field,)
        case Word():
            return WORD_FIELDS
    return ()


def _section_of(leaf: Leaf) -> tuple[ReadSection, ...]:
    match leaf:
        case Software():
            return (ReadSection.SOFTWARE,)
        case PackageInState():
            return (ReadSection.ASSIGNMENTS,)
        case InGroup():
            return (ReadSection.GROUPS,)
    return ()


def _has_age(leaf: Compare) -> bool:
    field = FIELDS.get(leaf.field)
    return field is not None and field.kind is Kind.TIME and is_age(leaf.values[0])
