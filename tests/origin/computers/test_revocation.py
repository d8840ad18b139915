"""Tokens of computers that are valid no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.catalogue.event_log import Kind
from distd.domain.errors import NotFound
from distd.origin.computers import revocation

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_tokens_are_revoked_by_counting(origin: TestOrigin) -> None:
    for name in ("a", "b", "c"):
        origin.prolog(name)
    assert origin.read(revocation.generations) == {}
    origin.act(revocation.revoke, ["a", "c", "a"], origin.now_s)
    origin.act(revocation.revoke, ["c"], origin.now_s)
    assert origin.read(revocation.generations) == {1: 1, 3: 2}
    assert origin.read(revocation.generations_of, {1, 2, 9}) == {1: 1, 2: 0}
    assert [event.computer_id for event in origin.events(Kind.TOKENS_REVOKED)] == [1, 3, 3]


def test_an_unknown_computer_changes_nothing(origin: TestOrigin) -> None:
    origin.prolog("a")
    with pytest.raises(NotFound):
        origin.act(revocation.revoke, ["a", "nobody"], origin.now_s)
    assert origin.read(revocation.generations) == {}
