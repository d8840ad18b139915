"""What a server does for groups every minute."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from distd.catalogue.groups_schema import group_members
from distd.domain.assignment_terms import Terms
from distd.domain.errors import Unavailable
from distd.origin.groups import following, given_packages, groups, membership
from distd.origin.groups.groups import NewComputerGroup
from distd.origin.packages import packages
from distd.server.group_upkeep import FOLLOW_S, WHOLE, run_groups

if TYPE_CHECKING:
    import pytest

    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")


async def run(reader: Any, writer: Any, rounds: int, autojump_clock: trio.testing.MockClock) -> None:
    del autojump_clock
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_groups, reader, writer, LOG)
        await trio.sleep(FOLLOW_S * rounds + 1)
        nursery.cancel_scope.cancel()


def create(origin: TestOrigin, name: str, text: str) -> None:
    origin.act(groups.create, NewComputerGroup(name, "", text), origin.now_s)


async def test_members_follow_by_the_clock(
    origin: TestOrigin, reader: Any, writer: Any, autojump_clock: trio.testing.MockClock, monkeypatch: Any
) -> None:
    monkeypatch.setattr(following, "MAX_JUDGED", 2)
    origin.now_s = time.time()
    for number in range(5):
        origin.prolog(f"pc{number}")
    create(origin, "lost", "last_contact < 7d")
    assert origin.rows(group_members) == []
    origin.write(lambda conn: conn.exec_driver_sql("UPDATE computers SET last_seen_at_us = 0 WHERE id > 2"))
    await run(reader, writer, 1, autojump_clock)
    assert [row["computer_id"] for row in origin.rows(group_members)] == [3, 4, 5]


async def test_all_are_compared_now_and_then(
    origin: TestOrigin, reader: Any, writer: Any, autojump_clock: trio.testing.MockClock
) -> None:
    origin.prolog()
    create(origin, "pcs", "device_id = pc")
    for rounds in (1, WHOLE + 1):
        origin.write(lambda conn: membership.change(conn, {}, {1: [1]}, 5.0))
        await run(reader, writer, rounds, autojump_clock)
        assert len(origin.rows(group_members)) == 1


async def test_what_was_not_active_is_given_in_parts(
    origin: TestOrigin, reader: Any, writer: Any, autojump_clock: trio.testing.MockClock, monkeypatch: Any
) -> None:
    monkeypatch.setattr(given_packages, "MAX_LATE", 2)
    origin.now_s = time.time()
    origin.package("17")
    create(origin, "all", 'device_id ~ "*"')
    origin.act(given_packages.keep, "all", "17", Terms(), origin.now_s)
    origin.act(packages.deactivate, "17", origin.now_s)
    for number in range(5):
        origin.prolog(f"pc{number}")
    origin.now_s += 10
    origin.act(packages.activate, "17", None, None, origin.now_s)
    parts: list[int] = []
    give = given_packages.give_late

    def note(conn: Any, late: Any, computer_ids: Any, now_s: float) -> None:
        parts.append(len(computer_ids))
        give(conn, late, computer_ids, now_s)

    monkeypatch.setattr(given_packages, "give_late", note)
    await run(reader, writer, 2, autojump_clock)
    assert (parts, len(origin.results("17"))) == ([2, 2, 1], 5)


async def test_a_gift_that_fails_keeps_no_other_back(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin.now_s = time.time()
    create(origin, "all", 'device_id ~ "*"')
    for package_id in ("17", "18"):
        origin.package(package_id)
        origin.act(given_packages.keep, "all", package_id, Terms(), origin.now_s)
        origin.act(packages.deactivate, package_id, origin.now_s)
    origin.prolog()
    origin.now_s += 10
    for package_id in ("17", "18"):
        origin.act(packages.activate, package_id, None, None, origin.now_s)
    give = given_packages.give_late

    def fail(conn: Any, late: Any, computer_ids: Any, now_s: float) -> None:
        give(conn, late, computer_ids, now_s / 0 if late.key == 1 else now_s)

    monkeypatch.setattr(given_packages, "give_late", fail)
    await run(reader, writer, 1, autojump_clock)
    assert [len(origin.results(each)) for each in ("17", "18")] == [0, 1]
    assert "members of a group do not get a package, LateGift(key=1" in caplog.text


async def test_a_catalogue_that_is_away_is_asked_again(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader.error = Unavailable("catalogue", "it is locked")
    await run(reader, writer, 2, autojump_clock)
    assert caplog.messages == ["members of groups do not follow: catalogue: it is locked"] * 2
