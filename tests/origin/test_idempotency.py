"""Keys by which a request is done once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.catalogue.jobs_schema import idempotency_keys
from distd.domain import actor
from distd.domain.errors import Conflict
from distd.origin import idempotency
from distd.origin.idempotency import KEPT_S, Answered, KeyedRequest, KeyReused

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

ALICE, BOB = actor.operator("alice"), actor.operator("bob")
FIRST = KeyedRequest("k1", "aa")


def find(origin: TestOrigin, request: KeyedRequest, who: actor.Actor = ALICE, now_s: float = 1.0) -> Answered | None:
    found: Answered | None = origin.read(idempotency.find, who, request, now_s)
    return found


def test_the_same_request_gets_the_same_answer_for_a_day(origin: TestOrigin) -> None:
    assert find(origin, FIRST) is None
    origin.write(idempotency.remember, ALICE, FIRST, {"job": 7}, 0.0)
    assert find(origin, FIRST) == Answered({"job": 7})
    assert find(origin, FIRST, BOB) is None
    assert find(origin, FIRST, now_s=KEPT_S + 1) is None
    with pytest.raises(
        KeyReused, match="Idempotency-Key: expected a key that was not sent with another request, got k1"
    ):
        find(origin, KeyedRequest("k1", "bb"))


def test_an_answer_with_a_secret_is_not_kept(origin: TestOrigin) -> None:
    origin.write(idempotency.remember, ALICE, FIRST, None, 0.0)
    with pytest.raises(Conflict, match="is done already; its answer held a secret"):
        find(origin, FIRST)


def test_a_long_answer_is_not_kept(origin: TestOrigin) -> None:
    origin.write(idempotency.remember, ALICE, FIRST, {"items": ["x" * 1000] * 66}, 0.0)
    with pytest.raises(Conflict, match="is done already; its answer held a secret, or more than 65,536 bytes"):
        find(origin, FIRST)
    assert origin.rows(idempotency_keys)[0]["answer"] is None


def test_keys_are_bounded_and_expire(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_KEYS", 3)
    for number in range(6):
        origin.write(idempotency.remember, ALICE, KeyedRequest(f"k{number}", "aa"), number, float(number))
    assert {row["key"] for row in origin.rows(idempotency_keys)} == {"k3", "k4", "k5"}
    origin.write(idempotency.remember, ALICE, KeyedRequest("k9", "aa"), 9, KEPT_S + 10)
    assert {row["key"] for row in origin.rows(idempotency_keys)} == {"k9"}
