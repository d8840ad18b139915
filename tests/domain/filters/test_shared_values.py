"""Values that are judged once for many filters."""

from __future__ import annotations

from distd.domain.filters.facts import filter_facts
from distd.domain.filters.parse import parse
from distd.domain.filters.shared_values import MAX_REMEMBERED, SharedValues
from distd.domain.filters.tree import Compare


def comparison(text: str) -> Compare:
    node = parse(text)
    assert isinstance(node, Compare)
    return node


def test_a_comparison_that_several_filters_have_is_one() -> None:
    shared = SharedValues()
    assert [shared.number(comparison(text)) for text in ("tag = a", "memory > 1GiB", "tag = a")] == [0, 1, 0]
    assert len(shared) == 2
    computers = [filter_facts({"tag_key": "a"}), filter_facts({"tag_key": "a", "memory_bytes": 2**31})]
    assert shared.answers(each.values for each in computers) == [0b11, 0b10]


def test_what_is_remembered_has_a_limit() -> None:
    shared = SharedValues()
    shared.number(comparison("cores > 7"))
    for cores in range(1, 2 * MAX_REMEMBERED):
        assert shared.answers([filter_facts({"cores": cores}).values]) == [cores > 7]
    (comparisons,) = shared._fields.values()
    assert len(comparisons._remembered) == MAX_REMEMBERED
