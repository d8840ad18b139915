"""Which agents are done in the end, which have failed, and when they were done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from agentsim.fleet.counters import State
from agentsim.fleet.options import Arrival, Arrivals, FleetOptions
from distd.domain.records import Dialect
from distd.domain.settings import DownloadConfig

if TYPE_CHECKING:
    from agentsim.fleet.totals import FleetTotals
    from tests.agentsim.fleet.conftest import VirtualFleet

UNIX, WINDOWS, NATIVE = Dialect.UNIX, Dialect.WINDOWS, Dialect.NATIVE
INFO, SERVER = "/download/17/info", "/ocsinventory"
QUICK: dict[str, Any] = {"time_scale": 18_000.0}  # a contact each 0.2 s


def done_and_failed(totals: FleetTotals) -> tuple[int, int]:
    return totals.states[State.DONE], totals.states[State.FAILED]


@pytest.mark.parametrize("dialect", Dialect)
async def test_an_info_that_never_came_is_a_failure(fleet: VirtualFleet, dialect: Dialect) -> None:
    """A Windows agent says nothing of it."""
    fleet.add()
    fleet.server.faults[INFO] = [404] * 9
    totals = await fleet.run(dialect)
    assert done_and_failed(totals) == (0, 1)
    assert totals.figures()["success"] == 0
    assert fleet.server.results == ([] if dialect is WINDOWS else [("17", "ERR_DOWNLOAD_INFO")])


async def test_an_info_that_comes_at_the_second_contact_is_a_success(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.server.faults[INFO] = [404]
    totals = await fleet.run(WINDOWS, duration_s=1.0, **QUICK)
    assert fleet.server.results == [("17", "SUCCESS")]
    assert done_and_failed(totals) == (1, 0)


async def test_a_native_agent_may_try_twice_for_the_info(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.server.faults[INFO] = [404]
    assert done_and_failed(await fleet.run(NATIVE)) == (1, 0)


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("has_package", [True, False])
async def test_a_refused_inventory_is_a_failure(fleet: VirtualFleet, dialect: Dialect, has_package: bool) -> None:
    if has_package:
        fleet.add()
    fleet.server.faults[SERVER] = ["", 500]
    totals = await fleet.run(dialect)
    assert dict(totals.errors) == {"inventory: HTTP 500": 1}
    assert done_and_failed(totals) == (0, 1)


@pytest.mark.parametrize("dialect", Dialect)
async def test_a_server_that_answers_500_at_last_is_a_failure(fleet: VirtualFleet, dialect: Dialect) -> None:
    fleet.add()
    fleet.spoil("/", status=500, from_s=0.6)
    totals = await fleet.run(dialect, 3, duration_s=1.5, **QUICK)
    assert fleet.server.results == [("17", "SUCCESS")] * 3
    assert done_and_failed(totals) == (0, 3)


async def test_an_agent_that_waits_for_an_info_at_the_end_has_failed(fleet: VirtualFleet) -> None:
    """The others were through before."""
    fleet.add()
    fleet.server.keep_listing = True
    fleet.spoil("info", from_s=0.6)
    arrival = Arrival(Arrivals.WINDOW, 1200.0)
    totals = await fleet.run(UNIX, 12, duration_s=1.5, arrival=arrival, time_scale=1000.0)
    done, failed = done_and_failed(totals)
    assert done == totals.results["SUCCESS"] > 0
    assert failed == 12 - done > 0


async def test_an_agent_that_waits_long_in_a_later_contact_has_failed(fleet: VirtualFleet) -> None:
    fleet.spoil(SERVER, from_s=0.3)
    totals = await fleet.run(UNIX, duration_s=2.0, **QUICK)
    assert totals.requests["inventory"] > 0
    assert done_and_failed(totals) == (0, 1)


async def test_to_be_in_a_contact_at_the_end_is_no_failure(fleet: VirtualFleet) -> None:
    """They are in one nearly all the time."""
    fleet.spoil(SERVER, delay_s=0.3)
    totals = await fleet.run(UNIX, 4, duration_s=1.6, **QUICK)
    assert totals.figures()["unanswered"] > 0
    assert done_and_failed(totals) == (4, 0)


async def test_agents_contact_the_server_again_until_the_duration_is_over(fleet: VirtualFleet) -> None:
    fleet.add()
    totals = await fleet.run(UNIX, 20, duration_s=4.1, **QUICK)
    assert done_and_failed(totals) == (20, 0)
    assert totals.results == {"SUCCESS": 20}
    assert totals.requests["prolog"] == 20 * 21


# --- told to end before it is over


async def run_and_stop(
    fleet: VirtualFleet, after_s: float, dialect: Dialect, agents: int = 1, **values: Any
) -> FleetTotals:
    """The totals of a run that is told to end after so many seconds."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def end() -> None:
            await trio.sleep(after_s)
            stop.set()

        nursery.start_soon(end)
        totals = await fleet.run(dialect, agents, stop=stop, **values)
    assert trio.current_time() < after_s + 1
    return totals


