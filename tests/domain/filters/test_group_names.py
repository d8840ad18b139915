"""Filters that name groups."""

from __future__ import annotations

import pytest

from distd.domain.filters.group_names import names_group, rename_group
from distd.domain.filters.parse import parse
from distd.domain.filters.render import render

RENAMED = {
    'group("Class A")': 'group("Lab")',
    'windows AND (NOT group("class a") OR group("B"))': 'windows AND (NOT group("Lab") OR group("B"))',
    'group("Class*")': 'group("Class*")',
    'group("Class ?") OR name = "Class A"': 'group("Class ?") OR name = "Class A"',
}


@pytest.mark.parametrize(("before", "after"), RENAMED.items(), ids=RENAMED)
def test_another_name(before: str, after: str) -> None:
    tree = parse(before)
    assert names_group(tree, "CLASS A") is (before != after)
    assert render(rename_group(tree, "Class A", "Lab")) == after


def test_jokers_of_a_name_are_characters() -> None:
    renamed = rename_group(parse('group("a")'), "a", r"b*\?")
    assert parse(render(renamed)) == renamed
    assert names_group(renamed, r"b*\?")
    assert not names_group(renamed, "bcd")
