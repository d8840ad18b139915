"""Who follows the event log waits, is woken for what it wants, and misses nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from sqlalchemy import delete

from distd.catalogue import event_log, schema
from distd.catalogue.event_log import Kind
from distd.catalogue.event_watch import POLL_S, EventWatch
from distd.domain.actor import AGENT
from distd.domain.errors import BadInput, Unavailable
from tests.fixtures.origin import event_watch, origin, reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fixtures.origin import TestOrigin

__all__ = ["event_watch", "origin", "reader"]
NEVER_S = 100 * POLL_S


def happen(origin: TestOrigin, *kinds: Kind) -> None:
    for kind in kinds:
        origin.write(event_log.append, kind, AGENT, at_s=1.0)


async def waited(watch: EventWatch, seq: int, kinds: Sequence[Kind] = ()) -> int | None:
    """What a follower at `seq` gets within some polls; None: it is not woken."""
    with trio.move_on_after(4 * POLL_S):
        return await watch.beyond(seq, kinds)
    return None


async def test_a_follower_waits_for_what_is_new(autojump_clock: Any, origin: TestOrigin, event_watch: Any) -> None:
    assert await event_watch.current() == 0
    assert await waited(event_watch, 0) is None
    happen(origin, Kind.RESULT, Kind.NOTIFIED)
    assert await waited(event_watch, 0) == 2
    assert await waited(event_watch, 1) == 2
    assert await waited(event_watch, 2) is None


async def test_only_for_the_kinds_that_it_wants(autojump_clock: Any, origin: TestOrigin, event_watch: Any) -> None:
    await event_watch.current()
    happen(origin, Kind.RESULT, Kind.NOTIFIED)
    assert await waited(event_watch, 0, (Kind.INVENTORY,)) is None
    assert await waited(event_watch, 1, (Kind.RESULT,)) is None
    assert await waited(event_watch, 0, (Kind.INVENTORY, Kind.RESULT)) == 2
    happen(origin, Kind.INVENTORY)
    assert await waited(event_watch, 0, (Kind.INVENTORY,)) == 3


async def test_which_kinds_there_were_before_is_not_known(
    autojump_clock: Any, origin: TestOrigin, event_watch: Any
) -> None:
    happen(origin, Kind.RESULT, Kind.NOTIFIED)
    await event_watch.current()
    assert await waited(event_watch, 1, (Kind.INVENTORY,)) == 2  # so it reads, and finds none
    assert await waited(event_watch, 2, (Kind.INVENTORY,)) is None


async def test_all_who_wait_are_woken_by_one_read(
    autojump_clock: Any, origin: TestOrigin, event_watch: Any, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await event_watch.current()
    reads: list[object] = []
    run = reader.run

    async def counted(operation: Any) -> Any:
        reads.append(operation)
        return await run(operation)

    monkeypatch.setattr(reader, "run", counted)
    woken: list[int] = []

    async def follow() -> None:
        woken.append(await event_watch.beyond(0))

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(follow)
        await trio.sleep(1.5 * POLL_S)
        happen(origin, Kind.RESULT)
    assert (woken, len(reads)) == ([1] * 100, 2)


async def test_an_outage_is_logged_once_and_loses_nothing(
    autojump_clock: Any, origin: TestOrigin, event_watch: Any, reader: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "distd")
    await event_watch.current()
    reader.error = Unavailable("catalogue", "it is locked")
    happen(origin, Kind.RESULT)
    assert await waited(event_watch, 0) is None
    reader.error = None
    assert await waited(event_watch, 0) == 1
    assert caplog.messages == ["events are not followed: catalogue: it is locked"]


async def test_while_it_was_never_read_followers_wait(autojump_clock: Any, origin: TestOrigin, reader: Any) -> None:
    happen(origin, Kind.RESULT)
    watch = EventWatch(reader, logging.getLogger("distd"))
    reader.error = Unavailable("catalogue", "it is locked")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with trio.move_on_after(NEVER_S):
            await watch.current()
            pytest.fail("it cannot be known")
        reader.error = None
        assert await watch.current() == 1
        nursery.cancel_scope.cancel()


async def test_an_earlier_state_of_the_database_is_followed_from_its_newest(
    autojump_clock: Any, origin: TestOrigin, event_watch: Any
) -> None:
    happen(origin, *[Kind.RESULT] * 5)
    assert await waited(event_watch, 4) == 5
    origin.write(lambda conn: conn.execute(delete(schema.events).where(schema.events.c.seq > 2)))
    assert await waited(event_watch, 5) == 2
    assert await waited(event_watch, 2, (Kind.RESULT,)) is None
    happen(origin, Kind.NOTIFIED)
    assert await waited(event_watch, 2, (Kind.NOTIFIED,)) == 6  # numbers are never given again


async def test_a_read_at_once_wakes_those_who_wait(autojump_clock: Any, origin: TestOrigin, reader: Any) -> None:
    watch = EventWatch(reader, logging.getLogger("distd"))
    happen(origin, Kind.RESULT)
    assert await watch.refresh() == 1
    assert await watch.beyond(0) == 1


async def test_nothing_is_asked_while_nothing_is_written(
    autojump_clock: Any, origin: TestOrigin, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_write: object = 1
    reads = 0
    read = reader.run

    async def run(operation: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read(operation)

    monkeypatch.setattr(reader, "run", run)
    watch = EventWatch(reader, logging.getLogger("distd"), last_write=lambda: last_write)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        await watch.current()
        assert await waited(watch, 0) is None
        assert reads == 1
        happen(origin, Kind.RESULT)
        last_write = 2
        assert await waited(watch, 0) == 1
        last_write = None  # it cannot be told
        happen(origin, Kind.RESULT)
        assert await waited(watch, 1) == 2
        nursery.cancel_scope.cancel()


async def test_what_could_not_be_read_is_read_again(autojump_clock: Any, origin: TestOrigin, reader: Any) -> None:
    watch = EventWatch(reader, logging.getLogger("distd"), last_write=lambda: 1)
    happen(origin, Kind.RESULT)
    reader.error = Unavailable("catalogue", "it is locked")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        assert await waited(watch, 0) is None
        reader.error = None
        assert await waited(watch, 0) == 1
        nursery.cancel_scope.cancel()


async def test_a_database_that_may_not_be_listened_to_is_polled(
    autojump_clock: Any, origin: TestOrigin, reader: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one of an earlier version, that has taken the place of another."""

    def listen() -> None:
        raise BadInput("catalogue.url", "PostgreSQL 15 or later", "14")

    watch = EventWatch(reader, logging.getLogger("distd"), listen)
    with caplog.at_level(logging.INFO):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            assert await watch.current() == 0
            happen(origin, Kind.RESULT)
            assert await waited(watch, 0) == 1
            nursery.cancel_scope.cancel()
    assert "as none are announced: catalogue.url: expected PostgreSQL 15 or later, got 14" in caplog.text
