"""What a server does for its catalogue every now and then."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from distd.catalogue.event_log import Kind
from distd.domain.errors import Unavailable
from distd.domain.settings import settings_of
from distd.server.upkeep import PRUNE_S, run_upkeep

if TYPE_CHECKING:
    import pytest

    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")


async def test_old_events_go_and_unproven_results_are_told(
    origin: TestOrigin, writer: Any, autojump_clock: trio.testing.MockClock
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
        nursery.start_soon(run_upkeep, writer, settings_of({"events.keep": 1000}), LOG)
        await trio.sleep(PRUNE_S + 1)
        nursery.cancel_scope.cancel()
    assert [event.package_id for event in origin.events(Kind.UNPROVEN)] == ["17"]
    assert origin.code("18") == "ERR_EXPIRED"


async def test_a_catalogue_that_is_away_is_asked_again(
    origin: TestOrigin, writer: Any, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    writer.error = Unavailable("catalogue", "it is locked")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_upkeep, writer, settings_of({}), LOG)
        await trio.sleep(PRUNE_S * 2 + 1)
        nursery.cancel_scope.cancel()
    assert [line for line in caplog.messages if line.startswith("old events")] == [
        "old events are not deleted: catalogue: it is locked"
    ] * 2
