"""Packages with their states and counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from distd.catalogue import schema
from distd.domain.errors import BadInput, NotFound
from distd.domain.page import EVERYTHING, Window, read_window
from distd.origin.deployments.progress import Fetched, record
from distd.origin.packages import overview, packages, planned_activations
from distd.origin.packages.counters import Counters, count_computers
from distd.origin.packages.overview import PLACE, PackageState, PackageTotals, WantedPackages, read_ordering
from distd.origin.packages.planned_activations import Conditions

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

LATER_S = 1_800_000_000.0


@pytest.fixture
def shelf(origin: TestOrigin) -> TestOrigin:
    """A package in each state; their ids are in the order of their creation, which is at the same time."""
    for package_id in ("11", "12", "13", "14", "15", "16"):
        origin.package(package_id, active=package_id in ("11", "14"))
    origin.act(planned_activations.plan, "13", None, Conditions(0, LATER_S), origin.now_s)
    origin.act(packages.mark_withdrawn, "14", 2, origin.now_s)
    with origin.catalogue.write() as conn:
        conn.execute(schema.packages.update().where(schema.packages.c.id == "15").values(superseded_by="11"))
        conn.execute(schema.packages.update().where(schema.packages.c.id == "16").values(deleted_at_us=1))
    return origin


def listed(origin: TestOrigin, **wanted: Any) -> dict[str, str]:
    page = origin.read(overview.list_packages, WantedPackages(**wanted), EVERYTHING)
    assert page.total == len(page.items)
    return {package.id: package.state for package in page.items}


def test_states(shelf: TestOrigin) -> None:
    states = {"15": "SUPERSEDED", "14": "WITHDRAWN", "13": "PLANNED", "12": "INACTIVE", "11": "ACTIVE"}
    assert listed(shelf) == states
    assert list(listed(shelf)) == ["15", "14", "13", "12", "11"]  # the newest first
    assert listed(shelf, active=True) == {"11": "ACTIVE"}
    assert set(listed(shelf, active=False)) == {"12", "13", "14", "15"}
    assert listed(shelf, deleted=True) == {"16": "DELETED"}
    assert set(listed(shelf, name="PACKAGE 1?")) == set(states)
    assert set(listed(shelf, name="12")) == {"12"}
    assert listed(shelf, name="1") == states


@pytest.mark.parametrize("state", PackageState)
def test_those_of_one_state(shelf: TestOrigin, state: PackageState) -> None:
    is_deleted = state is PackageState.DELETED
    assert set(listed(shelf, state=state, deleted=is_deleted).values()) == {str(state)}


def test_totals(shelf: TestOrigin) -> None:
    assert shelf.read(overview.totals) == PackageTotals(5, 1, 50)


def test_no_packages_have_totals_too(origin: TestOrigin) -> None:
    assert origin.read(overview.totals) == PackageTotals(0, 0, 0)


@pytest.mark.parametrize("column", ["id", "created", "name", "priority", "fragments", "size"])
def test_an_order_goes_on_from_page_to_page(shelf: TestOrigin, column: str) -> None:
    assert paged(shelf, column) == ["11", "12", "13", "14", "15"]
    assert paged(shelf, f"-{column}") == ["15", "14", "13", "12", "11"]


def test_an_order_by_a_counter(pc: TestOrigin) -> None:
    for package_id in ("1", "2"):
        pc.package(package_id)
    pc.assign("1")
    assert paged(pc, "waiting") == ["2", "1"]
    assert paged(pc, "-waiting") == ["1", "2"]
    assert paged(pc, "archived") == ["1", "2"]


def test_there_is_no_other_order() -> None:
    with pytest.raises(BadInput) as caught:
        read_ordering("-target")
    assert caught.value.field == "sort"


def paged(origin: TestOrigin, sort: str) -> list[str]:
    """The ids of all packages, asked for two by two."""
    ordering, found, cursor = read_ordering(sort), [], None
    while True:
        window = read_window(2, cursor, ordering.place)
        page = origin.read(overview.list_packages, WantedPackages(), window, ordering)
        found += [package.id for package in page.items]
        cursor = page.next
        if cursor is None:
            return found


def test_a_deleted_package_is_shown(shelf: TestOrigin) -> None:
    shown = shelf.read(overview.show, "16")
    assert (shown.state, shown.deleted_at_s) == ("DELETED", 0.000001)
    with pytest.raises(NotFound):
        shelf.read(overview.show, "99")


def test_pages(shelf: TestOrigin) -> None:
    first = shelf.read(overview.list_packages, WantedPackages(), Window(3))
    second = shelf.read(overview.list_packages, WantedPackages(), read_window(3, first.next, PLACE))
    assert [[package.id for package in page.items] for page in (first, second)] == [["15", "14", "13"], ["12", "11"]]
    assert (first.total, second.total, second.next) == (5, 5, None)


def test_each_computer_counts_once_in_its_latest_state(origin: TestOrigin) -> None:
    origin.package("17")
    origin.package("18")
    codes = {"a": None, "b": None, "c": None, "d": "SUCCESS", "e": "EXIT_CODE_0", "f": "ERR_TIMEOUT", "g": "SUCCESS"}
    for device_id in codes:
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
        origin.assign("17", device_id)
    for device_id in ("b", "c", "d", "e", "f", "g"):
        origin.listed(device_id)
    computer_ids = {row["device_id"]: row["id"] for row in origin.rows(schema.computers)}
    origin.write(record, [Fetched(computer_ids[name], "17", [1], 10) for name in ("c", "d")], origin.now_s)
    for device_id, code in codes.items():
        if code:
            origin.report("17", code, device_id)
    origin.assign("17", "g", force=True)  # again, after its result
    counted = Counters(waiting=2, notified=1, downloading=1, success=2, failed=1, unproven=1)
    assert origin.read(count_computers, ["17", "18"]) == {"17": counted}
    assert set(listed(origin, running=True)) == {"17"}
    page = origin.read(overview.list_packages, WantedPackages(), EVERYTHING)
    numbers = {p.id: (p.waiting, p.notified, p.downloading, p.success, p.failed) for p in page.items}
    assert numbers == {"17": (2, 1, 1, 2, 1), "18": (0, 0, 0, 0, 0)}
