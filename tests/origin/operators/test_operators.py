"""Operators and their passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain import actor as actors
from distd.domain.actor import Actor, ActorKind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.permissions import Role
from distd.domain.sign_in import OperatorIdentity, SignInSource
from distd.origin.operators import api_tokens, operators
from distd.origin.operators.api_tokens import NewToken
from distd.origin.operators.operators import Grant

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_only_the_right_password_of_the_right_operator_passes(origin: TestOrigin) -> None:
    origin.act(operators.set_password, "admin", "corréct horse", 0.0)
    assert origin.read(operators.check, "admin", "corréct horse")
    assert not origin.read(operators.check, "admin", "correct horse")
    assert not origin.read(operators.check, "nobody", "corréct horse")


def test_the_password_itself_is_not_kept(origin: TestOrigin) -> None:
    origin.act(operators.set_password, "admin", "secret word", 0.0)
    (row,) = origin.rows(schema.operators)
    assert row["password_hash"].startswith("$argon2id$")
    assert "secret word" not in str(row)


def test_an_operator_is_deleted_but_not_the_last_one(origin: TestOrigin) -> None:
    origin.act(operators.set_password, "admin", "secret word", 0.0)
    origin.act(operators.create, "ada", "secret word", 0.0)
    origin.act(operators.delete, "ada", 1.0)
    assert not origin.read(operators.check, "ada", "secret word")
    assert [event.detail for event in origin.events(Kind.OPERATOR_DELETED)] == [{"operator": "ada"}]
    with pytest.raises(NotFound, match="expected the name of an operator, got ada"):
        origin.act(operators.delete, "ada", 2.0)
    with pytest.raises(Conflict, match="admin is the last administrator"):
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
    with pytest.raises(error):
        origin.act(operators.create, name, password, 0.0)


def test_an_operator_gets_another_role_and_another_filter(origin: TestOrigin) -> None:
    origin.act(operators.create, "ada", "secret word", 0.0)
    changed = origin.act(operators.change, "ada", 1.0, role=Role.VIEWER, filter_='tag = "Lyon"')
    assert (changed.role, changed.filter, changed.source) == ("viewer", 'tag = "Lyon"', "local")
    assert origin.act(operators.change, "ada", 2.0, role=Role.VIEWER) == changed
    (event,) = origin.events(Kind.OPERATOR_CHANGED)
    before, after = {"role": "operator", "filter": ""}, {"role": "viewer", "filter": 'tag = "Lyon"'}
    assert event.detail == {"operator": "ada", "before": before, "after": after}
    with pytest.raises(BadInput, match="filter: expected a field"):
        origin.act(operators.change, "ada", 3.0, filter_="colour = x")


def test_one_administrator_stays_who_needs_no_other_server(origin: TestOrigin) -> None:
    identity = OperatorIdentity("lda", SignInSource.LDAP, Role.ADMINISTRATOR)
    origin.act(operators.admit, identity, 0.0)
    origin.act(operators.create, "eve", "secret word", 0.0, Grant(Role.ADMINISTRATOR, "tag = x"))
    for change in ({"role": Role.OPERATOR}, {"filter_": "tag = x"}):
        with pytest.raises(Conflict, match="last administrator with a password here"):
            origin.act(operators.change, "admin", 1.0, **change)
    origin.act(operators.change, "eve", 1.0, filter_="")
    origin.act(operators.change, "admin", 2.0, role=Role.OPERATOR)
    origin.act(operators.delete, "admin", 3.0)


def test_who_signs_in_elsewhere_becomes_an_operator_with_the_role_of_its_groups(origin: TestOrigin) -> None:
    origin.act(operators.admit, OperatorIdentity("lda", SignInSource.LDAP, Role.VIEWER), 0.0)
    origin.act(operators.change, "lda", 1.0, filter_="tag = x")
    origin.act(operators.admit, OperatorIdentity("lda", SignInSource.LDAP, Role.OPERATOR), 7.0)
    assert origin.read(operators.show, "lda") == operators.Operator("lda", "operator", "tag = x", "ldap", 7.0)
    origin.act(operators.admit, OperatorIdentity("lda", SignInSource.LDAP, Role.OPERATOR, "tag = y"), 8.0)
    assert origin.read(operators.show, "lda").filter == "tag = y"
    assert not origin.read(operators.check, "lda", "")
    with pytest.raises(Conflict, match="the password of lda is not kept here, but by ldap"):
        origin.act(operators.set_password, "lda", "secret word", 9.0)


@pytest.mark.parametrize("source", [SignInSource.LDAP, SignInSource.OIDC, SignInSource.HEADER])
def test_nobody_elsewhere_takes_the_name_of_an_operator_here(origin: TestOrigin, source: SignInSource) -> None:
    with pytest.raises(Conflict, match=f"the operator admin is one of local, not of {source}"):
        origin.act(operators.admit, OperatorIdentity("admin", source, Role.ADMINISTRATOR), 0.0)


OWN_TOKEN = Actor(ActorKind.TOKEN, "t")
CLI = Actor(ActorKind.CLI, "root")


@pytest.mark.parametrize("who", [actors.operator("eve"), actors.operator("admin"), CLI, OWN_TOKEN], ids=str)
def test_who_sets_anothers_password_revokes_its_tokens(origin: TestOrigin, who: Actor) -> None:
    origin.act(operators.create, "eve", "secret word", 0.0)
    eve = actors.operator("eve")
    token = origin.write(api_tokens.create, eve, NewToken("t", Role.VIEWER, days=3650), b"x" * 32, 0.0)
    origin.write(operators.set_password, who, "eve", "another word", 1.0)
    is_own = who == eve
    assert (origin.read(api_tokens.find, token, 2.0) is not None) is is_own
    assert origin.events("PASSWORD_CHANGED")[-1].detail["tokens"] == (0 if is_own else 1)
