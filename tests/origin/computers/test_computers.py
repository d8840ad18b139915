"""Computers: list, show, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.errors import NotFound
from distd.domain.page import EVERYTHING, Window, read_window
from distd.origin.computers import computers
from distd.origin.computers.computers import PLACE, WantedComputers
from distd.origin.deployments.progress import Fetched, record

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def room(origin: TestOrigin) -> TestOrigin:
    """Five computers, of which some have told their names and tags."""
    for device_id, name, tag in (
        ("pc-3", "Lyon 100%", "site 4"),
        ("pc-1", "lyon_b", "site 4"),
        ("pc-2", "Paris", "site 5"),
    ):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id, hardware={"NAME": name}, account={"TAG": tag})
    origin.prolog("pc-4")
    origin.prolog("server")
    return origin


def names(origin: TestOrigin, name: str | None = None, tag: str | None = None) -> list[str]:
    page = origin.read(computers.list_computers, WantedComputers(name, tag), EVERYTHING)
    assert (page.next, page.total) == (None, len(page.items))
    return [computer.device_id for computer in page.items]


@pytest.mark.parametrize(
    ("name", "tag", "expected"),
    [
        (None, None, ["pc-1", "pc-2", "pc-3", "pc-4", "server"]),
        ("lyon", None, ["pc-1", "pc-3"]),
        ("100%", None, ["pc-3"]),
        ("n_b", None, ["pc-1"]),
        ("n?b", None, []),
        ("lyon?b", None, ["pc-1"]),
        ("pc-*", None, ["pc-1", "pc-2", "pc-3", "pc-4"]),
        ("c-4", None, ["pc-4"]),
        ("*-4", None, ["pc-4"]),
        ("\\", None, []),
        (None, "site 4", ["pc-1", "pc-3"]),
        ("paris", "site 4", []),
    ],
)
def test_which_are_listed(room: TestOrigin, name: str | None, tag: str | None, expected: list[str]) -> None:
    assert names(room, name, tag) == expected


def test_page_after_page_shows_each_once(room: TestOrigin) -> None:
    found, cursor = [], None
    while True:
        window = read_window(2, cursor, PLACE)
        page = room.read(computers.list_computers, WantedComputers(), window)
        found.append([computer.device_id for computer in page.items])
        assert page.total == 5
        cursor = page.next
        if cursor is None:
            break
    assert found == [["pc-1", "pc-2"], ["pc-3", "pc-4"], ["server"]]


def test_a_page_that_is_just_full_is_the_last(room: TestOrigin) -> None:
    assert room.read(computers.list_computers, WantedComputers(), Window(5)).next is None


def test_a_deleted_computer_leaves_nothing_but_events(room: TestOrigin) -> None:
    room.package("17")
    for device_id in ("pc-1", "pc-2"):
        room.inventory("16", device_id=device_id)
        room.assign("17", device_id)
        room.listed(device_id)
    computer_ids = {row["device_id"]: row["id"] for row in room.rows(schema.computers)}
    room.write(record, [Fetched(computer_ids[name], "17", [1], 10) for name in ("pc-1", "pc-2")], room.now_s)
    room.act(computers.delete, ["pc-1", "server"], room.now_s)
    assert names(room) == ["pc-2", "pc-3", "pc-4"]
    for table in (schema.assignments, schema.progress, schema.history):
        assert {row["computer_id"] for row in room.rows(table)} == {computer_ids["pc-2"]}
    deleted = room.events(Kind.COMPUTER_DELETED)
    assert [(event.computer_id, event.detail) for event in deleted] == [
        (computer_ids[name], {"device_id": name}) for name in ("pc-1", "server")
    ]
    assert [result.device_id for result in room.results("17")] == ["pc-2"]


def test_who_comes_again_is_a_new_computer(room: TestOrigin) -> None:
    before = room.read(computers.show, "pc-1").computer.id
    room.act(computers.delete, ["pc-1"], room.now_s)
    room.prolog("pc-1")
    assert room.read(computers.show, "pc-1").computer.id > before


def test_none_is_deleted_where_one_is_unknown(room: TestOrigin) -> None:
    with pytest.raises(NotFound, match="computers: expected the DEVICEID of a computer, got pc-9"):
        room.act(computers.delete, ["pc-1", "pc-9"], room.now_s)
    assert "pc-1" in names(room)
    assert room.events(Kind.COMPUTER_DELETED) == []
