"""Query strings: what is read, what is refused and how, what is written."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from distd.domain.errors import BadInput
from distd.domain.page import MAX_LIMIT
from distd.wire.query import (
    MAX_PAIRS,
    MAX_TEXT,
    cursor_parameter,
    limit_parameter,
    parameter,
    read_query,
    write_query,
)


@dataclass
class SomeQuery:
    name: str | None = parameter("a name")
    active: bool | None = parameter("active ones")
    deleted: bool = parameter("deleted ones", default=False)
    state: tuple[str, ...] | None = parameter("in these states", choices=("GOOD", "BAD"))
    share: str = parameter("a share", default="95%")
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", SomeQuery(None, None, False, None, "95%", None, None)),
        ("name=a+b%C3%A9", SomeQuery("a bé", None, False, None, "95%", None, None)),
        ("name=null&share=", SomeQuery("null", None, False, None, "", None, None)),
        ("active=True&deleted=true", SomeQuery(None, True, True, None, "95%", None, None)),
        ("active=false&state=GOOD,BAD", SomeQuery(None, False, False, ("GOOD", "BAD"), "95%", None, None)),
        (f"limit={MAX_LIMIT}&cursor=x", SomeQuery(None, None, False, None, "95%", MAX_LIMIT, "x")),
        ("name=" + "a" * MAX_TEXT, SomeQuery("a" * MAX_TEXT, None, False, None, "95%", None, None)),
    ],
)
def test_what_is_read(text: str, expected: SomeQuery) -> None:
    assert read_query(SomeQuery, text.encode()) == expected


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        (
            "stat=GOOD",
            "stat",
            "expected one of name, active, deleted, state, share, limit, cursor, got stat; perhaps state",
        ),
        ("=x", "query", "expected one of"),
        ("name=a&name=b", "name", "expected one value, got several"),
        ("name=%ff", "query", "in UTF-8"),
        ("name=%0a", "name", "without control characters"),
        ("name=" + "a" * (MAX_TEXT + 1), "name", f"at most {MAX_TEXT} characters, got {MAX_TEXT + 1} characters"),
        ("active=1", "active", "true or false"),
        ("limit=0", "limit", f"1 to {MAX_LIMIT}, got 0"),
        (f"limit={MAX_LIMIT + 1}", "limit", f"1 to {MAX_LIMIT}"),
        ("limit=", "limit", "got nothing"),
        ("limit=١", "query", "percent-encoded"),
        ("limit=--1", "limit", "1 to"),
        ("limit=" + "9" * 5000, "limit", "1 to"),
        ("&".join(f"a{number}=" for number in range(MAX_PAIRS + 1)), "query", "at most"),
    ],
)
def test_what_is_refused(text: str, field: str, words: str) -> None:
    with pytest.raises(BadInput) as raised:
        read_query(SomeQuery, text.encode())
    assert raised.value.field == field
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (SomeQuery(), ""),
        (SomeQuery(name="a b&é", deleted=True, limit=7), "name=a+b%26%C3%A9&deleted=true&limit=7"),
        (SomeQuery(active=False, state=("GOOD", "BAD"), share="5%"), "active=false&state=GOOD%2CBAD&share=5%25"),
    ],
)
def test_what_is_written_is_read_again(query: SomeQuery, text: str) -> None:
    assert write_query(query) == text
    assert read_query(SomeQuery, text.encode()) == query
