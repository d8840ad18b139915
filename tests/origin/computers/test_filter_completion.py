"""Values that computers have, in the place of what is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from distd.catalogue import groups_schema, schema
from distd.domain.folding import fold
from distd.origin.computers.filter_completion import complete

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def room(origin: TestOrigin) -> TestOrigin:
    with origin.catalogue.write() as conn:
        for number, tag in enumerate(("site 4", "Élan", "Site 4", 'a"b', ""), 1):
            row = {"id": number, "device_id": f"pc-{number}", "tag": tag, "tag_key": fold(tag), "os_version": "10.0"}
            row |= {"cores": 4 if number < 3 else None, "first_seen_at_us": 0, "last_seen_at_us": 0}
            conn.execute(insert(schema.computers).values(**row))
            for key in ("ROOM", "Salle info"):
                values = {"computer_id": number, "key": key, "key_key": fold(key), "value": "B1", "value_key": "b1"}
                conn.execute(insert(schema.computer_accounts).values(**values))
            values = {"computer_id": number, "position": 0, "subnet": "10.1.0.0", "subnet_key": "x"}
            conn.execute(insert(schema.interfaces).values(**values))
        for number, name in enumerate(("Firefox", "Mozilla Firefox", "7-Zip"), 1):
            row = {"id": number, "digest": name.encode(), "name": name, "name_key": fold(name), "publisher": "Moz"}
            conn.execute(insert(schema.software).values(**row, publisher_key="moz"))
        pairs = ((1, 1), (1, 2), (2, 2), (3, 3))
        conn.execute(insert(schema.installed), [{"computer_id": a, "software_id": b} for a, b in pairs])
        conn.execute(insert(groups_schema.groups).values(id=1, name="Class A", name_key="class a"))
    origin.package("17")
    return origin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tag = ", [('"Site 4"', 1), ('"a\\"b"', 1), ('"site 4"', 1), ('"Élan"', 1)]),
        ('tag = "EL', [('"Élan"', 1)]),
        ("cores = ", [("4", 2)]),
        ("os_version = 1", [('"10.0"', 5)]),
        ("subnet in 10", [('"10.1.0.0"', 5)]),
        ("software(fire", [('"Mozilla Firefox"', 2), ('"Firefox"', 1)]),
        ("software(x, publisher = ", [('"Moz"', 3)]),
        ("package(", [('"package 17"', None)]),
        ('group("c', [('"Class A"', None)]),
        ("account.S", [('account."Salle info"', 5)]),
        ('account."sal', [('account."Salle info"', 5)]),
        ("account.room = ", [('"B1"', 5)]),
        ("package(x) = FA", [("FAILED", None)]),
        ("name = ", []),
    ],
)
def test_values(room: TestOrigin, text: str, expected: list[tuple[str, int | None]]) -> None:
    found = room.read(complete, text, len(text))
    assert sorted((each.text, each.count) for each in found.suggestions) == sorted(expected)
    counts = [each.count or 0 for each in found.suggestions]
    assert counts == sorted(counts, reverse=True)
