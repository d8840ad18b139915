"""What the lane makes of requests: good, bad, slow, many, and those that are not its own."""

from __future__ import annotations

import json
import logging
import zlib
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio
import trio.testing

from distd.lane.backend import RefusedHandOver
from distd.lane.responder import Responder
from tests.lane.conftest import FakeBackend
from tests.programs.waiting import LIMIT_S

PACKAGE = "1700000001"
INFO = f"/download/{PACKAGE}/info"
GET_INFO = f"GET {INFO} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
BOTH = pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])


def post(body: Any, fields: Any = "") -> Any:
    return f"POST /ocsinventory HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


# --- keep-alive and pipelining -----------------------------------------------------------------------------------


@BOTH
async def test_a_connection_is_kept(running: Any, tls: Any) -> None:
    async with running.connect(tls=tls) as peer:
        for _ in range(3):
            answer = await peer.ask(GET_INFO)
            assert answer.status == 200
            assert "connection" not in answer.fields


@BOTH
async def test_pipelined_requests_are_answered_in_order(running: Any, tls: Any) -> None:
    async with running.connect(tls=tls) as peer:
        fragment = f"GET /download/{PACKAGE}/{PACKAGE}-2 HTTP/1.1\r\nHost: h\r\n\r\n".encode()
        await peer.send((GET_INFO + fragment + post(b"hello")) * 20)
        for _ in range(20):
            assert (await peer.answer())["Content-Type"] == "application/xml"
            assert len((await peer.answer()).body) == 300_000
            assert (await peer.answer()).body == b"hello"


async def test_a_head_that_comes_byte_by_byte(running: Any) -> None:
    async with running.connect() as peer:
        for byte in GET_INFO:
            await peer.send(bytes((byte,)))
            await trio.testing.wait_all_tasks_blocked()
        assert (await peer.answer()).status == 200


