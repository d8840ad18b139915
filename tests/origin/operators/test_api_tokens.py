"""Tokens of the API in the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import access_schema
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.page import EVERYTHING
from distd.domain.permissions import Act, Role
from distd.origin.operators import api_tokens, operators
from distd.origin.operators.api_tokens import NewToken
from distd.origin.operators.operators import Grant
from tests.fixtures.origin import ADMIN

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

SECRET = b"s" * 32
VIEW = NewToken("view", Role.VIEWER)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name: expected 1 to 255 printable characters"),
        ({"days": 0}, "days: expected 1 to 3650, got 0"),
        ({"filter": "colour = x"}, "filter: expected"),
        ({"role": Role.ADMINISTRATOR}, "role: expected at most operator, as its owner, got administrator"),
        ({"acts": frozenset({Act.DEPLOYMENTS_WRITE})}, "acts: expected acts that the role viewer may do"),
    ],
)
def test_what_no_token_can_be(origin: TestOrigin, changes: Any, message: str) -> None:
    origin.act(operators.create_hashed, "root", "-", 0.0, Grant(Role.ADMINISTRATOR))
    origin.act(operators.change, "admin", 0.0, role=Role.OPERATOR)
    with pytest.raises(BadInput, match=message):
        origin.act(api_tokens.create, NewToken(**{"name": "t", "role": Role.VIEWER, **changes}), SECRET, 0.0)


def test_only_the_digest_is_kept_and_names_are_given_once(origin: TestOrigin) -> None:
    token = origin.act(api_tokens.create, VIEW, SECRET, 0.0)
    (row,) = origin.rows(access_schema.api_tokens)
    assert token not in str(row)
    with pytest.raises(Conflict, match="there is a token view already"):
        origin.act(api_tokens.create, VIEW, b"t" * 32, 0.0)
    (listed,) = origin.read(api_tokens.list_tokens, EVERYTHING, "admin").items
    assert (listed.name, listed.owner, listed.role, listed.acts) == ("view", "admin", "viewer", [])
    assert origin.read(api_tokens.list_tokens, EVERYTHING, "eve").items == []


def test_an_operator_revokes_its_own_only(origin: TestOrigin) -> None:
    origin.act(api_tokens.create, VIEW, SECRET, 0.0)
    with pytest.raises(NotFound, match="the name of a token, got view"):
        origin.write(api_tokens.revoke, ADMIN, "view", 1.0, "eve")
    origin.write(api_tokens.revoke, ADMIN, "view", 1.0, "admin")
    assert origin.rows(access_schema.api_tokens) == []
