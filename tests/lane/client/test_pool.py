"""Very many clients in one task, against a server that sends exactly what it is told to. Time is virtual."""

from __future__ import annotations

import gc
import hashlib
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.lane.client import pool as client_pool
from distd.lane.client.link import Endpoint
from distd.lane.client.pool import ClientPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
REQUEST = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def clock(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> MockClock:
    """Of a test that takes it, and of its pools: a second is over as soon as nothing else is left to do."""
    monkeypatch.setattr(client_pool, "monotonic", autojump_clock.current_time)
    return autojump_clock


class Scripted:
    """Each connection answers with the next list: bytes, one for each request; None: nothing, for ever."""

    def __init__(self, *connections: Any) -> None:
        self.connections = [list(answers) for answers in connections]
        self.heard: list[list[bytes]] = []

    async def __call__(self, stream: Any) -> None:
        heard: list[bytes] = []
        self.heard.append(heard)
        answers = self.connections.pop(0) if self.connections else []
        for answer in answers:
            data = b""
            while b"\r\n\r\n" not in data:
                chunk = await stream.receive_some(65536)
                if not chunk:
                    return
                data += chunk
            heard.append(data)
            if answer is None:
                await trio.sleep_forever()
            for piece in answer if isinstance(answer, list) else [answer]:
                await stream.send_all(piece)
                await trio.sleep(0.001)
        await stream.aclose()


class ScriptedCaller:
    """Asks for each of `requests` in turn, and writes down what came."""

    def __init__(self, pool: Any, number: Any = 0, count: Any = 1, **options: Any) -> None:
        self.pool, self.number, self.left, self.options = pool, number, count, options
        self.link: Any = None
        self.got: list[Any] = []
        self.endpoint = None
        self.over = trio.Event()

    def ask(self, endpoint: Any) -> None:
        self.endpoint = endpoint
        self.pool.ask(self, endpoint, REQUEST, **({"keep": True} | self.options))

    def answered(self, link: Any) -> None:
        self._next((link.status, link.body, link.length))

    def failed(self, why: Any, link: Any) -> None:
        self._next(why)

    def _next(self, what: Any) -> None:
        self.got.append(what)
        self.left -= 1
        if self.left:
            self.ask(self.endpoint)
        else:
            self.over.set()


@asynccontextmanager
async def serving(handler: Any, context: Any = None) -> AsyncIterator[Any]:
    async with trio.open_nursery() as nursery:
        listeners: list[Any] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        if context is not None:
            listeners = [trio.SSLListener(plain, context, https_compatible=True) for plain in listeners]

        async def handle(stream: Any) -> None:
            try:
                await handler(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await trio.aclose_forcefully(stream)

        nursery.start_soon(trio.serve_listeners, handle, listeners)
        yield port
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_pool(context: Any = None, source: Any = None, **options: Any) -> AsyncIterator[Any]:
    pool = ClientPool(context or ssl.create_default_context(), source, **options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pool.run)
        with trio.fail_after(3600):
            yield pool
        nursery.cancel_scope.cancel()


async def ask(server: Any, count: Any = 1, context: Any = None, **options: Any) -> Any:
    """One caller, `count` requests."""
    async with serving(server) as port, open_pool(context) as pool:
        caller = ScriptedCaller(pool, count=count, **options)
        caller.ask(Endpoint("127.0.0.1", port, False))
        await caller.over.wait()
        return caller.got, pool


HELLO = (200, b"hello", 5)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK, HELLO),
        ([OK[i : i + 1] for i in range(len(OK))], HELLO),
        ([OK[:30], OK[30:]], HELLO),
        ([OK[:40], OK[40:]], HELLO),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", (404, b"", 0)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"", 0)),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", (200, b"to the end", 10)),
        (b"HTTP/1.0 200 OK\r\n\r\n", (200, b"", 0)),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", b"lo\r\n0", b"\r\n\r\n"],
            HELLO,
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (200, b"", 0)),
        (b"", "closed before an answer"),
        (OK[:20], "closed before an answer"),
        (OK[:-1], "closed within a body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "closed within a body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "illegal chunk header"),
        (OK + b"!", "more bytes than content-length"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not http"),
        (b"HTTP/1.1 abc\r\n\r\n", "not http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "invalid content-length"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "a head that is too long"),
    ],
)
async def test_answers(answer: Any, expected: Any, clock: MockClock) -> None:
    got, _ = await ask(Scripted([answer]))
    if isinstance(expected, str):
        assert isinstance(got[0], str)
        assert expected in got[0].lower()
    else:
        assert got == [expected]


