"""How many computers there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from distd.catalogue import schema
from distd.domain.actor import SYSTEM, operator
from distd.origin.computers.contact_counts import DAY_S, SILENT_S, ContactCounts, count_contacts

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


def test_by_their_last_contacts(origin: TestOrigin) -> None:
    assert origin.read(count_contacts, SYSTEM, origin.now_s) == ContactCounts(0, 0, 0, 0, 0, 0, 0)
    now_s = origin.now_s
    for device_id, age_s in (
        ("now", 0.0),
        ("just", 600.0),
        ("hours", 7200.0),
        ("days", DAY_S + 1),
        ("months", SILENT_S + 1),
    ):
        origin.now_s = now_s - age_s
        origin.prolog(device_id)
    table = schema.computers
    origin.write(lambda conn: conn.execute(update(table).where(table.c.device_id == "days").values(waiting=True)))
    origin.write(lambda conn: conn.execute(update(table).where(table.c.device_id == "now").values(changed="mac")))
    assert origin.read(count_contacts, SYSTEM, now_s) == ContactCounts(5, 1, 2, 3, 1, 1, 1)
    assert origin.read(count_contacts, operator("nobody"), now_s).total == 0
