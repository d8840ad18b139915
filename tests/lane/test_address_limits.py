"""Limits for each address: connections at once, requests a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distd.lane.address_limits import BURST_S, AddressLimits
from tests.lane.conftest import PACKAGE

if TYPE_CHECKING:
    import pytest

GET = f"GET /download/{PACKAGE}/{PACKAGE}-1 HTTP/1.1\r\nHost: h\r\n\r\n".encode()


def test_connections_of_one_address() -> None:
    limits = AddressLimits(2, 0)
    assert [limits.connect("a", 0), limits.connect("a", 0), limits.connect("a", 0), limits.connect("b", 0)] == [
        *(True, True, False, True)
    ]
    limits.disconnect("a")
    assert limits.connect("a", 1)
    assert all(limits.request("a", 1) for _ in range(1000))


def test_requests_of_one_address() -> None:
    limits = AddressLimits(0, 10)
    assert all(limits.connect(address, 0) for address in "aaab")
    burst = int(10 * BURST_S)
    assert [limits.request("a", 0) for _ in range(burst + 2)] == [True] * burst + [False] * 2
    assert limits.request("b", 0)
    assert [limits.request("a", 0.25) for _ in range(4)] == [True, True, False, False]


def test_an_address_that_has_left_is_forgotten_but_not_at_once() -> None:
    limits = AddressLimits(1, 1)
    limits.connect("a", 0)
    limits.request("a", 5)
    limits.disconnect("a")
    limits.forget_idle(5 + BURST_S / 2)
    assert len(limits) == 1
    limits.forget_idle(5 + 2 * BURST_S)
    assert len(limits) == 0
    limits.disconnect("a")


async def test_a_connection_too_many_is_closed(start: Any) -> None:
    running = await start(connections_per_address=2)
    async with running.connect() as first, running.connect() as second:
        assert (await first.ask(GET)).status == (await second.ask(GET)).status == 200
        async with running.connect() as third:
            assert await third.ended()
        await second.stream.aclose()
        await running.until(lambda: running.lane.counts.connections == 1)
        async with running.connect() as fourth:
            assert (await fourth.ask(GET)).status == 200
    assert running.lane.counts.refused == {"connections_per_address": 1}


async def test_a_request_too_many_gets_a_429(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    running = await start(heads_per_s_per_address=1)
    async with running.connect() as peer:
        answers = [await peer.ask(GET) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[-1]["Retry-After"] == "1"
        assert await peer.ended()
    assert running.lane.counts.refused == {"heads_per_s_per_address": 1}
