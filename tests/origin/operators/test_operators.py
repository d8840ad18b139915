"""Operators and their passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.origin.operators import operators

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_only_the_right_password_of_the_right_operator_passes(origin: TestOrigin) -> None:
    origin.act(operators.create, "admin", "corréct horse", 0.0)
    assert origin.read(operators.check, "admin", "corréct horse")
    assert not origin.read(operators.check, "admin", "correct horse")
    assert not origin.read(operators.check, "nobody", "corréct horse")


def test_the_password_itself_is_not_kept(origin: TestOrigin) -> None:
    origin.act(operators.create, "admin", "secret word", 0.0)
    (row,) = origin.rows(schema.operators)
    assert row["password_hash"].startswith("$argon2id$")
    assert "secret word" not in str(row)


def test_an_operator_is_deleted_but_not_the_last_one(origin: TestOrigin) -> None:
    for name in ("admin", "ada"):
        origin.act(operators.create, name, "secret word", 0.0)
    origin.act(operators.delete, "ada", 1.0)
    assert not origin.read(operators.check, "ada", "secret word")
    assert [event.detail for event in origin.events(Kind.OPERATOR_DELETED)] == [{"operator": "ada"}]
    with pytest.raises(NotFound, match="expected the name of an operator, got ada"):
        origin.act(operators.delete, "ada", 2.0)
    with pytest.raises(Conflict, match="admin is the last operator"):
        origin.act(operators.delete, "admin", 2.0)
    assert origin.read(operators.check, "admin", "secret word")


@pytest.mark.parametrize(
    ("name", "password", "error"),
    [
        ("", "x", BadInput),
        ("a\nb", "x", BadInput),
        ("x" * 256, "x", BadInput),
        ("new", "", BadInput),
        ("admin", "x", Conflict),
    ],
)
def test_who_cannot_become_an_operator(origin: TestOrigin, name: Any, password: Any, error: Any) -> None:
    origin.act(operators.create, "admin", "secret word", 0.0)
    with pytest.raises(error):
        origin.act(operators.create, name, password, 0.0)
