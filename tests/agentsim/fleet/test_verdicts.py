"""Who has done well in the end, and when."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from agentsim.fleet.counters import State
from agentsim.fleet.options import Arrival, Arrivals, Order
from distd.domain.records import Dialect, DownloadConfig

UNIX, WINDOWS, NATIVE = Dialect.UNIX, Dialect.WINDOWS, Dialect.NATIVE
INFO, POSTS = "/download/17/info", "/ocsinventory"
QUICK = {"time_scale": 18_000.0}  # a contact each 0.2 s


def ends(picture: Any) -> Any:
    return picture.states[State.DONE], picture.states[State.FAILED]


@pytest.mark.parametrize("dialect", Dialect)
async def test_whose_info_never_came_has_failed(fleet: Any, dialect: Any) -> None:
    """A Windows agent says nothing of it."""
    fleet.add()
    fleet.site.faults[INFO] = [404] * 9
    picture = await fleet.run(dialect)
    assert ends(picture) == (0, 1)
    assert picture.figures()["success"] == 0
    assert fleet.site.results == ([] if dialect is WINDOWS else [("17", "ERR_DOWNLOAD_INFO")])


async def test_whose_info_came_at_its_second_contact_has_done_well(fleet: Any) -> None:
    fleet.add()
    fleet.site.faults[INFO] = [404]
    picture = await fleet.run(WINDOWS, duration_s=1.0, **QUICK)
    assert fleet.site.results == [("17", "SUCCESS")]
    assert ends(picture) == (1, 0)


async def test_a_native_agent_whose_second_try_brings_the_info_has_done_well(fleet: Any) -> None:
    fleet.add()
    fleet.site.faults[INFO] = [404]
    picture = await fleet.run(NATIVE)
    assert ends(picture) == (1, 0)


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("has_package", [True, False])
async def test_whose_inventory_failed_has_failed(fleet: Any, dialect: Any, has_package: Any) -> None:
    if has_package:
        fleet.add()
    fleet.site.faults[POSTS] = ["", 500]
    picture = await fleet.run(dialect)
    assert dict(picture.errors) == {"inventory: HTTP 500": 1}
    assert ends(picture) == (0, 1)


@pytest.mark.parametrize("dialect", Dialect)
async def test_to_whom_the_server_says_500_at_last_has_failed(fleet: Any, dialect: Any) -> None:
    fleet.add()
    fleet.spoil("/", 500, from_s=0.6)
    picture = await fleet.run(dialect, 3, duration_s=1.5, **QUICK)
    assert fleet.site.results == [("17", "SUCCESS")] * 3
    assert ends(picture) == (0, 3)


async def test_who_hangs_before_an_info_at_the_end_has_failed(fleet: Any) -> None:
    """The others were through before."""
    fleet.add()
    fleet.site.keep_listing = True
    fleet.spoil("info", None, from_s=0.6)
    arrival = Arrival(Arrivals.WINDOW, 1200.0)
    picture = await fleet.run(UNIX, 12, duration_s=1.5, arrival=arrival, time_scale=1000.0)
    done, failed = ends(picture)
    assert done == picture.counts("results")["SUCCESS"] > 0
    assert failed == 12 - done > 0


async def test_who_hangs_in_a_later_contact_at_the_end_has_failed(fleet: Any) -> None:
    fleet.spoil(POSTS, None, from_s=0.3)
    picture = await fleet.run(UNIX, duration_s=2.0, **QUICK)
    assert picture.counts("requests")["inventory"] > 0
    assert ends(picture) == (0, 1)


async def test_who_is_in_the_midst_of_a_contact_at_the_end_has_not_failed_for_that(fleet: Any) -> None:
    """It is in one nearly all the time."""
    fleet.spoil(POSTS, 0.3)
    picture = await fleet.run(UNIX, 4, duration_s=1.6, **QUICK)
    assert picture.total("unanswered") > 0
    assert ends(picture) == (4, 0)


# --- told to end before it is over


async def run_and_stop(fleet: Any, after_s: Any, *words: Any, **values: Any) -> Any:
    """The picture of a run that is told to end after so many seconds."""
    stop = trio.Event()
    found = []
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            found.append(await fleet.run(*words, stop=stop, **values))

        nursery.start_soon(run)
        await trio.sleep(after_s)
        stop.set()
        with trio.fail_after(1):
            while not found:
                await trio.sleep(0.01)
    return found[0]


async def test_a_run_that_is_stopped_leaves_those_that_are_at_it_where_they_are(fleet: Any) -> None:
    fleet.add()
    fleet.spoil("17-2", None)
    picture = await run_and_stop(fleet, 0.5, UNIX, 3)
    assert picture.interrupted
    assert picture.states[State.DOWNLOADING] == 3
    assert picture.figures()["unanswered"] == 3


async def test_who_waits_for_its_first_turn_is_downloading(fleet: Any) -> None:
    fleet.site.config = DownloadConfig(True, 0, 600, 0, 10)
    fleet.add(priority=5)
    picture = await run_and_stop(fleet, 0.5, UNIX, 3)
    assert picture.states[State.DOWNLOADING] == 3
    assert not any("17-1" in request for request in fleet.site.requests)


async def test_a_run_that_is_stopped_tells_who_had_done_well(fleet: Any) -> None:
    fleet.add()
    picture = await run_and_stop(fleet, 0.5, UNIX, duration_s=60.0)
    assert ends(picture) == (1, 0)
    assert len(picture.finished_s) == 1


async def test_who_leaves_at_the_end_makes_room_for_nobody(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that `check` refuses: with a duration nobody leaves before the end."""
    monkeypatch.setattr(Order, "check", lambda _: None)
    picture = await fleet.run(UNIX, 3, duration_s=0.3, arrival=Arrival(Arrivals.CLOSED, 1))
    assert (picture.states[State.AWAITED], picture.states[State.DONE]) == (2, 1)


