"""Bandwidth: who waits for whom, how much comes. Time is virtual."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
import trio

from distd.domain.bandwidth import parse
from distd.lane import pacer as pacing
from distd.lane.limits import Limits
from distd.lane.pacer import BURST_S, Bucket, Levels, Limit, make_shared
from tests.lane.conftest import LARGE, PACKAGE

GET = f"GET /download/{PACKAGE}/{PACKAGE}-2 HTTP/1.1\r\nHost: h\r\n\r\n".encode()
SMALL_GET = f"GET /download/{PACKAGE}/{PACKAGE}-1 HTTP/1.1\r\nHost: h\r\n\r\n".encode()


@pytest.fixture
def clock(autojump_clock: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a test that takes it, and of its buckets: a second is over as soon as nothing else is left to do."""
    monkeypatch.setattr(pacing, "monotonic", autojump_clock.current_time)
    return autojump_clock


def rules(text: Any) -> Any:
    return parse(text, "bandwidth.rules")


async def timed(peer: Any) -> Any:
    """Seconds from the request to the last byte of a fragment of 300,000 bytes."""
    begun_s = trio.current_time()
    assert (await peer.ask(GET)).body == LARGE
    return trio.current_time() - begun_s


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("text", ["600kB/s", "600kB/s each", "600kB/s 127.0.0.0/8", "600kB/s; 9MB/s each"])
async def test_a_rate_is_kept(start: Any, tls: Any, text: Any, clock: Any) -> None:
    running = await start(bandwidth=rules(text))
    async with running.connect(tls=tls) as peer:
        taken_s = await timed(peer) + await timed(peer)
    assert taken_s >= 2 * len(LARGE) / 600e3 - BURST_S
    assert running.lane.counts.sent_bytes > 2 * len(LARGE)


@pytest.mark.parametrize("text", ["1kB/s 10.0.0.0/8", "1kB/s 10.0.0.0/8 each", "1GB/s"])
async def test_rules_that_are_for_others_or_wide_enough_hold_nobody_up(start: Any, text: Any, clock: Any) -> None:
    running = await start(bandwidth=rules(text))
    async with running.connect() as peer:
        assert await timed(peer) < BURST_S


async def test_a_rule_holds_in_its_hours_only(start: Any, monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    """Its beginning and its end are noticed while connections stand, whether anybody waits or not."""
    hour = [8]
    monkeypatch.setattr(time, "localtime", lambda: time.struct_time((2026, 11, 23, hour[0], 0, 0, 0, 327, 0)))
    running = await start(bandwidth=rules("1kB/s mon 9-18"))
    async with running.connect() as peer, trio.open_nursery() as nursery:
        nursery.start_soon(ask_until, peer, lambda: hour[0] == 18)
        hour[0] = 9
        await running.until(lambda: running.lane.counts.paused)
        hour[0] = 18
        await running.until(lambda: not running.lane.counts.paused)


async def ask_until(peer: Any, ended: Any) -> None:
    while not ended():
        assert (await peer.ask(GET)).body == LARGE
        await trio.sleep(0.05)


async def test_those_who_share_a_rate_get_it_in_turns(start: Any, clock: Any) -> None:
    running = await start(bandwidth=rules("2MB/s"))
    ends_s = []

    async def get() -> None:
        async with running.connect() as peer:
            await peer.ask(GET)
            ends_s.append(trio.current_time())

    begun_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(get)
    # Served one after the other, the first would be through after a sixth of the time.
    assert min(ends_s) - begun_s > (max(ends_s) - begun_s) / 2
    assert running.lane.counts.paused == 0


async def test_a_wait_for_the_bucket_is_no_idle_time(start: Any, clock: Any) -> None:
    running = await start(bandwidth=rules("100kB/s"), idle_timeout_s=1)
    async with running.connect() as peer:
        assert await timed(peer) > 2


async def test_a_peer_that_resets_while_it_waits_leaves_the_queue(start: Any, clock: Any) -> None:
    running = await start(bandwidth=rules("1kB/s"))
    async with running.connect() as peer:
        await peer.send(GET)
        await running.until(lambda: running.lane.counts.paused)
        # A reset, not just the end of what the peer says.
        peer.stream.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
    await running.until(lambda: not (running.lane.counts.connections or running.lane.counts.paused))


async def test_requests_pipelined_behind_one_that_waits(start: Any, clock: Any) -> None:
    running = await start(bandwidth=rules("100kB/s each"))
    async with running.connect() as peer:
        await peer.send(SMALL_GET * 40)
        for _ in range(40):
            assert (await peer.answer()).status == 200


async def test_other_rules_take_over_what_waits(start: Any, clock: Any) -> None:
    running = await start(bandwidth=rules("1kB/s"))
    async with running.connect() as peer:
        await peer.send(GET)
        await running.until(lambda: running.lane.counts.paused)
        running.lane.reconfigure(Limits(), None)
        with trio.fail_after(20):
            assert (await peer.answer()).body == LARGE
    assert running.lane.counts.paused == 0


async def test_stop_waits_for_what_is_paused(start: Any, clock: Any) -> None:
    running = await start(bandwidth=rules("300kB/s"))
    async with running.connect() as peer:
        await peer.send(GET)
        await running.until(lambda: running.lane.counts.paused)
        running.lane.stop()
        assert (await peer.answer()).body == LARGE
        await running.lane.drained.wait()


def test_processes_share_what_is_in_a_bucket() -> None:
    fd = make_shared()
    limit = Limit(rules("1MB/s")[0])
    limit.is_active = True
    ours, theirs = (Bucket(limit, Levels(fd=fd), 3) for _ in range(2))
    assert ours.level() == pytest.approx(1e6 * BURST_S)
    child = os.fork()
    if child == 0:
        theirs.spend(10_000_000)
        os._exit(0)
    os.waitpid(child, 0)
    assert ours.allowance() == 0
    assert 9 < ours.wait_s() < 10
    os.close(fd)
