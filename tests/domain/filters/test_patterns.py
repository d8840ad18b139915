"""Patterns of texts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from distd.domain.errors import BadInput
from distd.domain.filters.patterns import escape, read_pattern
from distd.domain.folding import fold
from tests.fixtures import filters


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("lyon", "pc-lyon-3", True),
        ("LYÖN", "lyon", True),
        ("lyon*", "pc-lyon", False),
        ("*lyon", "pc-lyon", True),
        ("l?on", "lyon", True),
        ("l?on", "lyyon", False),
        ("?", "", False),
        ("*", "", True),
        ("a*b*c", "a1b2c", True),
        ("a*b*c", "acb", False),
        ("a*a", "a", False),
        ("a*?b", "ab", False),
        (r"100\%", r"100\%", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        (r"a\?*", "a?", True),
        ("a b *", "a b c", True),
    ],
)
def test_what_matches(pattern: str, text: str, matches: bool) -> None:
    assert read_pattern(pattern).matches(text) is matches


def test_the_whole_of_a_name() -> None:
    assert read_pattern("class a", whole=True).matches("class a")
    assert not read_pattern("class a", whole=True).matches("class a2")
    assert read_pattern("class*", whole=True).matches("class a2")


@given(filters.patterns, filters.texts)
def test_a_pattern_is_a_simple_regular_expression(pattern: str, text: str) -> None:
    found = read_pattern(pattern)
    pieces = ["".join("." if part is None else re.escape(part) for part in piece) for piece in found.pieces]
    assert found.matches(fold(text)) is bool(re.fullmatch(".*".join(pieces), fold(text), re.DOTALL))


@given(filters.texts)
def test_an_escaped_text_is_like_itself_alone(text: str) -> None:
    folded = fold(f"|{text}|")[1:-1]
    pattern = read_pattern(escape(text), whole=True)
    assert pattern.matches(folded)
    assert not pattern.matches(f"{folded}x")


@pytest.mark.parametrize(
    ("pattern", "has_only"), [("*17.?:a", True), ("", True), ("*?", True), ("g", False), ("1*x", False)]
)
def test_characters_beside_jokers(pattern: str, has_only: bool) -> None:
    assert read_pattern(pattern).has_only(frozenset("0123456789abcdef.:")) is has_only


def test_stars_are_few() -> None:
    assert len(read_pattern("*a" * 8).pieces) == 9
    assert read_pattern("*" * 100).matches("")
    with pytest.raises(BadInput, match="at most 8 stars"):
        read_pattern("*a" * 9)
