"""Query parameters: what is read, what is refused and how, what the description says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from distd.domain.errors import BadInput
from distd.domain.page import DEFAULT_LIMIT, MAX_LIMIT
from distd.web.api.queries import check_names, cursor_parameter, describe, limit_parameter, parameter
from distd.wire.query import MAX_TEXT


@dataclass
class SomeQuery:
    name: str | None = parameter("a name")
    active: bool | None = parameter("active ones")
    deleted: bool = parameter("deleted ones", default=False)
    state: tuple[str, ...] | None = parameter("in these states", choices=("GOOD", "BAD"))
    share: str = parameter("a share", default="95%")
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


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
