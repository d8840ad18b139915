"""What an attacker has: numbers that are kept, statuses that are counted, however they come."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import memory_stream_pair

from loadtests.attacks.attacker import Attacker
from loadtests.attacks.site import AttackedSite, read_site
from tests.loadtests.attacks.recording_site import RecordingSite
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

FACTS = AttackedSite("h:1", "h:2", "h:3", "h:4", "17", "18", "key", "/ca.pem", (("admin", "a"), ("b", "c")))
ANSWERS = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 503 No\r\nX: HTTP/1.1 2\r\n\r\nHTTP/1.0 500 Error\r\n\r\n"


def test_the_facts_of_a_site_go_to_another_process() -> None:
    assert read_site(FACTS.as_json()) == FACTS


@pytest.mark.parametrize("size", [1, 7, len(ANSWERS)])
async def test_statuses_are_counted_however_they_come(size: int) -> None:
    attacker = Attacker(FACTS)
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(attacker.receive, ours)
        for start in range(0, len(ANSWERS), size):
            await theirs.send_all(ANSWERS[start : start + size])
            await trio.testing.wait_all_tasks_blocked()
        await theirs.aclose()
    assert attacker.statuses == Counter({"200": 1, "503": 1, "500": 1})


async def test_a_peer_that_says_nothing_is_left(autojump_clock: trio.testing.MockClock) -> None:
    ours, _theirs = memory_stream_pair()
    await Attacker(FACTS).receive(ours, 5.0)
    assert trio.current_time() == pytest.approx(5.0)


async def test_a_flood_is_bounded_in_number_and_at_once() -> None:
    running, most, numbers = 0, 0, []

    async def one(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.lowlevel.checkpoint()
        numbers.append(number)
        running -= 1

    await Attacker(FACTS, 0.5).flood(40, 4, one)
    assert (sorted(numbers), most) == (list(range(20)), 4)


async def test_connections_are_kept_and_counted(tmp_path: Path) -> None:
    site = RecordingSite(tmp_path)
    async with site.serve() as facts, trio.open_nursery() as nursery:
        attacker = Attacker(facts)
        nursery.start_soon(attacker.hold, 5, facts.http, b"abc")
        await await_until(lambda: attacker.statuses["404"] == 5, "each has its answer")
        assert site.came["http"] == [b"abc"] * 5
        nursery.cancel_scope.cancel()
    assert attacker.counts() == {"connected": 5, "failed": 0, "sent_bytes": 15, "statuses": {"404": 5}}


async def test_where_nobody_listens_it_counts_failures() -> None:
    with trio.socket.socket() as nobody:
        await nobody.bind(("127.0.0.1", 0))
        attacker = Attacker(FACTS)
        await attacker.exchange("127.0.0.1:{1}".format(*nobody.getsockname()), b"abc")
    assert (attacker.connected, attacker.failed) == (0, 1)
