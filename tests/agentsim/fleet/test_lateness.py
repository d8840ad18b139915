"""What is charged, and from when: no stall of the server may go uncounted."""

from __future__ import annotations

import time
from typing import Any

import pytest
import trio

from agentsim.fleet.arrivals import arrivals
from agentsim.fleet.counters import State
from agentsim.fleet.options import Arrival, Arrivals, Order
from agentsim.fleet.shard import Shard
from distd.domain.records import Dialect, Pack

UNIX, WINDOWS, NATIVE = Dialect.UNIX, Dialect.WINDOWS, Dialect.NATIVE
FRAGMENT = "/download/17/17-2"


def late_s(picture: Any, kind: Any = "fragment") -> Any:
    """Each latency, to two digits, from the shortest to the longest."""
    return sorted(item.value_iterated_to / 1e6 for item in picture.late[kind].get_recorded_iterator()
                  for _ in range(item.count_added_in_this_iter_step))  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "expected_s"),
    # A Windows agent tries again at once, a Unix agent in its next turn, for which nobody is late.
    [(WINDOWS, [0.2, 0.4, 0.6, 0.8]), (UNIX, [0.2, 0.2, 0.2, 0.2])],
)
async def test_what_failed_is_charged_too_and_an_immediate_retry_from_when_it_first_was_due(
    fleet: Any, dialect: Any, expected_s: Any
) -> None:
    fleet.add(fragments=1)
    fleet.site.faults["/download/17/17-1"] = [503, "cut 1000", 404]
    fleet.spoil("17-1", 0.2)
    fleet.site.config = type(fleet.site.config)(True, 1, 0, 0, 10)
    picture = await fleet.run(dialect, time_scale=100.0)
    assert fleet.site.results == [("17", "SUCCESS")]
    assert late_s(picture) == pytest.approx(expected_s, abs=0.1)
    assert picture.counts("requests")["fragment"] == 4
    assert sum(picture.errors.values()) == 3


async def test_after_its_retries_a_windows_agent_is_charged_for_its_next_turn_alone(fleet: Any) -> None:
    fleet.add(fragments=1)
    fleet.site.faults["/download/17/17-1"] = [503] * 6
    fleet.spoil("17-1", 0.1)
    fleet.site.config = type(fleet.site.config)(True, 1, 0, 0, 10)
    picture = await fleet.run(WINDOWS, time_scale=10.0)
    assert late_s(picture) == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], abs=0.08)


async def test_a_native_agents_next_place_is_charged_from_when_the_fragment_was_due(fleet: Any) -> None:
    fleet.add(fragments=1)
    fleet.site.files |= {path.replace("download", "near"): content for path, content in fleet.site.files.items()}
    far, near = f"{fleet.site.http}/download", f"{fleet.site.http}/near"
    fleet.site.packs["17"] = Pack("17", f"{fleet.site.https}/download", far, mirrors=(near,))
    fleet.site.faults["/near/17/17-1"] = [503]
    fleet.spoil("17-1", 0.3)
    picture = await fleet.run(NATIVE)
    assert late_s(picture) == pytest.approx([0.3, 0.6], abs=0.1)


async def test_where_nobody_listens_each_try_is_an_exchange(fleet: Any) -> None:
    fleet.add(fragments=1)
    fleet.site.stop_http()
    await trio.sleep(0.05)
    picture = await fleet.run(WINDOWS, duration_s=0.3)
    figures = picture.figures()
    failed = picture.errors["fragment: connection refused"]
    assert failed == picture.late["fragment"].get_total_count() >= 6
    assert figures["errors"] == failed / figures["requests"] < 1
    assert figures["fragments"] == 0


async def test_what_the_end_cuts_off_is_charged_until_then(fleet: Any) -> None:
    fleet.add()
    fleet.spoil(FRAGMENT, None)
    picture = await fleet.run(UNIX, 4, duration_s=1.0)
    assert picture.figures()["unanswered"] == 4
    assert late_s(picture)[-4:] == pytest.approx([1.0] * 4, abs=0.15)
    assert picture.counts("requests")["fragment"] == 4
    assert not picture.errors


async def test_who_waits_for_room_at_the_end_is_charged_too(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentsim.fleet.shard._most_links", lambda: 2)
    fleet.spoil("/", None)
    picture = await fleet.run(UNIX, 5, duration_s=0.5)
    assert late_s(picture, "prolog") == pytest.approx([0.5] * 5, abs=0.15)


# --- first contacts


async def test_first_contacts_are_charged_from_when_they_were_due(fleet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the emulator long to begin, so the last ones begin late."""
    computer = Shard._computer

    def slowly(shard: Any, number: Any) -> Any:
        time.sleep(0.1)
        return computer(shard, number)

    monkeypatch.setattr(Shard, "_computer", slowly)
    picture = await fleet.run(UNIX, 10, arrival=Arrival(Arrivals.WINDOW, 0.2))
    assert max(picture.contacts_s) < 0.2
    assert late_s(picture, "prolog")[-1] > 0.7


async def test_contacts_are_told_as_they_were_planned(fleet: Any) -> None:
    arrival = Arrival(Arrivals.WINDOW, 30.0)
    picture = await fleet.run(UNIX, 20, arrival=arrival, time_scale=100.0)
    order = Order("https://h/", "", 20, arrival=arrival, time_scale=100.0)
    assert picture.contacts_s == pytest.approx([at_s for at_s, _ in arrivals(order, {})])


async def test_so_many_at_a_time_are_of_all_shards_together(site: Any) -> None:
    """Two, over four processes."""
    there, most, ended = 0, 0, []
    answer = site.answer

    async def counted(*request: Any) -> Any:
        nonlocal there, most
        there += 1
        most = max(most, there)
        await trio.sleep(0.02)
        there -= 1
        return await answer(*request)

    site.answer = counted
    ca_pem, closed = site.authority.file.read_text(), Arrival(Arrivals.CLOSED, 2)
    order = Order(f"https://{site.https}/ocsinventory", ca_pem, 10, arrival=closed)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for part in order.shared_out(4):
                nursery.start_soon(Shard(part).run, ended.append)
    assert most == 2
    assert sum(message["states"][State.DONE] for message in ended if message["over"]) == 10


async def test_with_so_many_at_a_time_the_next_one_is_due_when_one_has_gone(fleet: Any) -> None:
    fleet.spoil("/", 0.1)
    picture = await fleet.run(UNIX, 4, arrival=Arrival(Arrivals.CLOSED, 2))
    assert picture.contacts_s[:2] == [0.0, 0.0]
    assert all(0.2 < at_s < 0.6 for at_s in picture.contacts_s[2:])
    assert late_s(picture, "prolog") == pytest.approx([0.1] * 4, abs=0.09)
