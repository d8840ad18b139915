"""Columns of computers that are asked for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.domain.errors import BadInput
from distd.origin.computers.columns import MAX_COLUMNS, column_name, read_columns, read_values
from tests.fixtures.databases import sqlite_database

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

__all__ = ["sqlite_database"]  # that searches tell the same of all databases is tested with them


def test_names_come_once_with_their_units() -> None:
    found = read_columns(" name, memory ,last_contact,name")
    assert [column_name(field) for field in found] == ["name", "memory_bytes", "last_contact_at_s"]
    assert read_columns("  ") == ()


@pytest.mark.parametrize("text", ["colour", "name,,tag", ",".join(["name"] * (MAX_COLUMNS + 1))])
def test_what_is_no_list_of_fields_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_columns(text)
    assert caught.value.field == "columns"


def test_values_come_in_the_order_of_computers_and_nothing_known_is_empty(origin: TestOrigin) -> None:
    origin.prolog("a")
    origin.prolog("b")
    fields = read_columns("device_id,tag,memory,subnet,account.ROOM")
    with origin.catalogue.read() as conn:
        found = read_values(conn, [2, 99, 1], fields)
    assert [row["device_id"] for row in found] == ["b", "a"]
    assert {name: value for name, value in found[0].items() if name != "device_id"} == {
        "tag": "",
        "memory_bytes": None,
        "subnet": [],
        "account.ROOM": "",
    }