# --- when


async def test_an_agent_finishes_once_with_its_last_package(fleet: Any) -> None:
    fleet.add()
    async with trio.open_nursery() as nursery:

        async def more() -> None:
            await trio.sleep(0.5)
            fleet.add("18")

        nursery.start_soon(more)
        picture = await fleet.run(UNIX, duration_s=1.5, **QUICK)
    assert picture.packages["17"].good == picture.packages["18"].good == 1
    (finished_s,) = picture.finished_s
    assert picture.packages["18"].done_s == [finished_s]
    assert 0.5 < finished_s < 1.5
    assert picture.figures()["finish_p100"] == finished_s


async def test_who_was_given_more_than_it_got_has_not_finished(fleet: Any) -> None:
    fleet.add()
    fleet.spoil("18-1", 404)
    async with trio.open_nursery() as nursery:

        async def more() -> None:
            await trio.sleep(0.5)
            fleet.add("18")

        nursery.start_soon(more)
        picture = await fleet.run(UNIX, duration_s=1.0, **QUICK)
    assert picture.packages["17"].good == 1
    assert picture.finished_s == []
    assert ends(picture) == (0, 1)


async def test_one_of_whose_packages_failed_has_not_finished(fleet: Any) -> None:
    fleet.add()
    fleet.add("18")
    fleet.site.faults[INFO] = [404]
    picture = await fleet.run(UNIX)
    assert sorted(fleet.site.results) == [("17", "ERR_DOWNLOAD_INFO"), ("18", "SUCCESS")]
    assert picture.finished_s == []
    assert ends(picture) == (0, 1)


async def test_two_packages_at_once_are_one_finish(fleet: Any) -> None:
    fleet.add()
    fleet.add("18", priority=2)
    picture = await fleet.run(UNIX, 4)
    assert len(picture.finished_s) == 4
    assert max(picture.finished_s) == max(picture.packages["17"].done_s + picture.packages["18"].done_s)
