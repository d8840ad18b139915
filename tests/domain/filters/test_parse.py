"""What is wrong with a text, where, and what is near to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.filters.parse import MAX_TEXT, BadFilter, parse


@pytest.mark.parametrize(
    ("text", "at", "length", "message"),
    [
        ("", 0, 1, "expected a filter"),
        ("memroy >= 8GiB", 0, 6, "expected a field, got memroy; perhaps memory"),
        ("windows memory >= 8", 18, 1, "expected a size with its unit, such as 8GiB, got 8"),
        ("memory ~ 8GiB", 7, 1, "expected one of = < <= > >= for a size, got ~"),
        ('os "windows"', 0, 2, 'expected an operator after os, got nothing; the word itself is "os" in quotes'),
        ("os =", 4, 1, "expected a value, got the end"),
        ("(a", 2, 1, "expected ), got the end"),
        ("a)", 1, 1, "expected the end, got )"),
        ('a "bc', 2, 3, 'expected a text that ends with "'),
        ('sofware("x")', 0, 7, "perhaps software"),
        ("windows(lyon)", 0, 7, "words before parentheses"),
        ("software(Mozilla Firefox)", 17, 7, "expected an operator"),
        ("software(verson > 1)", 9, 6, "expected one of name, version, publisher, got verson; perhaps version"),
        ("software(x, y)", 12, 1, "expected one of name, version, publisher and an operator, got y"),
        ("software()", 0, 8, "criteria"),
        ('software("x") = 3', 0, 8, "within the parentheses"),
        ("a @old", 2, 4, "expected no name of a saved filter here, got @old"),
        ("a AND", 5, 1, "expected a field or a word, got the end"),
        ("AND a", 0, 3, "expected a field or a word, got AND"),
        ("last_contact = 7d", 13, 1, "expected one of < <= > >= for an age, got ="),
        ("last_contact < 7", 15, 1, "an age has a unit"),
        ("last_contact < 999999999d", 15, 10, "got 999999999d; it is over"),
        ("last_contact < 2026-13-01", 15, 10, "expected a time"),
        ("ip in 10.1.0", 6, 6, "expected an address or a network"),
        ("ip in (10.1.0.0/16, x)", 20, 1, "expected an address or a network"),
        ("ip in ()", 7, 1, "expected a value, got )"),
        ("cores > many", 8, 4, "expected a number, got many"),
        ("package(x) = FAILD", 13, 5, "perhaps failed"),
        ("package(x) < FAILED", 11, 1, "expected one of = != in for the state of a package"),
        ("package(x, y)", 0, 7, 'expected package("NAME")'),
        ("group(x) = 3", 0, 5, "expected AND, OR or the end, got ="),
        ("account. = 3", 0, 8, "expected account.KEY"),
        ('tag in ("")', 8, 2, "is empty"),
        ("tag = a, b", 7, 1, "got ,"),
        ("os is", 5, 1, "expected empty, got the end"),
        ("~", 0, 1, "expected a field or a word, got ~"),
        ('name = "a\tb"', 7, 5, "printable"),
        ("name ~ ********a*b*c*d*e*f*g*h*i", 7, 25, "at most 8 stars"),
        ("a " * 300, 0, 600, "at most 256"),
        ("a and (b or " * 30 + "c" + ")" * 30, 0, 391, "at most 24 levels"),
        ("(" * 3000, 3000, 1, "got the end"),
        ("x" * (MAX_TEXT + 1), 0, 1, "at most 4000 characters"),
    ],
)
def test_errors_say_where_and_what(text: str, at: int, length: int, message: str) -> None:
    with pytest.raises(BadFilter) as caught:
        parse(text)
    error = caught.value
    assert (error.field, error.at, error.length) == ("filter", at, length)
    assert message in str(error)
    assert "\n" not in str(error)


def test_an_error_is_marked_below_the_text() -> None:
    with pytest.raises(BadFilter) as caught:
        parse("tag = a\tmemroy > 8GiB")
    assert caught.value.caret == "tag = a memroy > 8GiB\n        ^^^^^^"
    assert str(caught.value).endswith("character 9: tag = a »memroy« > 8GiB")


@given(st.text('aosin.*?"\\()=!~<>, 10d/:é\t', max_size=40))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    found = None
    try:
        parse(text)
    except BadFilter as error:
        found = error
    assert found is None or (0 <= found.at <= len(text) and found.caret.count("^") >= found.length)
