"""What a mirror answers beside fragments, over connections in memory."""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.domain.errors import TooLarge, Unavailable
from distd.lane.streams import PlainStream
from redistrib import control_port as module
from redistrib.control_port import MAX_BODY_BYTES, REQUEST_TIMEOUT_S, ControlPort
from tests.fixtures.client import FakeClient, Reply
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ORIGIN = "https://origin"


class Peer:
    """A control port, and who connects to it. `ready`: what the mirror says of itself."""

    def __init__(self, nursery: trio.Nursery, origin: str) -> None:
        self.client = FakeClient()
        self.ready = True
        self.port = ControlPort(self.client, origin, lambda: b"some_metric 17\n", lambda: self.ready, nursery)

    def connect(self) -> trio.SocketStream:
        """Hand a connection over to the port; the other end of it."""
        mine, theirs = socket.socketpair()
        self.port.serve(PlainStream(theirs, b"", 60))
        return trio.SocketStream(trio.socket.from_stdlib_socket(mine))

    async def ask(self, request: str, body: bytes = b"") -> tuple[str, dict[str, str], bytes]:
        """The status line, the headers and the body of the answer, to its end."""
        stream = self.connect()
        head = f"{request} HTTP/1.1\r\nHost: mirror\r\nContent-Length: {len(body)}\r\n"
        head += "Authorization: Bearer key\r\nContent-Type: application/msgpack\r\nCookie: secret\r\n\r\n"
        await stream.send_all(head.encode() + body)
        answer = await receive_all(stream)
        top, _, rest = answer.partition(b"\r\n\r\n")
        status, *lines = top.decode().split("\r\n")
        return status, dict(line.lower().split(": ", 1) for line in lines), rest


async def receive_all(stream: trio.SocketStream) -> bytes:
    received = b""
    async with stream:
        while data := await stream.receive_some():
            received += data
    return received


@asynccontextmanager
async def listening(origin: str = ORIGIN) -> AsyncIterator[Peer]:
    async with trio.open_nursery() as nursery:
        yield Peer(nursery, origin)
        nursery.cancel_scope.cancel()


async def test_its_own_pages() -> None:
    async with listening() as peer:
        assert await peer.ask("GET /healthz") == (
            "HTTP/1.1 200 OK",
            {
                "content-type": "text/plain; charset=utf-8",
                "content-length": "3",
                "cache-control": "no-store",
                "connection": "close",
            },
            b"ok\n",
        )
        assert (await peer.ask("GET /metrics"))[2] == b"some_metric 17\n"
        assert (await peer.ask("GET /readyz?x=1"))[0] == "HTTP/1.1 200 OK"
        peer.ready = False
        assert (await peer.ask("GET /readyz"))[0] == "HTTP/1.1 503 Service Unavailable"
        assert (await peer.ask("GET /healthz"))[0] == "HTTP/1.1 200 OK"
        for request in ("GET /", "POST /healthz", "GET /api/v1/packages"):
            assert (await peer.ask(request))[0] == "HTTP/1.1 404 Not Found"
        assert peer.client.requests == []


async def test_requests_of_mirrors_are_forwarded_with_their_key() -> None:
    async with listening() as peer:
        peer.client.handlers[ORIGIN] = lambda request: Reply(400, [b"bad token"], {"content-type": "text/x"})
        status, headers, body = await peer.ask("POST /api/v1/mirror/join?x=1", b"request")
        assert (status, headers["content-type"], body) == ("HTTP/1.1 400 Bad Request", "text/x", b"bad token")
        (request,) = peer.client.requests
        assert (request.method, request.url, request.body) == ("POST", f"{ORIGIN}/api/v1/mirror/join?x=1", b"request")
        assert request.headers == {"authorization": "Bearer key", "content-type": "application/msgpack"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable(ORIGIN, "away"), "HTTP/1.1 502 Bad Gateway"),
        (TooLarge(ORIGIN, "less", "more"), "HTTP/1.1 400 Bad Request"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_origin_that_does_not_answer(method: str, error: Exception, status: str) -> None:
    def fail(request: object) -> Reply:
        raise error

    async with listening() as peer:
        peer.client.handlers[ORIGIN] = fail
        assert (await peer.ask(f"{method} /api/v1/mirror/report"))[0] == status


async def test_an_unusual_status_is_forwarded() -> None:
    async with listening() as peer:
        peer.client.handlers[ORIGIN] = lambda request: Reply(299, [b"x"])
        assert (await peer.ask("POST /api/v1/mirror/report"))[0] == "HTTP/1.1 299 "


async def test_a_mirror_that_follows_none_forwards_nothing() -> None:
    async with listening("") as peer:
        assert (await peer.ask("GET /api/v1/mirror/ca"))[0] == "HTTP/1.1 404 Not Found"


async def test_a_stream_is_forwarded_as_it_comes(autojump_clock: trio.testing.MockClock) -> None:
    async with listening() as peer:
        headers = {"content-type": "application/x"}
        peer.client.handlers[ORIGIN] = lambda request: Reply(200, [b"one", 100.0, b"0123456789abcdef"], headers)
        status, fields, body = await peer.ask("GET /api/v1/mirror/events?after=5")
        assert (status, fields["transfer-encoding"], fields["content-type"]) == (
            "HTTP/1.1 200 OK",
            "chunked",
            "application/x",
        )
        assert body == b"3\r\none\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"


async def test_a_stream_that_breaks_off_does_not_end_well(autojump_clock: trio.testing.MockClock) -> None:
    """The client sees that it is not whole; and the mirror goes on."""
    async with listening() as peer:
        peer.client.handlers[ORIGIN] = lambda request: Reply(200, [b"one", Unavailable(request.url, "cut")])
        assert (await peer.ask("GET /api/v1/mirror/events"))[2] == b"3\r\none\r\n"
        assert (await peer.ask("GET /healthz"))[0] == "HTTP/1.1 200 OK"


async def test_a_client_that_goes_ends_the_stream() -> None:
    async with listening() as peer:
        peer.client.handlers[ORIGIN] = lambda request: Reply(200, [b"one", 1e6])
        stream = peer.connect()
        await stream.send_all(b"GET /api/v1/mirror/events HTTP/1.1\r\nHost: x\r\n\r\n")
        await stream.receive_some()
        assert peer.port._open == 1
        await stream.aclose()
        await await_until(lambda: not peer.port._open, "the stream is closed")


async def test_a_body_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 1000)
    async with listening() as peer:
        status, _, _ = await peer.ask("POST /api/v1/mirror/report", bytes(1001))
        assert status.startswith("HTTP/1.1 413 ")
        peer.client.handlers[ORIGIN] = lambda request: Reply(200)
        assert (await peer.ask("POST /api/v1/mirror/report", bytes(1000)))[0] == "HTTP/1.1 200 OK"
    assert MAX_BODY_BYTES == 4_194_304