async def test_a_connection_is_used_again(clock: MockClock) -> None:
    server = Scripted([OK, OK, OK])
    got, pool = await ask(server, 3)
    assert got == [HELLO] * 3
    assert pool.connections == 1
    assert len(server.heard[0]) == 3


async def test_one_that_says_close_is_not(clock: MockClock) -> None:
    server = Scripted([OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], [OK])
    got, pool = await ask(server, 2)
    assert got == [HELLO] * 2
    assert pool.connections == 2


async def test_a_kept_one_that_was_closed_meanwhile_is_replaced_and_the_request_sent_again(clock: MockClock) -> None:
    server = Scripted([OK], [OK, OK[:-1]])
    got, pool = await ask(server, 3)
    assert got == [HELLO, HELLO, "closed within a body"]
    assert pool.connections == 2
    assert [len(requests) for requests in server.heard] == [1, 2]


async def test_another_place_closes_it(clock: MockClock) -> None:
    async with serving(Scripted([OK, OK])) as first, serving(Scripted([OK])) as second, open_pool() as pool:
        caller = ScriptedCaller(pool, count=1)
        for port in (first, second):
            caller.over, caller.left = trio.Event(), 1
            caller.ask(Endpoint("127.0.0.1", port, False))
            await caller.over.wait()
        assert caller.got == [HELLO] * 2
        assert pool.open_links == 1


async def test_bytes_go_to_the_digest_and_are_kept_only_if_wanted(clock: MockClock) -> None:
    body = bytes(range(256)) * 4000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    digest = hashlib.md5()
    got, pool = await ask(Scripted([answer]), digest=digest, keep=False)
    assert got == [(200, b"", len(body))]
    assert digest.digest() == hashlib.md5(body).digest()
    assert pool.received_bytes == len(answer)


async def test_a_slow_line_takes_its_time(clock: MockClock) -> None:
    body = bytes(20_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    begun_s = trio.current_time()
    got, _ = await ask(Scripted([answer]), limit_bytes_per_s=50_000.0)
    assert got == [(200, body, len(body))]
    assert trio.current_time() - begun_s > 0.25


async def test_a_caller_whose_answer_does_not_come_is_told(clock: MockClock) -> None:
    begun_s = trio.current_time()
    got, _ = await ask(Scripted([OK, None]), 2)
    assert got == [HELLO, "timed out"]
    waited_s = trio.current_time() - begun_s
    assert client_pool.TIMEOUT_S <= waited_s <= client_pool.TIMEOUT_S + 2 * client_pool.EXPIRY_CHECK_S


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (Endpoint("127.0.0.1", 1, False), "connection refused"),
        (Endpoint("no.such.host.invalid", 80, False), "no such host"),
        (Endpoint("a..b", 80, False), "invalid address"),
        (Endpoint("x" * 64, 80, True), "invalid address"),
        (Endpoint("", 80, False), "invalid address"),
        (Endpoint("127.0.0.1", 0, False), "invalid address"),
        (Endpoint("127.0.0.1", 65_536, False), "invalid address"),
    ],
)
async def test_where_nobody_listens(endpoint: Any, expected: Any, clock: MockClock) -> None:
    async with open_pool() as pool:
        caller = ScriptedCaller(pool)
        caller.ask(endpoint)
        assert caller.got == []  # the outcome never comes before `ask` returns
        await caller.over.wait()
        assert expected in caller.got[0]
        assert pool.open_links == 0


