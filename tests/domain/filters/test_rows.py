"""Filters as rows of a form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from distd.domain.errors import BadInput
from distd.domain.filters.criteria import operators_of
from distd.domain.filters.fields import Kind
from distd.domain.filters.parse import parse
from distd.domain.filters.render import render
from distd.domain.filters.rows import (
    BLANK,
    MAX_ROWS,
    OPERATORS,
    CriterionRow,
    Join,
    RowGroup,
    changed,
    has_incomplete,
    operators_of_row,
    read_rows,
    rows_of,
)
from distd.domain.filters.tree import compare
from tests.fixtures import filters

if TYPE_CHECKING:
    from distd.domain.filters.tree import Node


@given(filters.trees)
def test_rows_say_the_whole_tree(tree: Node) -> None:
    rows = rows_of(tree)
    if rows is not None:
        found = read_rows(rows)
        assert found.faults == {}
        assert found.tree == tree


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("lyon", ("word", "~", "lyon")),
        ("not lyon", ("word", "!~", "lyon")),
        ("os ~ '*windows*'".replace("'", '"'), ("os", "contains", "windows")),
        ('os !~ "*windows*"', ("os", "contains not", "windows")),
        ('os ~ "win*"', ("os", "begins", "win")),
        ('os !~ "win*"', ("text", "holds", 'os !~ "win*"')),
        ('os ~ "w?n*"', ("os", "~", "w?n*")),
        ("memory >= 8GiB", ("memory", ">=", "8GiB")),
        ("not memory >= 8GiB", ("text", "holds", "NOT memory >= 8GiB")),
        ('tag in (a, "b, c", "d""e")'.replace('""', '\\"'), ("tag", "in", 'a, "b, c", "d""e"')),
        ("not tag in (a)", ("tag", "not in", "a")),
        ("tag is not empty", ("tag", "is not empty", "")),
        ("software(x)", ("software", "has", "x")),
        ("not software(x, version >= 2)", ("software", "has not", "x", ">=", "2")),
        ("software(x, publisher = y)", ("text", "holds", 'software("x", publisher = "y")')),
        ("package(17) = failed", ("package", "= FAILED", "17")),
        ("package(putty) != failed", ("package", "!= FAILED", "putty")),
        ("not package(putty)", ("package", "not assigned", "putty")),
        ('package("17")', ("text", "holds", 'package("17")')),
        ('not group("Class A")', ("group", "!=", "Class A")),
    ],
)
def test_one_row(text: str, row: tuple[str, ...]) -> None:
    tree = parse(text)
    group = RowGroup(parts=(CriterionRow(*row),))
    assert rows_of(tree) == group
    assert read_rows(group).tree == tree


def test_groups() -> None:
    rows = rows_of(parse("a (b or not (c d) or not (e or f))"))
    assert rows is not None
    (_, inner) = rows.parts
    assert isinstance(inner, RowGroup)
    assert [inner.join, *(part.join for part in inner.parts if isinstance(part, RowGroup))] == [
        Join.ANY,
        Join.NOT_ALL,
        Join.NONE,
    ]


def test_what_is_not_complete_is_left_out_and_what_is_wrong_told() -> None:
    wrong = CriterionRow("memory", ">=", "much")
    group = RowGroup(parts=(BLANK, CriterionRow("os", "="), wrong, CriterionRow("word", "~", "x")))
    found = read_rows(group)
    assert found.tree is not None
    assert render(found.tree) == "x"
    assert found.faults[2,].field == "value"
    assert has_incomplete(group)
    assert not has_incomplete(RowGroup(parts=(BLANK, wrong)))
    other = read_rows(RowGroup(parts=(CriterionRow("memory", "contains", "8"), CriterionRow("text", "holds", "os ="))))
    assert (other.tree, other.faults[0,].field, other.faults[1,].field) == (None, "operator", "value")


def test_acts() -> None:
    rows = changed(RowGroup(), (), "add")
    rows = changed(rows, (), "group")
    assert rows == RowGroup(parts=(BLANK, RowGroup(Join.ANY, (BLANK,))))
    deeper = changed(changed(rows, (1,), "add"), (1,), "group")
    assert deeper.parts[1] == RowGroup(Join.ANY, (BLANK, BLANK, RowGroup(Join.ALL, (BLANK,))))
    assert changed(rows, (1, 0), "remove") == changed(rows, (1,), "remove") == RowGroup(parts=(BLANK,))
    assert changed(rows, (7,), "remove") == changed(rows, (0, 3), "add") == changed(rows, (0,), "add") == rows
    assert changed(rows, (), "remove") == RowGroup()


def test_bounds() -> None:
    long = " or ".join(f"a{number}" for number in range(MAX_ROWS + 1))
    assert rows_of(parse(long)) is None
    assert rows_of(None) == RowGroup()
    with pytest.raises(BadInput, match="at most 60 rows"):
        read_rows(RowGroup(parts=(BLANK,) * (MAX_ROWS + 1)))


@pytest.mark.parametrize("kind", list(Kind))
def test_every_operator_of_the_text_is_in_the_menu(kind: Kind) -> None:
    assert set(operators_of(kind)) <= set(OPERATORS[kind])


def test_operators_of_what_is_unknown_are_those_of_texts() -> None:
    assert operators_of_row("") == operators_of_row("nothing") == OPERATORS[Kind.TEXT]
    assert operators_of_row("account.ROOM") == OPERATORS[Kind.TEXT]


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("a, b c ,d", ["a", "b c", "d"]),
        (' "a, b" , c"d, "e""f" ,, "', ["a, b", 'c"d', 'e"f', '"']),
        (f"a{' ' * 200_000}b", None),  # a second for 200,000 characters, not an hour
        (f'{"""" """ * 50_000}x', None),
    ],
    ids=["plain", "quoted", "spaces", "quotes"],
)
def test_a_list_of_values(typed: str, values: list[str] | None) -> None:
    found = read_rows(RowGroup(parts=(CriterionRow("tag", "in", typed),)))
    if values is None:
        assert list(found.faults) == [(0,)], "one value is too long"
    else:
        assert found.tree == compare("tag", "in", values)