async def test_agents_of_a_stopped_run_that_are_at_work_stay_in_their_state(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.spoil("17-2")
    totals = await run_and_stop(fleet, 0.5, UNIX, 3)
    assert totals.interrupted
    assert totals.states[State.DOWNLOADING] == 3
    assert totals.figures()["unanswered"] == 3


async def test_an_agent_that_waits_for_its_first_turn_is_downloading(fleet: VirtualFleet) -> None:
    fleet.server.config = DownloadConfig(True, 0, 600, 0, 10)
    fleet.add(priority=5)
    totals = await run_and_stop(fleet, 0.5, UNIX, 3)
    assert totals.states[State.DOWNLOADING] == 3
    assert not any("17-1" in request for request in fleet.server.requests)


async def test_a_stopped_run_reports_the_agents_that_were_done(fleet: VirtualFleet) -> None:
    fleet.add()
    totals = await run_and_stop(fleet, 0.5, UNIX, duration_s=60.0)
    assert done_and_failed(totals) == (1, 0)
    assert len(totals.finished_s) == 1


async def test_at_the_end_no_agent_takes_the_place_of_another(
    fleet: VirtualFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options that `check` refuses: with a duration no agent ends before the run."""
    monkeypatch.setattr(FleetOptions, "check", lambda _: None)
    totals = await fleet.run(UNIX, 3, duration_s=0.3, arrival=Arrival(Arrivals.CLOSED, 1))
    assert (totals.states[State.AWAITED], totals.states[State.DONE]) == (2, 1)


# --- when


async def run_and_add_later(fleet: VirtualFleet, duration_s: float) -> FleetTotals:
    """The totals of a run in which a second package is listed after half a second."""
    fleet.add()
    async with trio.open_nursery() as nursery:

        async def add_another() -> None:
            await trio.sleep(0.5)
            fleet.add("18")

        nursery.start_soon(add_another)
        return await fleet.run(UNIX, duration_s=duration_s, **QUICK)


async def test_an_agent_finishes_once_with_its_last_package(fleet: VirtualFleet) -> None:
    totals = await run_and_add_later(fleet, 1.5)
    assert totals.packages["17"].good == totals.packages["18"].good == 1
    (finished_s,) = totals.finished_s
    assert totals.packages["18"].done_s == [finished_s]
    assert 0.5 < finished_s < 1.5
    assert totals.figures()["finish_p100"] == finished_s


async def test_an_agent_that_lacks_a_package_has_not_finished(fleet: VirtualFleet) -> None:
    fleet.spoil("18-1", status=404)
    totals = await run_and_add_later(fleet, 1.0)
    assert totals.packages["17"].good == 1
    assert totals.finished_s == []
    assert done_and_failed(totals) == (0, 1)


async def test_an_agent_with_a_failed_package_has_not_finished(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.add("18")
    fleet.server.faults[INFO] = [404]
    totals = await fleet.run(UNIX)
    assert sorted(fleet.server.results) == [("17", "ERR_DOWNLOAD_INFO"), ("18", "SUCCESS")]
    assert totals.finished_s == []
    assert done_and_failed(totals) == (0, 1)


async def test_an_agent_with_two_packages_finishes_once(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.add("18", priority=2)
    totals = await fleet.run(UNIX, 4)
    assert len(totals.finished_s) == 4
    assert max(totals.finished_s) == max(totals.packages["17"].done_s + totals.packages["18"].done_s)
