"""The deployment of a package in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from distd.catalogue import schema
from distd.domain.errors import NotFound
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.deployments.statistics import MAX_POINTS, MAX_SHARES, rows_of, show_statistics
from distd.origin.groups import groups
from distd.origin.groups.groups import NewComputerGroup

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def deployed(origin: TestOrigin) -> TestOrigin:
    """17 on ten computers of two tags; after an hour the first two have it, the third has failed."""
    origin.package("17")
    names = [f"pc{number}" for number in range(10)]
    for device_id in names:
        origin.prolog(device_id)
        origin.inventory(device_id=device_id, account={"TAG": "paris" if device_id < "pc7" else "lyon"})
    origin.act(assignments.assign, AssignmentRequest("17", names), origin.now_s)
    origin.now_s += 1800
    for device_id in names[:4]:
        origin.listed(device_id)
    origin.fetch("17", "pc0", mirror="m")
    origin.now_s += 1800
    origin.report("17", "SUCCESS", "pc0")
    origin.report("17", "EXIT_CODE_0", "pc1")
    origin.report("17", "ERR_ABORTED", "pc2")
    return origin


def test_by_state_code_and_what_they_have_in_common(deployed: TestOrigin) -> None:
    found = deployed.read(show_statistics, "17")
    assert (found.total, found.waiting, found.notified, found.success, found.failed) == (10, 6, 1, 2, 1)
    assert found.by_code == {"SUCCESS": 1, "EXIT_CODE_0": 1, "ERR_ABORTED": 1}
    assert found.by_class == {"SUCCESS": 2, "USER_CHOICE": 1}
    assert [(share.name, share.total, share.success, share.waiting) for share in found.by_tag] == [
        ("paris", 7, 2, 3),
        ("lyon", 3, 0, 3),
    ]
    assert [(share.name, share.total) for share in found.by_mirror] == [("", 9), ("m", 1)]
    assert [share.name for share in found.by_agent] == [deployed.user_agent]
    for shares in (found.by_tag, found.by_subnet, found.by_mirror, found.by_os, found.by_agent):
        assert sum(share.total for share in shares) == found.total


def test_by_groups_of_which_a_computer_may_be_in_several(deployed: TestOrigin) -> None:
    assert deployed.read(show_statistics, "17").by_group == []
    for name, device_ids in (("all of room 4", ["pc0", "pc2", "pc3"]), ("new", ["pc0"]), ("nobody", [])):
        deployed.act(groups.create, NewComputerGroup(name, computers=device_ids), deployed.now_s)
    found = deployed.read(show_statistics, "17").by_group
    assert [(share.name, share.total, share.success, share.failed) for share in found] == [
        ("all of room 4", 3, 1, 1),
        ("new", 1, 1, 0),
    ]


def test_over_time(deployed: TestOrigin) -> None:
    curve = deployed.read(show_statistics, "17").curve
    assert len(curve) <= MAX_POINTS
    assert [point.at_s for point in curve] == sorted({point.at_s for point in curve})
    first, last = curve[0], curve[-1]
    assert (first.assigned, first.notified, first.success) == (10, 0, 0)
    assert (last.at_s, last.assigned, last.notified, last.success, last.failed) == (deployed.now_s, 10, 4, 2, 1)
    half = [point for point in curve if point.at_s < deployed.now_s - 60][-1]
    assert (half.notified, half.success) == (4, 0)


def test_a_deleted_package_keeps_its_numbers(deployed: TestOrigin) -> None:
    before = deployed.read(show_statistics, "17")
    deployed.write(lambda conn: conn.execute(update(schema.packages).values(deleted_at_us=1)))
    assert deployed.read(show_statistics, "17") == before


def test_nothing_assigned_and_nothing_known(origin: TestOrigin) -> None:
    origin.package("17")
    found = origin.read(show_statistics, "17")
    assert (found.total, found.by_code, found.curve, found.by_tag) == (0, {}, [], [])
    with pytest.raises(NotFound):
        origin.read(show_statistics, "18")


def test_small_shares_are_together(deployed: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distd.origin.deployments.statistics.MAX_SHARES", 1)
    (share,) = deployed.read(show_statistics, "17").by_tag
    assert (share.name, share.total) == ("*", 10)
    assert MAX_SHARES == 100


def test_one_table_of_all(deployed: TestOrigin) -> None:
    found = deployed.read(show_statistics, "17")
    rows = list(rows_of(found))
    assert len({tuple(row) for row in rows}) == 1
    assert rows[0] | {"at_s": ""} == rows[0]
    assert (rows[0]["kind"], rows[0]["total"], rows[0]["waiting"]) == ("all", 10, 6)
    assert {row["kind"] for row in rows} == {"all", "code", "class", "tag", "subnet", "mirror", "os", "agent", "curve"}