@pytest.mark.parametrize("request_line", ["POST /x", "POST /healthz", "GET /metrics", "GET /api/v1/mirror/ca"])
@pytest.mark.parametrize("length", ["Content-Length: 4000000", "Transfer-Encoding: chunked"])
async def test_a_body_is_taken_for_its_own_paths_only(request_line: str, length: str) -> None:
    """It is refused at once: not a byte of it is waited for."""
    async with listening() as peer:
        stream = peer.connect()
        first = "1\r\nx\r\n" if "chunked" in length else ""
        head = f"{request_line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n{length}\r\n\r\n{first}"
        await stream.send_all(head.encode())
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 404 ")
        await stream.aclose()


async def test_who_does_not_say_who_he_is_has_a_small_body() -> None:
    async with listening() as peer:
        stream = peer.connect()
        await stream.send_all(b"POST /api/v1/mirror/join HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n")
        assert b" 413 " in await stream.receive_some()
        await stream.aclose()


async def test_bodies_have_a_budget_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """150 POSTs of 4 MB that do not come to their end took 700 MB."""
    monkeypatch.setattr(module, "MAX_BUFFERED_BYTES", 10_000)
    head = (
        b"POST /api/v1/mirror/report HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: 4000000\r\n\r\n"
    )
    async with listening() as peer:
        peer.client.handlers[ORIGIN] = lambda request: Reply(200)
        streams = [peer.connect() for _ in range(20)]
        for stream in streams:
            await stream.send_all(head + bytes(1000))
            await trio.testing.wait_all_tasks_blocked()
        assert peer.port._budget._of.total() == 10_000
        refused = [stream for stream in streams if b" 503 " in answered(stream)]
        assert len(refused) == 10
        assert (await peer.ask("GET /healthz"))[0] == "HTTP/1.1 200 OK"
        for stream in streams:
            await stream.aclose()
        await await_until(lambda: not peer.port._open, "all are closed")
        assert (await peer.ask("POST /api/v1/mirror/report", bytes(10_000)))[0] == "HTTP/1.1 200 OK"
        assert peer.port._budget._of.total() == 0


async def test_an_address_has_its_share_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUFFERED_BYTES_PER_ADDRESS", 1000)
    async with listening() as peer:
        assert (await peer.ask("POST /api/v1/mirror/report", bytes(1001)))[0] == "HTTP/1.1 503 Service Unavailable"


def answered(stream: trio.SocketStream) -> bytes:
    """What has come by now."""
    try:
        return os.read(stream.socket.fileno(), 1000)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /healthz HTT", b"nonsense\r\n\r\n", b"GET /x\x80 HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"],
    ids=repr,
)
async def test_what_is_no_request_is_closed(sent: bytes) -> None:
    async with listening() as peer:
        stream = peer.connect()
        await stream.send_all(sent)
        await stream.send_eof()
        assert await receive_all(stream) == b""
        assert (await peer.ask("GET /healthz"))[0] == "HTTP/1.1 200 OK"


async def test_a_request_that_does_not_come_to_its_end(autojump_clock: trio.testing.MockClock) -> None:
    async with listening() as peer:
        stream = peer.connect()
        await stream.send_all(b"GET /healthz HTTP/1.1\r\n")
        started_s = trio.current_time()
        assert await receive_all(stream) == b""
        assert trio.current_time() - started_s >= REQUEST_TIMEOUT_S


async def test_only_so_many_connections_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 2)
    async with listening() as peer:
        held = [peer.connect(), peer.connect()]
        await trio.testing.wait_all_tasks_blocked()
        assert await receive_all(peer.connect()) == b""
        await held[0].aclose()
        await await_until(lambda: peer.port._open == 1, "the first connection is closed")
        assert (await peer.ask("GET /healthz"))[0] == "HTTP/1.1 200 OK"
        await held[1].aclose()
