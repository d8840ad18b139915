"""hypercorn on streams that the lane hands over, in virtual time, and the faults of it that are guarded against."""

from __future__ import annotations

import logging
import math
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from quart_trio import QuartTrio

from distd.domain.request_rates import RequestRates
from distd.lane.streams import PlainStream
from distd.server.handover import open_hand_over
from distd.server.slots import Purpose, Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

LOG = logging.getLogger("distd.web")


async def app(scope: Any, receive: Any, send: Any) -> None:
    """/hello; /stream says a word now and then; /flood never stops; /echo takes a body; /fault raises."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b"hello"
    if scope["path"] == "/fault":
        raise ZeroDivisionError
    if scope["path"] == "/echo":
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range({"/stream": 5, "/flood": 10**9}.get(scope["path"], 0)):
        if scope["path"] == "/stream":
            await trio.sleep(0.3)
        await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
    await send({"type": "http.response.body", "body": body})


class Client:
    """A client whose connection has been handed over, with `raw` read already."""

    def __init__(self, hand_over: Any, raw: Any, idle_timeout_s: Any, address: Any = "127.0.0.1") -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ours.setblocking(False)
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        self.theirs = PlainStream(theirs, raw, idle_timeout_s, address)
        hand_over.serve(self.theirs, raw.split(b" ", 2)[1])

    async def all(self) -> Any:
        data = b""
        try:
            async for piece in self.stream:
                data += piece
        except trio.BrokenResourceError:
            pass
        return data

    async def wait_until_closed(self) -> None:
        """Until the server's side of the connection has given its descriptor back."""
        with trio.fail_after(60):
            while self.theirs.socket.fileno() != -1:
                await trio.sleep(0.05)


@pytest.fixture
def clock() -> MockClock:
    """Jumps when all tasks wait, and goes on otherwise: an application that never waits does not hold time up."""
    return trio.testing.MockClock(rate=1.0, autojump_threshold=0)


@pytest.fixture
async def connect() -> AsyncIterator[Any]:
    clients: list[Client] = []
    async with open_hand_over(app, Slots(4, 2), RequestRates(100_000), LOG, grace_s=0.2) as hand_over:

        def connect(raw: Any, idle_timeout_s: Any = 5.0, address: Any = "127.0.0.1") -> Any:
            client = Client(hand_over, raw, idle_timeout_s, address)
            clients.append(client)
            return client

        yield connect
        for client in clients:
            await trio.aclose_forcefully(client.stream)


