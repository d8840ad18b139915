"""Operators and their passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.domain.errors import BadInput, Conflict
from distd.origin.operators import operators

if TYPE_CHECKING:
    from tests.fixtures.origin import House


def test_only_the_right_password_of_the_right_operator_passes(house: House) -> None:
    house.write(operators.create, "admin", "corréct horse")
    assert house.read(operators.check, "admin", "corréct horse")
    assert not house.read(operators.check, "admin", "correct horse")
    assert not house.read(operators.check, "nobody", "corréct horse")


def test_the_password_itself_is_not_kept(house: House) -> None:
    house.write(operators.create, "admin", "secret word")
    (row,) = house.rows(schema.operators)
    assert row["password_hash"].startswith("$argon2id$")
    assert "secret word" not in str(row)


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
def test_who_cannot_become_an_operator(house: House, name: Any, password: Any, error: Any) -> None:
    house.write(operators.create, "admin", "secret word")
    with pytest.raises(error):
        house.write(operators.create, name, password)
