"""The slots of connections that are handed over."""

from __future__ import annotations

import pytest

from distd.server.slots import HEALTH_SLOTS, Purpose, Slots, purpose_of


@pytest.mark.parametrize(
    ("path", "purpose"),
    [
        (b"/healthz", Purpose.HEALTH),
        (b"/metrics", Purpose.HEALTH),
        (b"/metrics/x", Purpose.OPERATORS),
        (b"/api/v1/mirror/join", Purpose.MIRRORS),
        (b"/api/v1/mirrors", Purpose.OPERATORS),
        (b"/", Purpose.OPERATORS),
    ],
)
def test_what_a_connection_is_for(path: bytes, purpose: Purpose) -> None:
    assert purpose_of(path) is purpose


def test_no_kind_takes_slots_of_another() -> None:
    slots = Slots(20, 5)
    taken = [slots.take(Purpose.MIRRORS, f"10.0.0.{number}") for number in range(25)]
    assert taken == [""] * 20 + ["web_connections"] * 5
    assert slots.take(Purpose.OPERATORS, "10.0.0.1") == ""
    assert [slots.take(Purpose.HEALTH, f"10.0.0.{number}") for number in range(HEALTH_SLOTS)] == [""] * HEALTH_SLOTS
    assert slots.take(Purpose.HEALTH, "10.0.1.1") == "web_connections"


def test_an_address_has_its_share_until_it_gives_back() -> None:
    slots = Slots(20, 2)
    taken = [slots.take(Purpose.OPERATORS, "a") for _ in range(3)]
    assert taken == ["", "", "web_connections_per_address"]
    assert slots.take(Purpose.OPERATORS, "b") == ""
    slots.give_back(Purpose.OPERATORS, "a")
    assert slots.take(Purpose.OPERATORS, "a") == ""
    assert len(slots) == 3


def test_other_limits_are_for_those_who_come() -> None:
    slots = Slots(20, 20)
    for _ in range(3):
        slots.take(Purpose.OPERATORS, "a")
    slots.limit(20, 2)
    assert slots.take(Purpose.OPERATORS, "a") == "web_connections_per_address"
    slots.limit(3, 20)
    assert slots.take(Purpose.OPERATORS, "b") == "web_connections"
    for _ in range(3):
        slots.give_back(Purpose.OPERATORS, "a")
    assert len(slots) == 0
    assert slots.take(Purpose.OPERATORS, "b") == ""