class Names:
    """Instead of the system's: `known` is found, all else is looked up for `pause_s`, in vain."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, clock: MockClock, pause_s: float = 0.0) -> None:
        self.known, self.pause_s, self.clock = "", pause_s, clock
        self.asked: list[str] = []
        self.look_up = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, **options: Any) -> Any:
        self.asked.append(host)
        if host == self.known:
            return self.look_up("127.0.0.1", port, **options)
        self.clock.jump(self.pause_s)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def ask_at(pool: ClientPool, *endpoints: Endpoint) -> list[Any]:
    """What comes of asking at each of the endpoints in turn."""
    got = []
    for endpoint in endpoints:
        caller = ScriptedCaller(pool)
        caller.ask(endpoint)
        await caller.over.wait()
        got += caller.got
    return got


async def test_an_unknown_host_is_not_looked_up_again_for_a_while(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock
) -> None:
    async with serving(Scripted([OK])) as port, open_pool() as pool:
        names = Names(monkeypatch, clock)
        endpoint, other = Endpoint("later", port, False), Endpoint("other", port, False)
        why = "no such host: name or service not known"
        assert await ask_at(pool, *[endpoint] * 20, other) == [why] * 21
        assert names.asked == ["later", "other"]
        names.known = "later"
        await trio.sleep(client_pool.UNKNOWN_HOST_S - 1)
        assert await ask_at(pool, endpoint) == [why]
        await trio.sleep(2)
        assert await ask_at(pool, endpoint) == [HELLO]
        assert names.asked == ["later", "other", "later"]


async def test_looking_up_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch, clock: MockClock) -> None:
    """For nothing else is done meanwhile."""
    names = Names(monkeypatch, clock, pause_s=3)
    endpoint = Endpoint("nowhere", 80, False)
    async with open_pool() as pool:
        await ask_at(pool, endpoint)
        await trio.sleep(3 * client_pool.UNKNOWN_HOST_FACTOR - 1)
        await ask_at(pool, endpoint)
        assert names.asked == ["nowhere"]
        await trio.sleep(2)
        await ask_at(pool, endpoint)
        assert names.asked == ["nowhere"] * 2


async def test_few_unknown_hosts_are_remembered(monkeypatch: pytest.MonkeyPatch, clock: MockClock) -> None:
    monkeypatch.setattr(client_pool, "MAX_UNKNOWN_HOSTS", 3)
    names = Names(monkeypatch, clock)
    async with open_pool() as pool:
        endpoints = [Endpoint(f"h{number}", 80, False) for number in range(10)]
        await ask_at(pool, *endpoints, *endpoints[-3:])
        assert len(names.asked) == 10
        await ask_at(pool, endpoints[0])
        assert len(names.asked) == 11


async def test_callers_that_wait_for_an_answer_or_for_a_connection(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock
) -> None:
    async with serving(Scripted([OK], [None], [None])) as port, open_pool(max_links=2) as pool:
        endpoint = Endpoint("127.0.0.1", port, False)
        done = ScriptedCaller(pool)
        done.ask(endpoint)
        await done.over.wait()
        assert pool.callers() == []
        callers = [ScriptedCaller(pool, number) for number in range(3)]
        for caller in callers:
            caller.ask(endpoint)
        await trio.sleep(0.05)
        assert pool.callers() == callers


async def test_a_closed_link_is_heard_of_no_more(clock: MockClock) -> None:
    async with serving(Scripted([None])) as port, open_pool() as pool:
        caller = ScriptedCaller(pool)
        caller.ask(Endpoint("127.0.0.1", port, False))
        await trio.sleep(0.05)
        caller.link.close()
        assert caller.link is None
        await trio.sleep(0.05)
        assert caller.got == []
        assert pool.open_links == 0


async def test_timers_in_order(clock: MockClock) -> None:
    async with open_pool() as pool:
        heard, over = [], trio.Event()
        now_s = trio.current_time()
        for delay_s in (0.03, 0.01, 0.02):
            pool.at(now_s + delay_s, lambda delay_s=delay_s: heard.append((delay_s, trio.current_time() - now_s)))
        pool.at(now_s + 0.04, over.set)
        await over.wait()
        assert [delay_s for delay_s, _ in heard] == [0.01, 0.02, 0.03]
        assert all(at_s >= delay_s for delay_s, at_s in heard)


async def test_many_from_addresses_of_their_own(clock: MockClock) -> None:
    addresses = set()

    async def handle(stream: Any) -> None:
        addresses.add(stream.socket.getpeername()[0])
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += await stream.receive_some(65536)
        await stream.send_all(OK)
        await stream.receive_some(1)

    async with serving(handle) as port, open_pool(source=lambda one: f"127.9.0.{one.number}") as pool:
        callers = [ScriptedCaller(pool, number) for number in range(100)]
        for caller in callers:
            caller.ask(Endpoint("127.0.0.1", port, False))
        for caller in callers:
            await caller.over.wait()
        assert all(caller.got == [HELLO] for caller in callers)
        assert pool.busy == 0
        assert pool.open_links == 100
    assert addresses == {f"127.9.0.{number}" for number in range(100)}
    assert pool.open_links == 0


class CountingServer:
    """Answers each request after `pause_s`, and keeps its connections; counts those at once."""

    def __init__(self, pause_s: Any = 0.0) -> None:
        self.pause_s, self.open, self.most, self.all = pause_s, 0, 0, 0

    async def __call__(self, stream: Any) -> None:
        self.open += 1
        self.all += 1
        self.most = max(self.most, self.open)
        try:
            while await stream.receive_some(65536):
                await trio.sleep(self.pause_s)
                await stream.send_all(OK)
        finally:
            self.open -= 1


@pytest.mark.parametrize(("pause_s", "count"), [(0.0, 1), (0.0, 3), (0.01, 1), (0.01, 3)])
async def test_where_connections_are_short_idle_ones_make_room_and_requests_wait(
    pause_s: Any, count: Any, clock: MockClock
) -> None:
    server = CountingServer(pause_s)
    async with serving(server) as port, open_pool(max_links=4) as pool:
        callers = [ScriptedCaller(pool, number, count) for number in range(40)]
        for caller in callers:
            caller.ask(Endpoint("127.0.0.1", port, False))
        assert pool.open_links == 4
        assert pool.busy == 40
        for caller in callers:
            await caller.over.wait()
        assert all(caller.got == [HELLO] * count for caller in callers)
        assert pool.open_links <= 4
        assert pool.busy == 0
        assert 40 <= pool.connections == server.all
    assert server.most <= 5  # it may see a new one before the end of an old one


async def test_the_longest_idle_one_makes_room_and_is_replaced_when_its_caller_asks_again(clock: MockClock) -> None:
    turns, over = iter([1, 2, 0, 3, None, 1, None]), trio.Event()

    class InTurn(ScriptedCaller):
        def _next(self, what: Any) -> None:
            self.got.append(what)
            number = next(turns)
            if number is None:
                over.set()
            else:
                callers[number].ask(self.endpoint)

    async with serving(CountingServer(0.01)) as port, open_pool(max_links=3) as pool:
        callers = [InTurn(pool, number) for number in range(4)]
        callers[0].ask(Endpoint("127.0.0.1", port, False))
        await over.wait()
        assert [caller.link is not None for caller in callers] == [True, False, True, True]
        over = trio.Event()
        callers[0].ask(Endpoint("127.0.0.1", port, False))
        await over.wait()
        assert [caller.link is not None for caller in callers] == [True, True, False, True]
        assert [caller.got for caller in callers] == [[HELLO] * 3, [HELLO] * 2, [HELLO], [HELLO]]


async def test_tls_where_connecting_takes_its_time(certificate: Any) -> None:
    """As it does to all hosts but this one: here the listener's queue is full at first, so a SYN is sent once more."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate[0])
    trusting = ssl.create_default_context(cadata=certificate[1])
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        async with open_pool(trusting) as pool, trio.open_nursery() as nursery:
            with socket.create_connection(address):
                caller = ScriptedCaller(pool)
                caller.ask(Endpoint("localhost", address[1], True))
                await trio.sleep(0.2)
                assert caller.got == []
                listener.listen(9)
                listener.setblocking(False)
            plain = trio.SocketListener(trio.socket.from_stdlib_socket(listener.dup()))
            tls = trio.SSLListener(plain, context, https_compatible=True)
            nursery.start_soon(trio.serve_listeners, Scripted([], [OK]), [tls])
            await caller.over.wait()
            assert caller.got == [HELLO]
            nursery.cancel_scope.cancel()


async def test_where_nobody_listens_to_tls_no_socket_is_left(certificate: Any, clock: MockClock) -> None:
    async with open_pool() as pool:
        caller = ScriptedCaller(pool)
        caller.ask(Endpoint("127.0.0.1", 1, True))
        await caller.over.wait()
        assert caller.got == ["connection refused"]
    gc.collect()  # a socket that was not closed is a warning, and that an error


async def test_tls(certificate: Any, clock: MockClock) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate[0])
    trusting = ssl.create_default_context(cadata=certificate[1])
    body = bytes(range(256)) * 1000
    big = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with serving(Scripted([big, OK], [OK]), context) as port:
        async with open_pool(trusting) as pool:
            caller = ScriptedCaller(pool, count=2)
            caller.ask(Endpoint("localhost", port, True))
            await caller.over.wait()
            assert caller.got == [(200, body, len(body)), HELLO]
            assert pool.handshakes == 1
        async with open_pool() as pool:
            caller = ScriptedCaller(pool)
            caller.ask(Endpoint("localhost", port, True))
            await caller.over.wait()
            assert caller.got[0].startswith("certificate: ")
