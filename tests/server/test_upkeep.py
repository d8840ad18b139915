"""What a server does for its catalogue every now and then."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import Unavailable
from distd.domain.records import InventoryRequest
from distd.domain.settings import settings_of
from distd.origin.deployments import recurrences
from distd.origin.deployments.recurrences import NewRecurrence
from distd.server.upkeep import MERGE_S, PRUNE_S, RECUR_S, SOFTWARE_S, run_upkeep

if TYPE_CHECKING:
    import pytest

    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")


async def test_old_events_go_and_unproven_results_are_told(
    origin: TestOrigin, reader: Any, writer: Any, autojump_clock: trio.testing.MockClock
) -> None:
    origin.prolog()
    origin.inventory()
    origin.package("17")
    origin.assign("17")
    origin.listed()
    origin.report("17", "SUCCESS")
    origin.package("18")
    origin.assign("18", not_after_s=origin.now_s + 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_upkeep, reader, writer, settings_of({"events.keep": 1000}), LOG)
        await trio.sleep(PRUNE_S + 1)
        nursery.cancel_scope.cancel()
    assert [event.package_id for event in origin.events(Kind.UNPROVEN)] == ["17"]
    assert origin.code("18") == "ERR_EXPIRED"


async def test_a_catalogue_that_is_away_is_asked_again(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    writer.error = Unavailable("catalogue", "it is locked")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_upkeep, reader, writer, settings_of({}), LOG)
        await trio.sleep(PRUNE_S * 2 + 1)
        nursery.cancel_scope.cancel()
    assert [line for line in caplog.messages if line.startswith("old events")] == [
        "old events are not deleted: catalogue: it is locked"
    ] * 2


async def test_computers_are_merged_and_software_that_nobody_has_goes(
    origin: TestOrigin, reader: Any, writer: Any, autojump_clock: trio.testing.MockClock
) -> None:
    for name, software in (("old", ({"NAME": "Git"},)), ("new", ())):
        origin.now_s += 60
        origin.post(InventoryRequest(name, {}, {}, (), None, bios={"SSN": "ABC1234"}, software=software))
    async with trio.open_nursery() as nursery:
        settings = settings_of({"computers.merge_by": "serial", "agents.forget_days": 0})
        nursery.start_soon(run_upkeep, reader, writer, settings, LOG)
        await trio.sleep(max(MERGE_S, SOFTWARE_S) + 1)
        nursery.cancel_scope.cancel()
    assert [row["device_id"] for row in origin.rows(schema.computers)] == ["new"]
    assert origin.rows(schema.software) == []


async def test_packages_come_again_to_all_at_once(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recurrences, "AT_ONCE", 1)
    origin.package("17")
    for name in ("a", "b"):
        origin.prolog(name)
        origin.inventory(device_id=name)
    who = AssignmentOrigin(OriginKind.FILTER, "device_id IN (a, b)")
    origin.act(recurrences.create, NewRecurrence("17", 1, who), origin.now_s)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_upkeep, reader, writer, settings_of({}), LOG)
        await trio.sleep(RECUR_S + 1)
        nursery.cancel_scope.cancel()
    assert [result.origin_kind for result in origin.results("17")] == ["recurrence"] * 2


async def test_where_nothing_is_due_the_writer_is_not_asked(
    reader: Any, writer: Any, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(recurrences, "run_due", lambda _conn, **_: asked.append(1))
    with trio.move_on_after(3 * RECUR_S):
        await run_upkeep(reader, writer, settings_of({}), LOG)
    assert asked == []


async def test_one_recurrence_that_is_wrong_keeps_no_other_from_its_turn(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin.prolog()
    origin.inventory()
    who = AssignmentOrigin(OriginKind.FILTER, "device_id = pc")
    for package_id in ("17", "18"):
        origin.package(package_id)
        origin.act(recurrences.create, NewRecurrence(package_id, 1, who), origin.now_s)
    whole = recurrences._next

    def next_part(conn: Any, row: Any, now_s: float) -> Any:
        return 1 / 0 if row.package_id == "17" else whole(conn, row, now_s)

    monkeypatch.setattr(recurrences, "_next", next_part)
    with trio.move_on_after(RECUR_S + 1):
        await run_upkeep(reader, writer, settings_of({}), LOG)
    assert [result.origin_kind for result in origin.results("18")] == ["recurrence"]
    (event,) = origin.events(Kind.RECURRENCE_FAILED)
    assert event.detail["why"] == "ZeroDivisionError: division by zero"
    assert "a package does not come again: a fault of the program" in caplog.text
