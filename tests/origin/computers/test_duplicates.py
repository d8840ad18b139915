"""Computers under two DEVICEIDs are found, and merged where a rule says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.domain.duplicates import DuplicateReason
from distd.domain.errors import BadInput
from distd.domain.page import EVERYTHING, Window
from distd.domain.records import InventoryRequest
from distd.origin.computers import duplicates

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

HOUR_S = 3600.0


def send(origin: TestOrigin, device_id: str, *, name: str = "", serial: str = "", mac: str = "") -> None:
    networks = ({"MACADDR": mac},) if mac else ()
    origin.post(InventoryRequest(device_id, {"NAME": name or device_id}, {}, networks, None, bios={"SSN": serial}))


def found(origin: TestOrigin, *reasons: str) -> Any:
    page = origin.read(duplicates.list_duplicates, reasons, EVERYTHING)
    return [(each.reason, each.value, sorted(member.device_id for member in each.computers)) for each in page.items]


def test_each_reason(origin: TestOrigin) -> None:
    send(origin, "a-1", name="PC-7", serial="ABC1234", mac="52:54:00:00:00:01")
    send(origin, "a-2", name="pc-7", serial="abc1234")
    send(origin, "b-1", mac="52-54-00-00-00-01")
    send(origin, "c-1", serial="XYZ9999", mac="52:54:00:00:00:03")
    expected = [
        ("mac", "52:54:00:00:00:01", ["a-1", "b-1"]),
        ("name", "pc-7", ["a-1", "a-2"]),
        ("serial", "abc1234", ["a-1", "a-2"]),
    ]
    assert found(origin) == expected
    assert found(origin, "serial", "mac") == [expected[0], expected[2]]
    with pytest.raises(BadInput, match="reason"):
        found(origin, "colour")


def test_values_that_say_nothing_do_not_count(origin: TestOrigin) -> None:
    for number in range(2):
        send(origin, f"a-{number}", serial="To be filled by O.E.M.", mac="00:e0:4c:68:00:01")
        send(origin, f"b-{number}", serial="123", mac="00:05:9a:3c:7a:00")
    assert found(origin) == []


def test_pages(origin: TestOrigin) -> None:
    for number in range(3):
        for copy in range(2):
            send(origin, f"{number}-{copy}", name=f"pc{number}")
    first = origin.read(duplicates.list_duplicates, (), Window(2))
    assert (len(first.items), first.total, first.next is not None) == (2, 3, True)
    rest = origin.read(duplicates.list_duplicates, (), Window(2, ("name", "pc1")))
    assert [each.value for each in rest.items] == ["pc2"]


def by_rule(origin: TestOrigin, reason: DuplicateReason) -> int:
    merged: int = origin.write(duplicates.merge_by_rule, origin.now_s, reason, 24)
    return merged


@pytest.mark.parametrize("reason", DuplicateReason)
def test_a_computer_that_is_installed_anew_is_merged(origin: TestOrigin, reason: DuplicateReason) -> None:
    facts = {"name": "pc", "serial": "ABC1234", "mac": "52:54:00:00:00:01"}
    send(origin, "old", **{str(reason): facts[reason]})
    origin.now_s += HOUR_S
    send(origin, "new", **{str(reason): facts[reason]})
    assert by_rule(origin, reason) == 0  # not silent for long enough
    origin.now_s += 24 * HOUR_S
    assert by_rule(origin, reason) == 1
    assert [row["device_id"] for row in origin.rows(schema.computers)] == ["new"]


def test_computers_that_are_in_contact_both_are_not_merged(origin: TestOrigin) -> None:
    for name in ("old", "new", "old"):
        origin.now_s += HOUR_S
        send(origin, name, serial="ABC1234")
    origin.now_s += 48 * HOUR_S
    assert by_rule(origin, DuplicateReason.SERIAL) == 0
