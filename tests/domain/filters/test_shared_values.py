"""Values that are judged once for many filters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from distd.domain.computer_facts import Account, Interface
from distd.domain.filters.facts import filter_facts
from distd.domain.filters.judge import LeafJudges, compile_filter
from distd.domain.filters.parse import parse
from distd.domain.filters.render import render
from distd.domain.filters.shared_values import MAX_REMEMBERED, SharedValues
from distd.domain.folding import fold
from tests.fixtures import filters
from tests.fixtures.filters import NOW_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.domain.filters.facts import FilterFacts
    from distd.domain.filters.tree import Node


@given(
    st.lists(filters.computer_rows(), min_size=1, max_size=4),
    st.lists(st.one_of(filters.trees, filters.comparisons()), min_size=1, max_size=16),
)
def test_marks_say_what_the_values_say(computers: Sequence[dict[str, Any]], trees: Sequence[Node]) -> None:
    shared = SharedValues()
    compiled = [(compile_filter(tree, LeafJudges(of_compare=shared.judge)), compile_filter(tree)) for tree in trees]
    for rows in (*computers, *computers):  # the second time they are remembered
        facts = facts_of(rows)
        marked = replace(facts, value_marks=shared.marks(facts.values))
        for by_marks, by_values in compiled:
            assert by_marks.matches(marked, NOW_S) is by_values.matches(facts, NOW_S), render(by_values.tree)


def facts_of(rows: dict[str, Any]) -> FilterFacts:
    accounts = {fold(key): Account(key, value) for key, value in rows["accounts"].items()}
    interfaces = [Interface(**each) for each in rows["interfaces"]]
    return filter_facts(rows["columns"], interfaces, accounts, groups=rows["groups"])


def test_a_comparison_that_several_filters_have_is_one() -> None:
    shared = SharedValues()
    for text in ("tag = a", "tag = a AND NOT memory > 1GiB", "NOT (tag = a OR memory > 1GiB)", "last_contact < 7d"):
        compile_filter(parse(text), LeafJudges(of_compare=shared.judge))
    assert len(shared) == 2  # an age is judged each time


def test_what_is_remembered_has_a_limit() -> None:
    shared = SharedValues()
    holds = compile_filter(parse("cores > 7"), LeafJudges(of_compare=shared.judge)).matches
    for cores in range(1, 2 * MAX_REMEMBERED):
        facts = filter_facts({"cores": cores})
        assert holds(replace(facts, value_marks=shared.marks(facts.values)), NOW_S) is (cores > 7)
    (comparisons,) = shared._fields.values()
    assert len(comparisons._remembered) == MAX_REMEMBERED
