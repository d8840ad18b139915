"""For whom a package is cancelled is told to those who find fragments."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from distd.domain.errors import Unavailable
from distd.origin.deployments import acts
from distd.origin.deployments.acts import ChosenAssignments
from distd.server.cancellations import Cancellations

if TYPE_CHECKING:
    from distd.catalogue.event_watch import EventWatch
    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd")
ALL = ChosenAssignments()
WAIT_S = 3.0


async def test_told_when_it_changes(autojump_clock: Any, pc: TestOrigin, reader: Any, event_watch: EventWatch) -> None:
    pc.package("17")
    pc.assign("17")
    pc.listed()
    used: list[Any] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Cancellations(used.append).run, event_watch, LOG)
        await trio.sleep(WAIT_S)
        assert used == [frozenset()]
        reader.error = Unavailable("catalogue", "locked")
        pc.act(acts.cancel, "17", ALL, pc.now_s)
        await trio.sleep(WAIT_S)
        assert used == [frozenset()]
        reader.error = None
        await trio.sleep(WAIT_S)
        assert used == [frozenset(), {(1, "17")}]
        pc.report("17", "ERR_BAD_DIGEST")
        pc.assign("17")  # the next attempt gets the package
        await trio.sleep(WAIT_S)
        nursery.cancel_scope.cancel()
    assert used[-1] == frozenset()
