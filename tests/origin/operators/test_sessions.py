"""Sessions of the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from distd.catalogue import sessions_schema
from distd.origin.operators import sessions
from distd.origin.operators.sessions import LONGEST_S, MAX_OF_OPERATOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from tests.fixtures.origin import TestOrigin

IDLE_S = 100.0


@pytest.fixture
def conn(origin: TestOrigin) -> Iterator[Connection]:
    with origin.catalogue.write() as connection:
        yield connection


def opened(conn: Connection, now_s: float = 0.0, operator: str = "ada") -> str:
    return sessions.open_session(conn, operator, "10.0.0.1", "Firefox", now_s)


def is_valid(conn: Connection, token: str, now_s: float) -> bool:
    return sessions.find(conn, token, now_s, IDLE_S) is not None


def test_a_token_opens_its_session_until_it_rests_too_long(conn: Any) -> None:
    token = opened(conn)
    found = sessions.find(conn, token, 99.0, IDLE_S)
    assert found is not None
    assert (found.operator, found.address, found.browser) == ("ada", "10.0.0.1", "Firefox")
    assert not is_valid(conn, token, 101.0)
    assert not is_valid(conn, token + "x", 0.0)
    sessions.note_use(conn, found, 90.0)
    assert is_valid(conn, token, 190.0)


def test_none_lasts_for_ever(conn: Any) -> None:
    token = opened(conn)
    found = sessions.find(conn, token, 0.0, IDLE_S)
    assert found is not None
    sessions.note_use(conn, found, LONGEST_S)
    assert is_valid(conn, token, LONGEST_S)
    assert not is_valid(conn, token, LONGEST_S + 1)


def test_the_catalogue_does_not_have_the_token(conn: Any) -> None:
    token = opened(conn)
    assert token not in str(conn.execute(select(sessions_schema.sessions)).all())


def test_the_least_used_makes_room(conn: Any) -> None:
    tokens = [opened(conn, float(number)) for number in range(MAX_OF_OPERATOR + 2)]
    other = opened(conn, 0.0, "bob")
    assert [is_valid(conn, token, 30.0) for token in tokens] == [False] * 2 + [True] * MAX_OF_OPERATOR
    assert is_valid(conn, other, 30.0)


def test_closing_one_and_all_of_an_operator(conn: Any) -> None:
    first, second, other = opened(conn), opened(conn), opened(conn, 0.0, "bob")
    found = sessions.find(conn, first, 0.0, IDLE_S)
    assert found is not None
    sessions.close(conn, found)
    assert [is_valid(conn, token, 0.0) for token in (first, second, other)] == [False, True, True]
    sessions.close_all(conn, "ada")
    assert [is_valid(conn, token, 0.0) for token in (second, other)] == [False, True]


def test_what_counts_no_longer_is_deleted(conn: Any) -> None:
    opened(conn, 0.0)
    token = opened(conn, 50.0)
    sessions.expire(conn, 120.0, IDLE_S)
    assert len(conn.execute(select(sessions_schema.sessions)).all()) == 1
    assert is_valid(conn, token, 120.0)


def test_those_of_an_operator_and_all_but_one(conn: Any) -> None:
    first, last = opened(conn, 1.0), opened(conn, 2.0)
    opened(conn, 3.0, "eve")
    assert [session.opened_at_s for session in sessions.list_open(conn, "ada")] == [2.0, 1.0]
    kept = sessions.find(conn, first, 3.0, IDLE_S)
    assert kept is not None
    sessions.close_others(conn, kept)
    assert is_valid(conn, first, 3.0)
    assert not is_valid(conn, last, 3.0)
    assert len(sessions.list_open(conn, "eve")) == 1
