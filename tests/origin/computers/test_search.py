"""Which computers a search finds, in which order, and how they are counted."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from distd.catalogue.schema import computer_accounts, computers
from distd.domain.errors import BadInput
from distd.domain.filters.parse import parse
from distd.domain.folding import fold
from distd.domain.page import EVERYTHING, Window, read_window
from distd.origin.computers import search as module
from distd.origin.computers.columns import read_columns
from distd.origin.computers.computers import WantedComputers
from distd.origin.computers.search import Search, find_ids, read_part, read_sort, search

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.origin import TestOrigin

NOW_S = 1_700_000_000.0
ROWS = (  # DEVICEID, name, memory in MiB, last contact, ROOM
    ("pc-1", "Lyon", 8192, 5, "B12"),
    ("pc-2", "", None, 3, None),
    ("pc-3", "Éa", 4096, 5, ""),
    ("pc-4", "eb", 8192, 1, "a1"),
    ("pc-5", "lyon", None, 4, "b12"),
)


@pytest.fixture
def room(origin: TestOrigin) -> TestOrigin:
    for number, (device_id, name, mib, seen_us, place) in enumerate(ROWS, 1):
        row: dict[str, Any] = {"id": number, "device_id": device_id, "device_id_key": device_id, "name": name}
        row |= {"name_key": fold(name), "memory_bytes": mib and mib * 2**20, "first_seen_at_us": 0}
        row |= {"last_seen_at_us": seen_us}
        origin.write(lambda conn, row=row: conn.execute(insert(computers).values(**row)))
        if place is not None:
            values = {"computer_id": number, "key_key": "room", "key": "ROOM", "value": place, "value_key": fold(place)}
            origin.write(lambda conn, values=values: conn.execute(insert(computer_accounts).values(**values)))
    return origin


def asked(text: str = "", sort: str = "device_id", columns: str = "") -> Search:
    tree = parse(text) if text else None
    return Search(NOW_S, tree, read_sort(sort), read_columns(columns))


def pages(room: TestOrigin, wanted: Search, limit: int) -> Iterator[list[str]]:
    cursor = None
    while True:
        found = room.read(search, wanted, read_window(limit, cursor, wanted.sort.place))
        yield [item.device_id for item in found.items]
        cursor = found.next
        if cursor is None:
            return


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("device_id", [1, 2, 3, 4, 5]),
        ("-device_id", [5, 4, 3, 2, 1]),
        ("name", [3, 4, 1, 5, 2]),
        ("-name", [1, 5, 4, 3, 2]),
        ("memory", [3, 1, 4, 2, 5]),
        ("-memory", [1, 4, 3, 2, 5]),
        ("last_contact", [4, 2, 5, 1, 3]),
        ("-last_contact", [1, 3, 5, 2, 4]),
        ("account.Room", [4, 1, 5, 2, 3]),
        ("-account.Room", [1, 5, 4, 2, 3]),
        ("ip", [1, 2, 3, 4, 5]),
        ("last_inventory", [1, 2, 3, 4, 5]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_order_is_the_same_in_pages_of_any_size(
    room: TestOrigin, sort: str, expected: list[int], limit: int
) -> None:
    """Ties are by DEVICEID; what is empty is last in both directions."""
    found = list(pages(room, asked(sort=sort), limit))
    assert list(chain(*found)) == [f"pc-{number}" for number in expected]
    assert all(len(page) <= limit for page in found)


def test_a_filter_a_page_and_the_total(room: TestOrigin) -> None:
    found = room.read(search, asked("memory > 1GiB", "-last_contact"), Window(2))
    assert ([item.device_id for item in found.items], found.total, found.is_exact) == (["pc-1", "pc-3"], 3, True)
    assert room.read(find_ids, asked("lyon")) == [1, 5]
    both = Search(NOW_S, parse("lyon"), wanted=WantedComputers(name="pc-5"))
    assert [item.device_id for item in room.read(search, both, EVERYTHING).items] == ["pc-5"]


def test_chosen_columns(room: TestOrigin) -> None:
    found = room.read(search, asked("lyon", columns="name, memory,account.ROOM,ip,last_contact,os"), EVERYTHING)
    assert found.items == [
        {"name": "Lyon", "memory_bytes": 2**33, "account.ROOM": "B12", "ip": [], "last_contact_at_s": 5e-6, "os": ""},
        {"name": "lyon", "memory_bytes": None, "account.ROOM": "b12", "ip": [], "last_contact_at_s": 4e-6, "os": ""},
    ]


@pytest.mark.parametrize("text", ["memry", "mac", "-subnet", ""])
def test_what_is_no_sort(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_sort(text)
    assert caught.value.field == "sort"


def test_what_are_no_columns() -> None:
    for text in ("name,,os", "nam", ",".join(f"account.a{number}" for number in range(41))):
        with pytest.raises(BadInput) as caught:
            read_columns(text)
        assert caught.value.field == "columns"


def test_a_cursor_of_another_sort_is_refused(room: TestOrigin) -> None:
    cursor = room.read(search, asked(sort="name"), Window(1)).next
    for sort in ("-name", "memory", "user"):
        with pytest.raises(BadInput) as caught:
            room.read(search, asked(sort=sort), read_window(1, cursor, read_sort(sort).place))
        assert caught.value.field == "cursor"


def test_parts_are_not_counted(room: TestOrigin) -> None:
    items, place = room.read(read_part, asked(), Window(3))
    rest, end = room.read(read_part, asked(), Window(3, place))
    assert ([len(items), len(rest)], end) == ([3, 2], None)


def test_counting_ends_in_time(room: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not counted is taken to be as the rest."""
    monkeypatch.setattr(module, "SMALL", 1)
    monkeypatch.setattr(module, "SLICES", 5)
    assert room.read(search, asked("name is not empty"), Window(1)).total == 4
    clock = count(0.0, module.COUNT_S / 1.5)
    slow = room.read(lambda conn: search(conn, asked("name is not empty"), Window(1), lambda: next(clock)))
    assert (slow.total, slow.is_exact) == (2, False)  # one of the first two, so two of five


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sort=st.sampled_from(("name", "-name", "memory", "-memory", "-account.ROOM")), limit=st.integers(1, 4))
def test_no_computer_comes_twice_or_never(room: TestOrigin, sort: str, limit: int) -> None:
    found = list(chain(*pages(room, asked("NOT name = eb", sort), limit)))
    assert sorted(found) == ["pc-1", "pc-2", "pc-3", "pc-5"]
