"""Limits for each address: connections at once, requests a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from distd.lane.address_limits import BURST_S, Visitors
from tests.lane.conftest import PACKAGE

if TYPE_CHECKING:
    import pytest

GET = f"GET /download/{PACKAGE}/{PACKAGE}-1 HTTP/1.1\r\nHost: h\r\n\r\n".encode()


def test_connections_of_one_address() -> None:
    visitors = Visitors(2, 0)
    assert [visitors.come("a", 0), visitors.come("a", 0), visitors.come("a", 0), visitors.come("b", 0)] == [
        *(True, True, False, True)
    ]
    visitors.leave("a")
    assert visitors.come("a", 1)
    assert all(visitors.may_ask("a", 1) for _ in range(1000))


def test_requests_of_one_address() -> None:
    visitors = Visitors(0, 10)
    assert all(visitors.come(address, 0) for address in "aaab")
    burst = int(10 * BURST_S)
    assert [visitors.may_ask("a", 0) for _ in range(burst + 2)] == [True] * burst + [False] * 2
    assert visitors.may_ask("b", 0)
    assert [visitors.may_ask("a", 0.25) for _ in range(4)] == [True, True, False, False]


def test_who_has_gone_is_forgotten_but_not_at_once() -> None:
    visitors = Visitors(1, 1)
    visitors.come("a", 0)
    visitors.may_ask("a", 5)
    visitors.leave("a")
    visitors.sweep(5 + BURST_S / 2)
    assert "a" in visitors._known
    visitors.sweep(5 + 2 * BURST_S)
    assert visitors._known == {}
    visitors.leave("a")


async def test_a_connection_too_many_is_closed(start: Any) -> None:
    running = await start(connections_per_address=2)
    async with running.connect() as one, running.connect() as two:
        assert (await one.ask(GET)).status == (await two.ask(GET)).status == 200
        async with running.connect() as three:
            assert await three.ended()
        await two.stream.aclose()
        with trio.fail_after(20):
            while running.lane.counts.connections > 1:
                await trio.sleep(0.01)
        async with running.connect() as four:
            assert (await four.ask(GET)).status == 200
    assert running.lane.counts.refused == {"connections_per_address": 1}


async def test_a_request_too_many_gets_a_429(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    running = await start(heads_per_s_per_address=1)
    async with running.connect() as peer:
        answers = [await peer.ask(GET) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[-1]["Retry-After"] == "1"
        assert await peer.ended()
    assert running.lane.counts.refused == {"heads_per_s_per_address": 1}
