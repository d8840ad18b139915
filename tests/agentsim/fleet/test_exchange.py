"""What is charged, and from when: no stall of the server may go uncounted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from agentsim.fleet.arrivals import arrivals
from agentsim.fleet.counters import State
from agentsim.fleet.options import Arrival, Arrivals, FleetOptions
from agentsim.fleet.shard import Shard
from distd.domain.records import Dialect, Pack
from distd.domain.settings import DownloadConfig

if TYPE_CHECKING:
    from agentsim.fleet.computers import EmulatedComputer
    from agentsim.fleet.messages import ShardMessage
    from agentsim.fleet.totals import FleetTotals
    from tests.agentsim.fleet.conftest import VirtualFleet

UNIX, WINDOWS, NATIVE = Dialect.UNIX, Dialect.WINDOWS, Dialect.NATIVE
FRAGMENT = "/download/17/17-2"


def latencies_s(totals: FleetTotals, kind: str = "fragment") -> list[float]:
    """Each latency, to two digits, from the shortest to the longest."""
    recorded = totals.latency[kind].get_recorded_iterator()
    return sorted(item.value_iterated_to / 1e6 for item in recorded for _ in range(item.count_added_in_this_iter_step))


@pytest.mark.parametrize(
    ("dialect", "expected_s"),
    # A Windows agent tries again at once, a Unix agent in its next turn, for which nobody is late.
    [(WINDOWS, [0.2, 0.4, 0.6, 0.8]), (UNIX, [0.2, 0.2, 0.2, 0.2])],
)
async def test_failures_are_charged_too_and_an_immediate_retry_from_when_it_first_was_due(
    fleet: VirtualFleet, dialect: Dialect, expected_s: list[float]
) -> None:
    fleet.add(fragments=1)
    fleet.server.faults["/download/17/17-1"] = [503, "cut 1000", 404]
    fleet.spoil("17-1", delay_s=0.2)
    fleet.server.config = DownloadConfig(True, 1, 0, 0, 10)
    totals = await fleet.run(dialect, time_scale=100.0)
    assert fleet.server.results == [("17", "SUCCESS")]
    assert latencies_s(totals) == pytest.approx(expected_s, rel=0.03)
    assert totals.requests["fragment"] == 4
    assert totals.errors.total() == 3


async def test_a_native_agents_next_place_is_charged_from_when_the_fragment_was_due(fleet: VirtualFleet) -> None:
    fleet.add(fragments=1)
    server = fleet.server
    server.files |= {path.replace("download", "near"): content for path, content in server.files.items()}
    far, near = f"{server.http}/download", f"{server.http}/near"
    server.packs["17"] = Pack("17", f"{server.https}/download", far, mirrors=(near,))
    server.faults["/near/17/17-1"] = [503]
    fleet.spoil("17-1", delay_s=0.3)
    totals = await fleet.run(NATIVE)
    assert latencies_s(totals) == pytest.approx([0.3, 0.6], rel=0.03)


async def test_where_nobody_listens_each_try_is_an_exchange(fleet: VirtualFleet) -> None:
    fleet.add(fragments=1)
    fleet.refused = {fleet.server.http}
    totals = await fleet.run(WINDOWS, duration_s=0.3)
    figures = totals.figures()
    failed = totals.errors["fragment: connection refused"]
    assert failed == totals.latency["fragment"].get_total_count() >= 6
    assert figures["errors"] == failed / figures["requests"] < 1
    assert figures["fragments"] == 0


async def test_exchanges_that_the_end_cuts_off_are_charged_until_then(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.spoil(FRAGMENT)
    totals = await fleet.run(UNIX, 4, duration_s=1.0)
    assert totals.figures()["unanswered"] == 4
    assert latencies_s(totals)[-4:] == pytest.approx([1.0] * 4, rel=0.03)
    assert totals.requests["fragment"] == 4
    assert not totals.errors


async def test_requests_that_wait_for_a_connection_at_the_end_are_charged_too(fleet: VirtualFleet) -> None:
    fleet.max_links = 2
    fleet.spoil("/")
    totals = await fleet.run(UNIX, 5, duration_s=0.5)
    assert latencies_s(totals, "prolog") == pytest.approx([0.5] * 5, rel=0.03)


# --- first contacts


async def test_first_contacts_are_charged_from_when_they_were_due(
    fleet: VirtualFleet, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Each takes the emulator long to begin, so the last ones begin late."""
    computer = Shard._computer

    def slowly(shard: Shard, number: int) -> EmulatedComputer:
        autojump_clock.jump(0.1)
        return computer(shard, number)

    monkeypatch.setattr(Shard, "_computer", slowly)
    totals = await fleet.run(UNIX, 10, arrival=Arrival(Arrivals.WINDOW, 0.2))
    assert max(totals.contacts_s) < 0.2
    assert latencies_s(totals, "prolog")[-1] > 0.7


async def test_contacts_are_reported_as_they_were_planned(fleet: VirtualFleet) -> None:
    arrival = Arrival(Arrivals.WINDOW, 30.0)
    totals = await fleet.run(UNIX, 20, arrival=arrival, time_scale=100.0)
    options = FleetOptions("https://h/", "", 20, arrival=arrival, time_scale=100.0)
    assert totals.contacts_s == pytest.approx([at_s for at_s, _ in arrivals(options, {})])


async def test_the_limit_of_agents_at_a_time_is_of_all_shards_together(fleet: VirtualFleet) -> None:
    """Two, over four processes."""
    active, most = 0, 0
    messages: list[ShardMessage] = []
    answer = fleet.server.answer

    async def counted(stream: trio.abc.Stream, method: str, path: str, fields: dict[str, str], body: bytes) -> bool:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await trio.sleep(0.02)
        active -= 1
        return await answer(stream, method, path, fields, body)

    fleet.server.answer = counted  # type: ignore[method-assign]
    options = fleet.options(UNIX, 10, arrival=Arrival(Arrivals.CLOSED, 2))
    async with trio.open_nursery() as nursery:
        for part in options.split(4):
            nursery.start_soon(fleet.shard(part).run, messages.append)
    assert most == 2
    assert sum(message.states[State.DONE] for message in messages if message.over) == 10


async def test_with_a_limit_the_next_agent_is_due_when_one_has_ended(fleet: VirtualFleet) -> None:
    """Each makes two exchanges."""
    fleet.spoil("/", delay_s=0.1)
    totals = await fleet.run(UNIX, 4, arrival=Arrival(Arrivals.CLOSED, 2))
    assert totals.contacts_s == pytest.approx([0.0, 0.0, 0.2, 0.2], abs=0.01)
    assert latencies_s(totals, "prolog") == pytest.approx([0.1] * 4, rel=0.03)
