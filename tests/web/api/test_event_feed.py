"""Streams share what is read: each event once, for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind, Note
from distd.domain import actor as actors
from distd.domain.actor import AGENT
from distd.origin.operators import events, operators
from distd.origin.operators.events import ALL, Wanted
from distd.web.api.event_feed import KEPT, PAGE, EventFeed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from distd.catalogue.event_watch import EventWatch
    from tests.fixtures.origin import TestOrigin

WAIT_S = 2.0


class Reads:
    """A feed, and how often it has read events from the database: for all streams, and for one that is behind."""

    def __init__(self, feed: EventFeed) -> None:
        self.feed = feed
        self.all = 0
        self.behind = 0

    async def seqs(self, wanted: Wanted, seq: int) -> tuple[list[int], int]:
        text, last = await self.feed.next(wanted, seq, trio.current_time() + WAIT_S)
        return [int(line[4:]) for line in text.decode().splitlines() if line.startswith("id: ")], last


@pytest.fixture
async def reads(watch: EventWatch, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reads]:
    found = Reads(EventFeed(watch))
    following = events.following

    def counted(conn: Any, wanted: Wanted, *args: Any) -> Any:
        if wanted == ALL:
            found.all += 1
        else:
            found.behind += 1
        return following(conn, wanted, *args)

    monkeypatch.setattr(events, "following", counted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        await watch.current()
        yield found
        nursery.cancel_scope.cancel()


def happen(origin: TestOrigin, count: int, kind: Kind = Kind.RESULT) -> None:
    origin.write(event_log.append_many, [Note(kind, AGENT, 1.0, None, None, {})] * count)


RESULTS = Wanted(kinds=(Kind.RESULT,))


async def test_many_streams_cost_one_read(autojump_clock: Any, origin: TestOrigin, reads: Reads) -> None:
    found: list[tuple[list[int], int]] = []

    async def follow(wanted: Wanted) -> None:
        found.append(await reads.seqs(wanted, 0))

    async with trio.open_nursery() as nursery:
        for wanted in (ALL, RESULTS, Wanted(actor="agent"), Wanted(device_id="x")) * 10:
            nursery.start_soon(follow, wanted)
        await trio.testing.wait_all_tasks_blocked()
        happen(origin, 3)
    assert sorted(found, key=str) == [([1, 2, 3], 3)] * 30 + [([], 3)] * 10
    assert (reads.all, reads.behind) == (1, 0)


async def test_who_does_not_see_all_computers_gets_what_the_database_finds(
    autojump_clock: Any, origin: TestOrigin, reads: Reads
) -> None:
    """Also in a stream that is open when that changes."""
    origin.act(operators.create_hashed, "ada", "-", 0.0)
    wanted = Wanted(kinds=(Kind.RESULT,), reader=actors.operator("ada"))
    happen(origin, 1)
    assert await reads.seqs(wanted, 0) == ([2], 2)
    assert reads.behind == 0
    origin.act(operators.change, "ada", 1.0, filter_="tag = x")
    happen(origin, 1)
    assert await reads.seqs(wanted, 2) == ([], 4)
    assert reads.behind == 1
    origin.act(operators.change, "ada", 1.0, filter_="")
    happen(origin, 1)
    assert await reads.seqs(wanted, 4) == ([6], 6)
    origin.act(operators.delete, "ada", 2.0)
    happen(origin, 1)
    assert await reads.seqs(wanted, 6) == ([], 8)
    assert reads.behind == 2


async def test_nothing_new_is_nothing_at_its_time(autojump_clock: Any, reads: Reads) -> None:
    begun_s = trio.current_time()
    assert await reads.seqs(ALL, 0) == ([], 0)
    assert trio.current_time() - begun_s == WAIT_S
    assert (reads.all, reads.behind) == (0, 0)


async def test_a_stream_that_is_far_behind_reads_by_itself_and_comes_up(
    autojump_clock: Any, origin: TestOrigin, reads: Reads
) -> None:
    happen(origin, KEPT + PAGE + 1)
    newest = KEPT + PAGE + 1
    seen: list[int] = []
    last = 0
    while last < newest:
        page, last = await reads.seqs(RESULTS, last)
        seen += page
    assert seen == list(range(1, newest + 1))
    assert reads.behind
    before = reads.behind
    happen(origin, 1)
    assert await reads.seqs(RESULTS, newest) == ([newest + 1], newest + 1)
    assert reads.behind == before


async def test_what_is_kept_is_bounded(autojump_clock: Any, origin: TestOrigin, reads: Reads) -> None:
    last = 0
    for _ in range(4):
        happen(origin, KEPT // 2)
        while last < origin.read(event_log.newest):
            _, last = await reads.seqs(ALL, last)
    assert last == 2 * KEPT
    assert len(reads.feed._entries) == len(reads.feed._seqs) <= KEPT * 5 // 4
    assert reads.feed._seqs == list(range(reads.feed._low + 1, reads.feed._high + 1))
    assert (await reads.seqs(RESULTS, 0))[0] == list(range(1, PAGE + 1))  # forgotten: from the database
    assert reads.behind == 1


async def test_more_than_a_page_comes_in_pages(autojump_clock: Any, origin: TestOrigin, reads: Reads) -> None:
    happen(origin, PAGE + 10)
    assert await reads.seqs(ALL, 0) == (list(range(1, PAGE + 1)), PAGE)
    assert await reads.seqs(ALL, PAGE) == (list(range(PAGE + 1, PAGE + 11)), PAGE + 10)


async def test_a_stream_that_begins_later_costs_nothing_of_what_was_before(
    autojump_clock: Any, origin: TestOrigin, reads: Reads
) -> None:
    happen(origin, PAGE + 1)
    happen(origin, 1, Kind.NOTIFIED)
    assert await reads.feed.newest() == PAGE + 2
    assert await reads.seqs(ALL, PAGE + 1) == ([PAGE + 2], PAGE + 2)
    assert reads.feed._seqs == [PAGE + 2]


async def test_a_feed_that_is_closed_waits_no_more(autojump_clock: Any, reads: Reads) -> None:
    begun_s = trio.current_time()

    async def close() -> None:
        await trio.sleep(1)
        reads.feed.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(close)
        assert await reads.seqs(ALL, 0) == ([], 0)
    assert (reads.feed.closed, trio.current_time() - begun_s) == (True, 1)
