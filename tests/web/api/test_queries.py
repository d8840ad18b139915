"""Query parameters: what is read, what is refused and how, what the description says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.page import DEFAULT_LIMIT, MAX_LIMIT
from distd.web.api.queries import (
    MAX_PAIRS,
    MAX_TEXT,
    check_names,
    cursor_parameter,
    describe,
    limit_parameter,
    parameter,
    read_query,
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


def test_a_route_without_a_query_takes_none() -> None:
    check_names(None, b"")
    with pytest.raises(BadInput, match="expected no parameter, got x"):
        check_names(None, b"x=1")
    check_names(SomeQuery, b"limit=999999999999")  # names alone


def test_what_the_description_says() -> None:
    rows: dict[str, dict[str, Any]] = {row["name"]: row for row in describe(SomeQuery)}
    assert list(rows) == ["name", "active", "deleted", "state", "share", "limit", "cursor"]
    assert rows["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}
    assert str(DEFAULT_LIMIT) in rows["limit"]["description"]
    assert rows["deleted"]["schema"] == {"type": "boolean", "default": False}
    assert rows["share"]["schema"]["default"] == "95%"
    assert rows["state"]["schema"]["items"]["enum"] == ["GOOD", "BAD"]
    assert (rows["state"]["style"], rows["state"]["explode"]) == ("form", False)
    assert rows["name"]["schema"]["maxLength"] == MAX_TEXT
