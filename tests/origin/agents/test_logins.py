"""Names and passwords by which agents log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput, NotFound
from distd.domain.page import EVERYTHING
from distd.origin.agents import logins

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_a_login_and_another_password(origin: TestOrigin) -> None:
    origin.act(logins.put, "school", "one", 5.0)
    first = origin.read(logins.hashes)["school"]
    assert (logins.verify(first, "one"), logins.verify(first, "two"), logins.verify(None, "one")) == (
        True,
        False,
        False,
    )
    assert "one" not in first
    origin.act(logins.put, "school", "two", 6.0)
    assert logins.verify(origin.read(logins.hashes)["school"], "two")
    origin.act(logins.put, "lab", "three", 7.0)
    assert [(row.name, row.added_at_s) for row in origin.read(logins.list_logins, EVERYTHING).items] == [
        ("lab", 7.0),
        ("school", 5.0),
    ]
    origin.act(logins.delete, "school", 8.0)
    assert list(origin.read(logins.hashes)) == ["lab"]
    told = [(event.kind, event.detail["login"]) for event in origin.events()]
    assert told == [
        (Kind.AGENT_LOGIN_SET, "school"),
        (Kind.AGENT_LOGIN_SET, "school"),
        (Kind.AGENT_LOGIN_SET, "lab"),
        (Kind.AGENT_LOGIN_DELETED, "school"),
    ]


@pytest.mark.parametrize(
    ("name", "password", "field"),
    [
        ("", "x", "name"),
        ("a:b", "x", "name"),
        ("a" * 256, "x", "name"),
        ("a", "", "password"),
        ("a", "x" * 1025, "password"),
    ],
)
def test_what_is_none(origin: TestOrigin, name: str, password: str, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        origin.act(logins.put, name, password, 5.0)
    assert caught.value.field == field


def test_one_that_is_not_there(origin: TestOrigin) -> None:
    with pytest.raises(NotFound):
        origin.act(logins.delete, "school", 5.0)
