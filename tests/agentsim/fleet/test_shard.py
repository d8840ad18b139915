"""A shard on its own network: a pool of connections, over sockets of loopback."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from distd.domain.records import Dialect
from tests.agentsim.fleet.conftest import CONTENT
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from tests.agentsim.fleet.conftest import RealFleet


@pytest.mark.parametrize("dialect", Dialect)
async def test_success(real_fleet: RealFleet, dialect: Dialect) -> None:
    real_fleet.add()
    totals = await real_fleet.run(dialect)
    figures = totals.figures()
    assert real_fleet.server.results == [("17", "SUCCESS")]
    assert (figures["done"], figures["fragments"], figures["bytes"]) == (1, 3, len(CONTENT))
    assert not totals.errors
    # Two places, one connection at a time, one of them under TLS.
    assert totals.total(lambda last: last.connections) > totals.total(lambda last: last.handshakes) > 0
    assert totals.total(lambda last: last.received_bytes) > len(CONTENT)


async def test_an_agent_whose_package_gets_no_turn_does_not_block_the_others(real_fleet: RealFleet) -> None:
    """Without pauses, its periods follow each other for ever."""
    real_fleet.add(priority=1)
    real_fleet.add("18", priority=11)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def end() -> None:
            await await_until(lambda: len(real_fleet.server.results) == 3, "each agent has deployed package 17")
            stop.set()

        nursery.start_soon(end)
        totals = await real_fleet.run(Dialect.WINDOWS, 3, stop=stop)
    assert (totals.packages["17"].good, totals.packages["18"].good) == (3, 0)


def test_the_memory_is_that_of_this_process_and_not_of_the_one_that_forked_it() -> None:
    script = "from agentsim.fleet.shard import _memory_bytes; print(_memory_bytes())"
    held = b"x" * 400_000_000
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 10_000_000 < int(done.stdout) < len(held)
