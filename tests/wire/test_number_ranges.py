from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.wire.number_ranges import add, parse, render


def test_ranges_of_numbers() -> None:
    assert render([7, 1, 2, 3, 3]) == "1-3,7"
    assert render([]) == ""
    assert parse("1-3,7") == {1, 2, 3, 7}
    assert parse("1-,,2") == {1, 2}


@given(st.sets(st.integers(1, 2000)))
def test_what_was_rendered_is_parsed(numbers: set[int]) -> None:
    assert parse(render(numbers)) == numbers
    assert parse(render(numbers), limit=2000) == numbers


@given(st.sets(st.integers(1, 300)), st.lists(st.integers(1, 300)))
def test_numbers_are_added(before: set[int], more: list[int]) -> None:
    text, count = add(render(before), more)
    assert (parse(text), count) == (before | set(more), len(before | set(more)))
    assert text == render(parse(text))


def test_ranges_that_touch_become_one() -> None:
    assert add("1-3,5,9-10", [4, 6, 11, 2]) == ("1-6,9-11", 9)


@pytest.mark.parametrize("text", ["x", "-5", "1-2-3", "1-x"])
def test_bad_ranges_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse(text)


@pytest.mark.parametrize("text", ["1-99999999999999", f"1-{10**30}", "1-500,501-1001"])
def test_more_numbers_than_the_limit_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more than 1000 numbers"):
        parse(text, limit=1000)
