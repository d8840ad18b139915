"""What may stand at a place of a filter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.filters.complete import ValueSource, place_at


@pytest.mark.parametrize(
    ("text", "start", "typed", "some", "source"),
    [
        ("", 0, "", {"name", "memory", "account.", "software(", "NOT"}, ValueSource.NONE),
        ("me", 0, "me", {"memory"}, ValueSource.NONE),
        ("memory ", 7, "", {">=", "=", "is empty", "AND"}, ValueSource.NONE),
        ("memory >", 7, ">", {">", ">="}, ValueSource.NONE),
        ("tag = ", 6, "", set(), ValueSource.FIELD),
        ('tag = "si', 6, "si", set(), ValueSource.FIELD),
        ("tag in (a, ", 11, "", set(), ValueSource.FIELD),
        ("memory >= ", 10, "", set(), ValueSource.NONE),
        ("windows a", 8, "a", {"AND", "agent"}, ValueSource.NONE),
        ("(a", 1, "a", {"agent", "account."}, ValueSource.NONE),
        ("software(", 9, "", set(), ValueSource.SOFTWARE),
        ('software("fire', 9, "fire", set(), ValueSource.SOFTWARE),
        ("software(x, v", 12, "v", {"version"}, ValueSource.NONE),
        ("software(x, version ", 20, "", {">=", "!~"}, ValueSource.NONE),
        ('software(x, publisher = "', 24, "", set(), ValueSource.PUBLISHER),
        ("package(", 8, "", set(), ValueSource.PACKAGE),
        ("package(x) ", 11, "", {"=", "in", "AND"}, ValueSource.NONE),
        ("package(x) = F", 13, "F", {"FAILED"}, ValueSource.NONE),
        ('group("C', 6, "C", set(), ValueSource.GROUP),
        ("last_contact < ", 15, "", {"7d"}, ValueSource.NONE),
        ("os is ", 6, "", {"empty", "not"}, ValueSource.NONE),
        ("os is not ", 10, "", {"empty"}, ValueSource.NONE),
        ("account.R", 0, "account.R", set(), ValueSource.ACCOUNT),
        ('a account."Salle i', 2, 'account."Salle i', set(), ValueSource.ACCOUNT),
        ("account.room = ", 15, "", set(), ValueSource.FIELD),
        ("memroy = ", 9, "", set(), ValueSource.NONE),
        (") ", 2, "", set(), ValueSource.NONE),
    ],
)
def test_what_may_come(text: str, start: int, typed: str, some: set[str], source: ValueSource) -> None:
    place = place_at(text, len(text))
    assert (place.start, place.typed, place.source) == (start, typed, source)
    assert some <= set(place.words)
    assert some or not place.words or source is ValueSource.ACCOUNT


def test_a_place_in_the_middle() -> None:
    assert place_at("me >= 8GiB", 2).words == ("memory",)
    with pytest.raises(BadInput, match="at: expected 0 to 2, got 3"):
        place_at("me", 3)


@given(st.text('tag=~<(),"\\ aNDosftwre.inpk', max_size=30), st.integers(0, 30))
def test_any_text_at_any_place(text: str, at: int) -> None:
    place = place_at(text, min(at, len(text)))
    assert 0 <= place.start <= at