async def test_one_request_a_connection(autojump_clock: MockClock, connect: Any) -> None:
    client = connect(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = await client.all()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()
    assert b"hello" in answer
    await client.wait_until_closed()


async def test_a_body_that_comes_later(autojump_clock: MockClock, connect: Any) -> None:
    client = connect(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
    await trio.sleep(0.1)
    await client.stream.send_all(b"def")
    assert b"abcdef" in await client.all()
    await client.wait_until_closed()


@pytest.mark.parametrize(
    "raw", [b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc", b"GET /hello HTTP/1.1\r\nHo"]
)
async def test_a_request_that_does_not_go_on_is_ended(autojump_clock: MockClock, connect: Any, raw: Any) -> None:
    client = connect(raw, idle_timeout_s=0.3)
    assert b"200" not in await client.all()
    await client.wait_until_closed()


async def test_an_answer_that_streams_outlives_the_idle_timeout(autojump_clock: MockClock, connect: Any) -> None:
    client = connect(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", idle_timeout_s=0.4)
    assert len(await client.all()) > 500_000
    await client.wait_until_closed()


async def test_a_reader_that_takes_nothing_is_ended(autojump_clock: MockClock, connect: Any) -> None:
    client = connect(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n", idle_timeout_s=0.3)
    await client.wait_until_closed()


async def test_a_pipelining_client_that_aborts_leaves_nothing_behind(clock: MockClock, connect: Any) -> None:
    client = connect(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n" * 3)
    await client.stream.receive_some(1000)
    await trio.aclose_forcefully(client.stream)
    await client.wait_until_closed()


async def test_a_quart_application_ends_its_connection_too(autojump_clock: MockClock) -> None:
    """quart-trio cancels the task in which hypercorn is told that the answer is complete."""
    quart = QuartTrio("test")
    quart.get("/hello")(_hello)
    async with open_hand_over(quart, Slots(9, 9), RequestRates(100_000), LOG, grace_s=0.2) as hand_over:
        for fields in (b"", b"Connection: close\r\n"):
            client = Client(hand_over, b"GET /hello HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n", 60)
            with trio.fail_after(5):
                assert (await client.all()).endswith(b"hello")  # read to the end: the server has closed
            await client.wait_until_closed()
            await trio.aclose_forcefully(client.stream)


async def _hello() -> Any:
    return "hello"


async def test_a_fault_in_the_application_ends_one_connection_only(
    autojump_clock: MockClock, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(b"GET /fault HTTP/1.1\r\nHost: h\r\n\r\n")
    assert b" 500 " in await client.all()
    assert "ZeroDivisionError" in caplog.text
    assert b"hello" in await connect(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").all()


async def test_an_address_has_its_share_and_each_kind_of_request_its_own(
    autojump_clock: MockClock, connect: Any
) -> None:
    silent = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc"
    hello = b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
    held = [connect(silent, 60, address) for address in ("127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2")]
    await trio.testing.wait_all_tasks_blocked()
    third = await connect(hello).all()
    assert third.startswith(b"HTTP/1.1 429 ")
    assert b"limits.web_connections_per_address" in third
    assert (await connect(hello, address="127.0.0.3").all()).startswith(b"HTTP/1.1 503 ")
    for path in (b"/healthz", b"/api/v1/mirror/ca"):
        assert b"hello" in await connect(hello.replace(b"/hello", path)).all()
    await held[0].stream.send_all(b"def")
    assert b"abcdef" in await held[0].all()
    await held[0].wait_until_closed()
    await trio.testing.wait_all_tasks_blocked()
    assert b"hello" in await connect(hello).all()


async def test_who_comes_too_often_is_refused_before_the_connection_is_handed_over(autojump_clock: MockClock) -> None:
    rates = RequestRates(1)
    async with open_hand_over(app, Slots(9, 9), rates, LOG, grace_s=0.2) as hand_over:
        assert hand_over.refusal(b"/hello", "127.0.0.1") is None
        while rates.delay_s(Purpose.OPERATORS, "127.0.0.1", trio.current_time()) < math.inf:
            pass
        refusal = hand_over.refusal(b"/hello", "127.0.0.1")
        assert refusal is not None
        assert (refusal.status, refusal.fields) == (429, b"Retry-After: 1\r\n")
        assert "limits.web_requests_per_s_per_address" in refusal.why
        assert hand_over.refused == {"web_requests_per_s_per_address": 1}
        assert hand_over.refusal(b"/healthz", "127.0.0.1") is None
        await trio.sleep(2)
        assert hand_over.refusal(b"/hello", "127.0.0.1") is None


@pytest.mark.parametrize(
    ("path", "address", "status"),
    [
        (b"/hello", "10.0.0.7", 403),
        (b"/api/v1/mirror/join", "10.0.0.7", 403),
        (b"/", "fe80::1", 403),
        (b"/hello", "127.0.0.9", 200),
        (b"/hello", "::1", 200),
        (b"/healthz", "10.0.0.7", 200),
        (b"/readyz", "10.0.0.7", 200),
        (b"/metrics", "10.0.0.7", 200),
    ],
)
async def test_over_plain_http_only_health_and_metrics_are_answered(
    autojump_clock: MockClock, connect: Any, path: bytes, address: str, status: int
) -> None:
    answer = await connect(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path, address=address).all()
    assert int(answer.split()[1]) == status
    assert (b"use https" in answer) == (status == 403)


async def test_the_end_does_not_wait_for_those_who_do_not_finish(autojump_clock: MockClock) -> None:
    with trio.fail_after(5):
        async with open_hand_over(app, Slots(9, 9), RequestRates(100_000), LOG, grace_s=0.2) as hand_over:
            client = Client(hand_over, b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n", 60)
            await client.stream.receive_some(1000)
    await trio.aclose_forcefully(client.stream)


async def test_an_end_beside_an_answer_is_a_stream_that_is_closed(autojump_clock: MockClock) -> None:
    theirs, ours = socket.socketpair()
    theirs.setblocking(False)
    stream = PlainStream(theirs, b"", 60.0)
    with ours, closing(stream):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_eof)
            with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
                await stream.send_all(b"x" * 10_000_000)
