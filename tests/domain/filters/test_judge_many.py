"""Many computers judged at once, as each is alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from distd.domain.computer_facts import Account, InstalledSoftware, Interface
from distd.domain.filters.facts import filter_facts
from distd.domain.filters.judge import compile_filter
from distd.domain.filters.judge_many import ManyFacts, SharedLeaves, compile_many
from distd.domain.filters.patterns import read_pattern
from distd.domain.filters.render import render
from distd.domain.filters.shared_software import SharedSoftware
from distd.domain.filters.shared_values import SharedValues
from distd.domain.folding import fold
from tests.fixtures import filters
from tests.fixtures.filters import GROUPS, NOW_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.domain.filters.facts import FilterFacts
    from distd.domain.filters.tree import Node


@given(
    st.lists(filters.computer_rows(), min_size=1, max_size=5),
    st.lists(filters.trees, min_size=1, max_size=8),
    st.integers(0, 31),
)
def test_they_are_judged_as_each_alone(computers: Sequence[dict[str, Any]], trees: Sequence[Node], among: int) -> None:
    facts = [facts_of(rows) for rows in computers]
    among &= (1 << len(facts)) - 1
    shared = SharedLeaves(SharedValues(), SharedSoftware(), groups_like)
    judges = [compile_many(tree, shared) for tree in trees]
    known = ManyFacts(
        facts,
        shared.values.answers(each.values for each in facts),
        shared.software.answers(marks_of(shared.software, each) for each in facts),
        {number: set_of(fold(name) in each.groups for each in facts) for number, name in enumerate(GROUPS)},
        NOW_S,
    )
    for tree, judge in zip(trees, judges, strict=True):
        alone = compile_filter(tree).matches
        assert judge(known, among) == among & set_of(alone(each, NOW_S) for each in facts), render(tree)


def groups_like(pattern: str) -> list[int]:
    matches = read_pattern(pattern, whole=True).matches
    return [number for number, name in enumerate(GROUPS) if matches(fold(name))]


def set_of(holds: Any) -> int:
    return sum(1 << place for place, each in enumerate(holds) if each)


def marks_of(shared: SharedSoftware, facts: FilterFacts) -> int:
    judged = shared.judge_all(dict(enumerate(facts.software)))
    return shared.marks(judged, judged)


def facts_of(rows: dict[str, Any]) -> FilterFacts:
    accounts = {fold(key): Account(key, value) for key, value in rows["accounts"].items()}
    interfaces = [Interface(**each) for each in rows["interfaces"]]
    software = [InstalledSoftware(*each) for each in rows["software"]]
    return filter_facts(rows["columns"], interfaces, accounts, software, groups=rows["groups"])
