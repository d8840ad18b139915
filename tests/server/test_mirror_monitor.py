"""The monitor of mirrors, in virtual time: new directories after changes, activations when they are due."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.domain.mirror_rules import Via
from distd.origin.packages import packages, planned_activations
from distd.origin.packages.planned_activations import Conditions
from distd.server import mirror_monitor
from distd.server.mirror_monitor import MirrorMonitor
from tests.fixtures.mirrors import add_mirror

if TYPE_CHECKING:
    from trio.testing import MockClock

    from distd.origin.mirrors.directory import MirrorDirectory
    from tests.fixtures.origin import TestOrigin


@pytest.fixture
def seen() -> list[MirrorDirectory]:
    return []


@pytest.fixture
def monitor(reader: Any, writer: Any, seen: list[MirrorDirectory], origin: TestOrigin) -> MirrorMonitor:
    origin.now_s = time.time()  # what the monitor reads is compared with the clock on the wall
    return MirrorMonitor(reader, writer, lambda: Via.DIRECT, [seen.append], logging.getLogger("distd"))


async def test_the_directory_is_read_at_the_start_and_when_something_has_changed(
    autojump_clock: MockClock, monitor: MirrorMonitor, seen: Any, origin: TestOrigin, nursery: trio.Nursery
) -> None:
    nursery.start_soon(monitor.run)
    await trio.testing.wait_all_tasks_blocked()
    assert [len(directory.online) for directory in seen] == [0]
    add_mirror(origin, "a")
    monitor.notify()
    await trio.testing.wait_all_tasks_blocked()
    assert [len(directory.online) for directory in seen] == [0, 1]


async def test_what_is_due_is_activated(
    autojump_clock: MockClock, monitor: MirrorMonitor, origin: TestOrigin, nursery: trio.Nursery
) -> None:
    origin.package("17", active=False)
    origin.package("18", active=False)
    for package_id, at_s in (("17", origin.now_s - 1), ("18", origin.now_s + 86_400)):
        origin.act(planned_activations.plan, package_id, None, Conditions(0, at_s), origin.now_s)
    nursery.start_soon(monitor.run)
    await trio.sleep(2 * mirror_monitor.CHECK_S)
    assert [package.active for package in origin.read(packages.read_all)] == [True, False]


async def test_while_the_catalogue_is_away_the_directory_stays(
    autojump_clock: MockClock, monitor: MirrorMonitor, seen: Any, reader: Any, nursery: trio.Nursery, caplog: Any
) -> None:
    reader.error = Unavailable("catalogue", "database is locked")
    nursery.start_soon(monitor.run)
    await trio.sleep(mirror_monitor.CHECK_S / 2)
    assert "mirrors are not read: catalogue: database is locked" in caplog.text
    assert seen == []
    reader.error = None
    await trio.sleep(mirror_monitor.CHECK_S)
    assert len(seen) == 1


async def test_one_plan_that_is_wrong_ends_nothing(
    autojump_clock: MockClock, monitor: MirrorMonitor, seen: Any, origin: TestOrigin, nursery: trio.Nursery
) -> None:
    for package_id in ("17", "18"):
        origin.package(package_id, active=False)
        origin.act(planned_activations.plan, package_id, None, Conditions(0, origin.now_s - 1), origin.now_s)
    origin.write(lambda conn: conn.exec_driver_sql("UPDATE packages SET withdrawn_at_us = 1 WHERE id = '17'"))
    nursery.start_soon(monitor.run)
    await trio.sleep(2 * mirror_monitor.CHECK_S)
    assert [package.active for package in origin.read(packages.read_all)] == [False, True]
    assert len(seen) == 2


async def test_a_fault_of_the_program_leaves_the_directory_alone(
    autojump_clock: MockClock,
    monitor: MirrorMonitor,
    seen: Any,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(planned_activations, "list_planned", lambda _conn: 1 / 0)
    nursery.start_soon(monitor.run)
    await trio.sleep(1.5 * mirror_monitor.CHECK_S)
    assert len(seen) == 2
    assert "a fault of the program: ZeroDivisionError" in caplog.text
