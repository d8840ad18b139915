"""Dynamic groups: their order, and which of them change by what."""

from __future__ import annotations

from typing import Any

import pytest

from distd.domain.errors import Conflict
from distd.domain.filters.facts import FilterFacts
from distd.domain.filters.fields import ReadSection
from distd.domain.filters.parse import parse
from distd.domain.groups import DynamicGroups, JudgedComputers, asks_for, in_order


def groups_of(**filters: str) -> DynamicGroups:
    return DynamicGroups({name: (number, parse(text)) for number, (name, text) in enumerate(filters.items(), 1)})


def judge(
    found: DynamicGroups, which: set[int], *groups: str, picked: dict[int, bool] | None = None, **values: Any
) -> dict[int, bool]:
    """The memberships that change of a computer with these values, which is in these groups; beside it there is one
    that is judged by no group."""
    ids = {group.name: group.id for group in found.groups}
    facts = FilterFacts({name: (value,) for name, value in values.items()})
    known = JudgedComputers(
        facts={7: FilterFacts({}), 8: facts},
        which={7: frozenset(), 8: frozenset(which)},
        software={},
        members=[(ids[name], 8) for name in groups],
        picked=[(group_id, 8, is_in) for group_id, is_in in (picked or {}).items()],
    )
    joined, left = found.judge(known, 0.0)
    assert all(computer_ids == [8] for computer_ids in (*joined.values(), *left.values()))
    return dict.fromkeys(joined, True) | dict.fromkeys(left, False)


def test_those_that_are_asked_for_come_first() -> None:
    found = groups_of(a='group("b") AND group("c")', b='group("c")', c="os ~ windows")
    assert [group.name for group in found.groups] == ["c", "b", "a"]
    assert [sorted(group.asks_for) for group in found.groups] == [[], [3], [2, 3]]


@pytest.mark.parametrize(
    ("filters", "path"),
    [
        ({"a": 'group("a")'}, "a asks for a"),
        ({"a": 'group("b")', "b": 'NOT group("A")'}, "a asks for b asks for a"),
        ({"a1": 'group("a*")'}, "a1 asks for a1"),
    ],
)
def test_no_group_asks_for_itself(filters: dict[str, str], path: str) -> None:
    with pytest.raises(Conflict, match="no group may ask for itself: ") as error:
        groups_of(**filters)
    names = set(path.split(" asks for "))
    assert names == set(str(error.value).partition("itself: ")[2].partition(";")[0].split(" asks for "))


def test_names_are_patterns_without_capitals() -> None:
    assert asks_for(parse('group("class ?")'), ["Class A", "Class B2", "CLASS c"]) == ["Class A", "CLASS c"]
    assert in_order({"x": ["y"], "y": []}) == ["y", "x"]


def test_only_what_is_asked_for_is_judged() -> None:
    found = groups_of(windows="os ~ windows", big="memory >= 8GiB")
    assert judge(found, {1}, os="windows 10", memory=16 * 2**30) == {1: True}
    assert judge(found, {1, 2}, os="windows 10", memory=16 * 2**30) == {1: True, 2: True}
    assert judge(found, {1}, "windows", os="linux") == {1: False}
    assert judge(found, {1}, "windows", os="windows 10") == {}


def test_who_asks_follows_in_the_same_step() -> None:
    found = groups_of(outer='NOT group("inner")', inner="os ~ windows", third='group("outer")')
    assert judge(found, {2}, "outer", "third", os="windows") == {2: True, 1: False, 3: False}
    assert judge(found, {2}, "inner", os="linux") == {2: False, 1: True, 3: True}


def test_what_was_decided_by_hand_holds() -> None:
    found = groups_of(windows="os ~ windows", outer='group("windows")')
    assert judge(found, {1}, os="linux", picked={1: True}) == {1: True, 2: True}
    assert judge(found, {1}, "windows", "outer", os="windows", picked={1: False}) == {1: False, 2: False}


def test_computers_that_are_judged_together_are_judged_each_by_its_own_groups() -> None:
    found = groups_of(windows="os ~ windows", big="cores >= 8", other='NOT group("windows")')
    facts = [FilterFacts({"os": ("windows",), "cores": (8,)}), FilterFacts({"cores": (8,)}), FilterFacts({})]
    known = JudgedComputers(
        facts=dict(enumerate(facts, 20)),
        which={20: frozenset({1, 2}), 21: frozenset({2, 3}), 22: frozenset({1})},
        software={},
        members=[(1, 22), (3, 20), (2, 22)],
        picked=[],
    )
    assert found.judge(known, 0.0) == ({1: [20], 2: [20, 21], 3: [21, 22]}, {1: [22], 3: [20]})


def test_what_filters_read() -> None:
    found = groups_of(
        a="os ~ windows",
        b='software("firefox*")',
        c="last_contact < 7d",
        d='package("x") = SUCCESS',
        e='group("b")',
        f="address = 10.0.0.9",
    )
    assert found.reading([ReadSection.HARDWARE]) == {1}
    assert found.reading([ReadSection.SOFTWARE, ReadSection.CONTACT]) == {2, 3, 6}
    assert found.volatile == {3, 4, 6}
    assert found.reads({2}).sections == {ReadSection.SOFTWARE, ReadSection.GROUPS}
    assert found.reads({1, 3}).fields == {"os", "last_contact"}
    assert found.asking_for("B") == {5}
    assert len(found.software) == 1
