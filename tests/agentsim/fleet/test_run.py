"""A fleet from its beginning to its end: signals, and processes that end in their own ways."""

from __future__ import annotations

import math
import os
import signal
from typing import TYPE_CHECKING

import pytest
import trio

from agentsim.fleet import processes, run
from agentsim.fleet.options import FleetOptions
from agentsim.fleet.processes import run_processes
from agentsim.fleet.run import run_fleet
from agentsim.fleet.totals import FleetTotals
from distd.domain.errors import Unavailable
from distd.domain.records import Action
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.agentsim.faulty_server import FaultyServer

OPTIONS = FleetOptions("https://localhost:1/", "", 2)


async def test_the_first_signal_tells_shards_to_end_and_after_the_second_none_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    totals = FleetTotals(2)
    was_stopped = []

    async def run_here(options: FleetOptions, totals: FleetTotals, stop: trio.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        was_stopped.append(totals.interrupted)
        os.kill(os.getpid(), signal.SIGTERM)
        await trio.sleep_forever()

    monkeypatch.setattr(run, "run_here", run_here)
    await run_fleet(OPTIONS, totals, 1, None)
    assert was_stopped == [True]


async def test_an_error_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        async with trio.open_nursery():
            raise Unavailable("server", "down")

    monkeypatch.setattr(run, "run_processes", fail)
    with pytest.raises(Unavailable, match="server: down"):
        await run_fleet(OPTIONS, FleetTotals(2), 2, None)


@pytest.fixture
def options(server: FaultyServer) -> FleetOptions:
    server.add("17", b"x" * 9000, Action.STORE, "/tmp/x", 3)
    server.faults["/download/17/17-2"] = ["hang"] * 100
    return FleetOptions(f"https://{server.https}/ocsinventory", server.authority.file.read_text(), 4)


async def test_a_process_that_does_not_end_is_killed(
    options: FleetOptions,
    server: FaultyServer,
    children: Callable[[int, str], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After `END_S`: of two processes one does not react to SIGTERM, for it is stopped."""
    monkeypatch.setattr(processes, "END_S", 1.0)
    totals, stop = FleetTotals(4), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_processes, options, totals, 2, stop)
        await await_until(lambda: server.count("17-2") == 4, "all agents are downloading")
        stopped = children(os.getpid(), "spawn_main")[0]
        os.kill(stopped, signal.SIGSTOP)
        stop.set()
    (lost,) = totals.lost
    assert lost in ("process 1: ended with status -9", "process 2: ended with status -9")
    assert totals.interrupted
    assert totals.lost_agents == 2


async def test_cancelled_processes_are_not_waited_for(
    options: FleetOptions,
    server: FaultyServer,
    children: Callable[[int, str], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "END_S", math.inf)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_processes, options, FleetTotals(4), 2, trio.Event())
        await await_until(lambda: server.count("17-2") == 4, "all agents are downloading")
        for child in children(os.getpid(), "spawn_main"):
            os.kill(child, signal.SIGSTOP)
        nursery.cancel_scope.cancel()
    assert children(os.getpid(), "spawn_main") == []


async def test_an_error_of_a_process_is_reported_and_its_agents_are_lost(server: FaultyServer) -> None:
    totals = FleetTotals(4)
    await run_processes(FleetOptions(f"https://{server.https}/", "no certificate", 4), totals, 2, trio.Event())
    expected = "--ca: expected a certificate in PEM form, got something else"
    assert sorted(totals.lost) == [f"process 1: {expected}", f"process 2: {expected}"]
    assert totals.figures()["lost"] == 4