@pytest.mark.parametrize(
    ("head", "kept", "line"),
    [
        ("GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", False, "close"),
        ("GET %s HTTP/1.1\r\nHost: h\r\nConnection: TE, close\r\n\r\n", False, "close"),
        ("GET %s HTTP/1.0\r\n\r\n", False, "close"),
        ("GET %s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, "keep-alive"),
        ("\r\nGET %s HTTP/1.1\r\nHost: h\r\n\r\n", True, None),
    ],
)
async def test_how_long_a_connection_lives(running: Any, head: Any, kept: Any, line: Any) -> None:
    async with running.connect() as peer:
        answer = await peer.ask((head % INFO).encode())
        assert answer.status == 200
        assert answer.fields.get("connection") == line
        if kept:
            assert (await peer.ask(GET_INFO)).status == 200
        else:
            assert await peer.ended()


async def test_a_peer_that_has_said_all_still_gets_its_answer(running: Any) -> None:
    running.backend.echo = False
    async with running.connect() as peer:
        await peer.send(post(b"hello"))
        await peer.stream.send_eof()
        await trio.testing.wait_all_tasks_blocked()
        ((_, answer),) = running.backend.posts
        answer(200, b"late")
        assert (await peer.answer()).body == b"late"
        assert await peer.ended()


# --- bad requests ------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /x HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"GET /x HTTP/1.1\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\nHost: h\n\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET  /x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n", 400),
        (
            b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nExpect: a-miracle\r\nContent-Length: 1\r\n\r\n", 417),
        (b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999\r\n\r\n", 413),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 20_000, 431),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /x HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else str(value),
)
async def test_a_bad_head_gets_one_answer_and_the_end(
    running: Any, raw: Any, status: Any, tls: Any, caplog: pytest.LogCaptureFixture, autojump_clock: Any
) -> None:
    caplog.set_level(logging.WARNING)
    async with running.connect(tls=tls) as peer:
        answer = await peer.ask(raw)
        assert answer.status == status
        assert answer["Connection"] == "close"
        assert await peer.ended()
    assert len(caplog.records) == 1
    assert running.backend.posts == []


async def test_a_body_shorter_than_its_length_never_comes_to_the_backend(start: Any, autojump_clock: Any) -> None:
    running = await start(head_timeout_s=5)
    async with running.connect() as peer:
        await peer.send(b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nfew")
        assert (await peer.answer()).status == 408
        assert await peer.ended()
    assert running.backend.posts == []


async def test_all_bodies_together_have_a_limit(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    running = await start(buffered_bytes=1000)
    running.backend.echo = False
    async with running.connect() as first, running.connect() as second:
        await first.send(post(bytes(900)))
        await trio.testing.wait_all_tasks_blocked()
        assert (await second.ask(post(bytes(200)))).status == 503
        running.backend.posts[0][1](200, b"")
        assert (await first.answer()).status == 200
    async with running.connect() as third:
        await third.send(post(bytes(900)))
        await trio.testing.wait_all_tasks_blocked()
    assert len(running.backend.posts) == 2


@pytest.mark.parametrize(
    "line", [b"GET /api/v1/packages HTTP/9.9", b"GET http://h/api/v1/x HTTP/1.1 x", b"GET /x HTTP/9.9"]
)
async def test_what_the_api_s_clients_get_wrong_is_a_problem(running: Any, line: bytes) -> None:
    async with running.connect() as peer:
        answer = await peer.ask(line + b"\r\nHost: h\r\n\r\n")
    assert answer.status in (400, 505)
    if b"/api/" not in line:
        assert answer["Content-Type"].startswith("text/plain")
        return
    assert answer["Content-Type"] == "application/problem+json"
    found = json.loads(answer.body)
    assert (found["status"], found["type"]) == (answer.status, "about:blank")
    assert found["detail"]


# --- POSTs of agents ---------------------------------------------------------------------------------------------


@BOTH
async def test_a_post_is_given_to_the_backend_and_answered(running: Any, tls: Any) -> None:
    body = zlib.compress(b"<REQUEST/>")
    async with running.connect(tls=tls) as peer:
        answer = await peer.ask(post(body, "User-Agent: OCS-NG_unified_unix_agent_v2.10.0\r\n"))
    ((passed, _),) = running.backend.posts
    assert (passed.body, passed.address) == (body, "127.0.0.1")
    assert passed.user_agent == "OCS-NG_unified_unix_agent_v2.10.0"
    assert (answer.status, answer.body) == (200, body)
    assert answer["Content-Type"] == "application/x-compressed"
    assert answer["Cache-Control"] == "no-store"


async def test_100_continue(running: Any) -> None:
    async with running.connect() as peer:
        await peer.send(b"POST /ocsinventory HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert (await peer.answer()).status == 100
        await peer.send(b"hello")
        assert (await peer.answer()).body == b"hello"


async def test_what_is_pipelined_behind_a_post_waits_for_it(running: Any) -> None:
    running.backend.echo = False
    async with running.connect() as peer:
        await peer.send(post(b"first") + GET_INFO * 40)
        await trio.testing.wait_all_tasks_blocked()
        await peer.send(GET_INFO)
        await trio.testing.wait_all_tasks_blocked()
        running.backend.posts[0][1](200, b"done")
        assert (await peer.answer()).body == b"done"
        for _ in range(41):
            assert (await peer.answer())["Content-Type"] == "application/xml"


async def test_an_answer_to_a_peer_that_has_gone_is_dropped(running: Any) -> None:
    running.backend.echo = False
    async with running.connect() as peer:
        await peer.send(post(b"hello"))
        await trio.testing.wait_all_tasks_blocked()
        peer.stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await trio.testing.wait_all_tasks_blocked()
    running.backend.posts[0][1](200, b"nobody hears this")
    assert (await running.get(INFO)).status == 200


async def test_too_many_waiting_posts(running: Any) -> None:
    running.backend.full = True
    async with running.connect() as peer:
        answer = await peer.ask(post(b"hello"))
        assert (answer.status, answer["Retry-After"]) == (503, "10")
        running.backend.full = False
        assert (await peer.ask(post(b"hello"))).status == 200


async def test_get_of_the_agents_url_is_told_what_is_allowed(running: Any) -> None:
    answer = await running.get("/ocsinventory")
    assert (answer.status, answer["Allow"]) == (405, "POST")


# --- limits of time and number -----------------------------------------------------------------------------------


async def test_slow_and_silent_peers_are_ended_and_slow_readers_spared(
    start: Any, download: Any, autojump_clock: Any
) -> None:
    running = await start(head_timeout_s=20, idle_timeout_s=200)
    (download / PACKAGE / f"{PACKAGE}-2").write_bytes(bytes(30_000_000))
    async with running.connect() as silent, running.connect() as dripping, running.connect() as reading:
        await reading.send(f"GET /download/{PACKAGE}/{PACKAGE}-2 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await dripping.send(b"GET /x HTTP/1.1\r\n")
        with trio.fail_after(100):
            assert await silent.ended()
            assert (await dripping.answer()).status == 408
            # It has taken nothing in all that time, and is not yet at its own limit.
            assert len((await reading.answer()).body) == 30_000_000


async def test_a_reader_that_takes_nothing_is_ended(start: Any, download: Any, autojump_clock: Any) -> None:
    running = await start(idle_timeout_s=30)
    (download / PACKAGE / f"{PACKAGE}-2").write_bytes(bytes(30_000_000))
    async with running.connect() as peer:
        await peer.send(f"GET /download/{PACKAGE}/{PACKAGE}-2 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await running.until(lambda: running.lane.counts.accepted and not running.lane.connections())
        with pytest.raises((EOFError, trio.BrokenResourceError)):
            await peer.answer()


async def test_connections_beyond_the_limit_wait(start: Any, autojump_clock: Any) -> None:
    running = await start(connections=1)
    async with running.connect() as first:
        assert (await first.ask(GET_INFO)).status == 200
        async with running.connect() as second:
            await second.send(GET_INFO)
            with trio.move_on_after(60):
                await second.answer()
                pytest.fail("served beyond the limit")
            await trio.aclose_forcefully(first.stream)
            assert (await second.answer()).status == 200


async def test_when_nearly_all_connections_are_taken_silent_ones_end_sooner(start: Any, autojump_clock: Any) -> None:
    running = await start(connections=10, head_timeout_s=20)
    async with AsyncExitStack() as stack:
        for _ in range(10):
            peer = await stack.enter_async_context(running.connect())
        await peer.send(b"GET /dow")
        begun_s = trio.current_time()
        assert (await running.get(INFO)).status == 200
        assert 4 < trio.current_time() - begun_s < 8


async def test_while_there_is_room_silent_connections_have_their_time(start: Any, autojump_clock: Any) -> None:
    running = await start(connections=20, head_timeout_s=20)
    async with running.connect() as peer:
        await trio.sleep(18)
        assert (await peer.ask(GET_INFO)).status == 200


# --- connections that are handed over ----------------------------------------------------------------------------


@BOTH
async def test_other_paths_are_handed_over_with_all_that_was_read(running: Any, tls: Any) -> None:
    raw = b"PUT /api/v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    async with running.connect(tls=tls) as peer:
        assert (await peer.ask(GET_INFO)).status == 200
        await peer.send(raw + b" and more")
        await running.until(lambda: running.backend.streams)
        (stream,) = running.backend.streams
        got = b""
        while len(got) < len(raw) + 9:
            got += await stream.receive_some(10)
        assert got == raw + b" and more"
        await peer.send(b"later")
        assert await stream.receive_some(100) == b"later"
        big = bytes(1_000_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + big)
            assert (await peer.answer()).body == big
        if tls:
            assert stream.selected_alpn_protocol() is None
        await stream.aclose()
        assert await peer.ended()


@BOTH
async def test_a_refused_request_is_answered_and_not_handed_over(running: Any, tls: Any) -> None:
    running.backend.refusals[b"/api/x"] = RefusedHandOver(429, "too many wait", b"Retry-After: 1\r\n")
    async with running.connect(tls=tls) as peer:
        await peer.send(b"POST /api/x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
        answer = await peer.answer()
        assert (answer.status, answer["retry-after"], answer["connection"]) == (429, "1", "close")
        assert json.loads(answer.body)["detail"] == "too many wait"
        assert await peer.ended()
    assert running.backend.streams == []
    assert running.lane.counts.handed_over == 0


@BOTH
async def test_a_handed_over_connection_counts_for_its_address_until_it_is_closed(start: Any, tls: Any) -> None:
    running = await start(connections_per_address=2)
    ask = b"GET /api HTTP/1.1\r\nHost: h\r\n\r\n"
    async with running.connect(tls=tls) as first, running.connect(tls=tls) as second:
        await first.send(ask)
        await second.send(ask)
        await running.until(lambda: len(running.backend.streams) == 2)
        one, other = running.backend.streams
        assert (one.address, one.is_encrypted) == ("127.0.0.1", tls)
        async with running.connect() as third:
            assert await third.ended()
        one.close()
        one.close()
        assert (await running.get(f"/download/{PACKAGE}/info")).status == 200
        await other.aclose()
        async with running.connect() as third, running.connect() as fourth:
            assert (await third.ask(GET_INFO)).status == (await fourth.ask(GET_INFO)).status == 200


@BOTH
async def test_a_handed_over_peer_that_takes_nothing_breaks_the_stream(
    start: Any, tls: Any, autojump_clock: Any
) -> None:
    running = await start(idle_timeout_s=20)
    async with running.connect(tls=tls) as peer:
        await peer.send(b"GET /api HTTP/1.1\r\nHost: h\r\n\r\n")
        await running.until(lambda: running.backend.streams)
        (stream,) = running.backend.streams
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(bytes(30_000_000))
        assert stream.broken
        await stream.aclose()


# --- TLS and the end ---------------------------------------------------------------------------------------------


async def test_plain_http_on_the_tls_port_is_refused(running: Any) -> None:
    stream = await trio.open_tcp_stream(*running.addresses[True])
    await stream.send_all(GET_INFO)
    with trio.fail_after(LIMIT_S):
        answer = await stream.receive_some(1000)  # a TLS alert at the most
        assert not answer.startswith(b"HTTP")
        await stream.aclose()
    assert (await running.get(INFO, tls=True)).status == 200


async def test_more_handshakes_at_once_than_a_turn_makes(running: Any) -> None:
    statuses = []

    async def get() -> None:
        statuses.append((await running.get(INFO, tls=True)).status)

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(get)
    assert statuses == [200] * 40


async def test_stop_drops_the_idle_and_lets_the_busy_finish(running: Any, download: Any) -> None:
    (download / PACKAGE / f"{PACKAGE}-2").write_bytes(bytes(30_000_000))
    async with running.connect() as idle, running.connect() as busy:
        assert (await idle.ask(GET_INFO)).status == 200
        await busy.send(f"GET /download/{PACKAGE}/{PACKAGE}-2 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await trio.testing.wait_all_tasks_blocked()
        running.lane.stop()
        assert await idle.ended()
        assert not running.lane.drained.is_set()
        assert len((await busy.answer()).body) == 30_000_000
        assert await busy.ended()
        with trio.fail_after(LIMIT_S):
            await running.lane.drained.wait()
    with pytest.raises(OSError, match="failed"):
        await trio.open_tcp_stream(*running.addresses[False])


async def test_a_fault_of_ours_ends_one_connection_only(running: Any, caplog: pytest.LogCaptureFixture) -> None:
    class FaultyBackend(FakeBackend):
        def computer_of(self, token: Any) -> Any:
            raise ZeroDivisionError(token)

    running.lane.responder = Responder(FaultyBackend(), running.files, running.lane.turn)
    with pytest.raises((EOFError, trio.BrokenResourceError)):
        await running.get(f"/download/~1a-0123456789abcdef0123/{PACKAGE}/info")
    assert "internal error while serving a connection" in caplog.text
    caplog.clear()
    assert (await running.get(INFO)).status == 200
