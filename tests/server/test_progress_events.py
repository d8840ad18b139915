"""Events about what is sent of packages, every few seconds."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from distd.catalogue.event_log import Kind
from distd.domain.errors import Unavailable
from distd.domain.settings import settings_of
from distd.origin.deployments.progress import Fetched, record
from distd.server.progress_events import STALLED_S, run_progress_events

if TYPE_CHECKING:
    import pytest

    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")


async def test_at_most_one_an_interval_and_those_that_stall(
    origin: TestOrigin,
    reader: Any,
    writer: Any,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin.package("17", plan="x")
    origin.prolog()
    origin.assign("17")
    assert origin.listed() == ["17"]

    def told() -> list[Any]:
        return [event.detail for event in origin.events(Kind.PACKAGE_PROGRESS)]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_progress_events, reader, writer, lambda: settings_of({"events.progress_s": 10}), LOG)
        await trio.sleep(1)
        for number in (1, 2):
            origin.write(record, [Fetched(1, "17", [number], 10)], origin.now_s)
        await trio.sleep(10)
        assert [detail["fragments"] for detail in told()] == [2]
        await trio.sleep(STALLED_S)  # the real clock is years after the test's: it stalls
        assert [detail["stalled"] for detail in told()] == [None, 1]
        origin.write(record, [Fetched(1, "17", [3], 10)], origin.now_s)
        writer.error = Unavailable("catalogue", "it is locked")
        await trio.sleep(10)
        writer.error = None
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert caplog.messages == ["progress of packages is not told: catalogue: it is locked"]
    assert [detail["fragments"] for detail in told()] == [2, 0, 1]
