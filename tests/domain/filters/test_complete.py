"""What may stand at a place of a filter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.filters.complete import Source, place_at


@pytest.mark.parametrize(
    ("text", "start", "typed", "some", "source"),
    [
        ("", 0, "", {"name", "memory", "account.", "software(", "NOT"}, Source.NONE),
        ("me", 0, "me", {"memory"}, Source.NONE),
        ("memory ", 7, "", {">=", "=", "is empty", "AND"}, Source.NONE),
        ("memory >", 7, ">", {">", ">="}, Source.NONE),
        ("tag = ", 6, "", set(), Source.FIELD),
        ('tag = "si', 6, "si", set(), Source.FIELD),
        ("tag in (a, ", 11, "", set(), Source.FIELD),
        ("memory >= ", 10, "", set(), Source.NONE),
        ("windows a", 8, "a", {"AND", "agent"}, Source.NONE),
        ("(a", 1, "a", {"agent", "account."}, Source.NONE),
        ("software(", 9, "", set(), Source.SOFTWARE),
        ('software("fire', 9, "fire", set(), Source.SOFTWARE),
        ("software(x, v", 12, "v", {"version"}, Source.NONE),
        ("software(x, version ", 20, "", {">=", "!~"}, Source.NONE),
        ('software(x, publisher = "', 24, "", set(), Source.PUBLISHER),
        ("package(", 8, "", set(), Source.PACKAGE),
        ("package(x) ", 11, "", {"=", "in", "AND"}, Source.NONE),
        ("package(x) = F", 13, "F", {"FAILED"}, Source.NONE),
        ('group("C', 6, "C", set(), Source.GROUP),
        ("last_contact < ", 15, "", {"7d"}, Source.NONE),
        ("os is ", 6, "", {"empty", "not"}, Source.NONE),
        ("os is not ", 10, "", {"empty"}, Source.NONE),
        ("account.R", 0, "account.R", set(), Source.ACCOUNT),
        ('a account."Salle i', 2, 'account."Salle i', set(), Source.ACCOUNT),
        ("account.room = ", 15, "", set(), Source.FIELD),
        ("memroy = ", 9, "", set(), Source.NONE),
        (") ", 2, "", set(), Source.NONE),
    ],
)
def test_what_may_come(text: str, start: int, typed: str, some: set[str], source: Source) -> None:
    place = place_at(text, len(text))
    assert (place.start, place.typed, place.source) == (start, typed, source)
    assert some <= set(place.words)
    assert some or not place.words or source is Source.ACCOUNT


def test_a_place_in_the_middle() -> None:
    assert place_at("me >= 8GiB", 2).words == ("memory",)
    with pytest.raises(BadInput, match="at: expected 0 to 2, got 3"):
        place_at("me", 3)


@given(st.text('tag=~<(),"\\ aNDosftwre.inpk', max_size=30), st.integers(0, 30))
def test_any_text_at_any_place(text: str, at: int) -> None:
    place = place_at(text, min(at, len(text)))
    assert 0 <= place.start <= at
