"""The server's log of events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from distd.domain.errors import Unavailable
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.deployments.progress import Fetched, record
from distd.server import event_lines
from distd.server.event_lines import logged_events

if TYPE_CHECKING:
    import pytest

    from distd.catalogue.event_watch import EventWatch
    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")
WAIT_S = 1.0


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, Any]]]:
    found = [(row.levelname, row.getMessage(), dict(getattr(row, "fields", {}))) for row in caplog.records]
    caplog.clear()
    for _, _, fields in found:
        fields.pop("seq", None)
    return found


def deploy(origin: TestOrigin) -> None:
    """A package, three computers that get it, and a result."""
    origin.package("17")
    for device_id in ("a", "b", "c"):
        origin.prolog(device_id)
        origin.inventory(device_id=device_id)
    origin.act(assignments.assign, AssignmentRequest("17", ["a", "b", "c"]), origin.now_s)
    origin.listed("a")
    origin.write(record, [Fetched(1, "17", [1], 10)], origin.now_s)
    origin.report("17", "ERR_TIMEOUT", "a")


async def test_acts_and_results_at_info(
    autojump_clock: Any, event_watch: EventWatch, origin: TestOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "distd")
    origin.package("16")  # before: not logged
    async with logged_events(event_watch, LOG):
        await trio.testing.wait_all_tasks_blocked()
        deploy(origin)
        await trio.sleep(2 * WAIT_S)
    of_17 = {"package": "17", "package_name": "package 17"}
    seen = [("INFO", "COMPUTER_SEEN", {"actor": "agent", "computer": name, "device_id": name}) for name in "abc"]
    assert lines(caplog) == [
        ("INFO", "PACKAGE_ACTIVATED", {"actor": "operator:admin", **of_17}),
        *seen,
        ("INFO", "ASSIGNED", {"actor": "operator:admin", **of_17, "computers": 3}),
        ("INFO", "RESULT", {"actor": "agent", **of_17, "computer": "a", "code": "ERR_TIMEOUT"}),
    ]


async def test_at_debug_all_events(
    autojump_clock: Any, event_watch: EventWatch, origin: TestOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "distd")
    async with logged_events(event_watch, LOG):
        await trio.testing.wait_all_tasks_blocked()
        deploy(origin)
        await trio.sleep(2 * WAIT_S)
    quiet = [message for level, message, _ in lines(caplog) if level == "DEBUG"]
    assert quiet == ["INVENTORY"] * 3 + ["NOTIFIED", "FRAGMENTS_FETCHED"]


async def test_more_than_a_batch_and_none_twice(
    autojump_clock: Any,
    event_watch: EventWatch,
    origin: TestOrigin,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, "distd")
    monkeypatch.setattr(event_lines, "BATCH", 2)
    async with logged_events(event_watch, LOG):
        await trio.testing.wait_all_tasks_blocked()
        for number in range(7):
            origin.package(str(number))
        await trio.sleep(5 * WAIT_S)
        origin.package("7")
        await trio.sleep(5 * WAIT_S)
    assert [fields["package"] for _, _, fields in lines(caplog)] == [str(number) for number in range(8)]


async def test_while_the_catalogue_is_away_nothing_is_lost(
    autojump_clock: Any, reader: Any, event_watch: EventWatch, origin: TestOrigin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "distd")
    async with logged_events(event_watch, LOG):
        await trio.testing.wait_all_tasks_blocked()
        reader.error = Unavailable("catalogue", "database is locked")
        origin.package("17")
        await trio.sleep(1.5 * WAIT_S)
        reader.error = None
        await trio.sleep(1.5 * WAIT_S)
    found = lines(caplog)
    assert found[0] == ("WARNING", "events are not followed: catalogue: database is locked", {})
    assert found[-1][1] == "PACKAGE_ACTIVATED"
