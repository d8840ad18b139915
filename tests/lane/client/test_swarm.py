"""Very many clients in one task, against a server that sends exactly what it is told to."""

from __future__ import annotations

import gc
import hashlib
import socket
import ssl
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.lane.client import swarm as swarms
from distd.lane.client.link import Place
from distd.lane.client.swarm import Swarm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
REQUEST = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


class Scripted:
    """Each connection answers with the next list: bytes, one for each request; None: nothing, for ever."""

    def __init__(self, *connections: Any) -> None:
        self.connections = [list(one) for one in connections]
        self.heard = []

    async def __call__(self, stream: Any) -> None:
        heard = []
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


class Asker:
    """Asks for each of `requests` in turn, and writes down what came."""

    def __init__(self, swarm: Any, number: Any = 0, count: Any = 1, **options: Any) -> None:
        self.swarm, self.number, self.left, self.options = swarm, number, count, options
        self.link = None
        self.got = []
        self.place = None
        self.over = trio.Event()

    def ask(self, place: Any) -> None:
        self.place = place
        self.swarm.ask(self, place, REQUEST, **({"keep": True} | self.options))

    def answered(self, link: Any) -> None:
        self._next((link.status, link.body, link.length))

    def failed(self, why: Any, link: Any) -> None:
        self._next(why)

    def _next(self, what: Any) -> None:
        self.got.append(what)
        self.left -= 1
        if self.left:
            self.ask(self.place)
        else:
            self.over.set()


@asynccontextmanager
async def serving(handler: Any, context: Any = None) -> AsyncIterator[Any]:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        if context is not None:
            listeners = [trio.SSLListener(one, context, https_compatible=True) for one in listeners]

        async def handle(stream: Any) -> None:
            try:
                await handler(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await trio.aclose_forcefully(stream)

        nursery.start_soon(trio.serve_listeners, handle, listeners)
        yield port
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def swarming(context: Any = None, source: Any = None, **options: Any) -> AsyncIterator[Any]:
    swarm = Swarm(context or ssl.create_default_context(), source, **options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(swarm.run)
        with trio.fail_after(20):
            yield swarm
        nursery.cancel_scope.cancel()


async def ask(server: Any, count: Any = 1, context: Any = None, **options: Any) -> Any:
    """One asker, `count` requests."""
    async with serving(server) as port, swarming(context) as swarm:
        asker = Asker(swarm, count=count, **options)
        asker.ask(Place("127.0.0.1", port, False))
        await asker.over.wait()
        return asker.got, swarm


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
        (OK + b"!", "more bytes than were promised"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not http"),
        (b"HTTP/1.1 abc\r\n\r\n", "not http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "a length that is none"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "no end of a head"),
    ],
)
async def test_answers(answer: Any, expected: Any) -> None:
    got, _ = await ask(Scripted([answer]))
    if isinstance(expected, str):
        assert isinstance(got[0], str)
        assert expected in got[0].lower()
    else:
        assert got == [expected]


async def test_a_connection_is_used_again() -> None:
    server = Scripted([OK, OK, OK])
    got, swarm = await ask(server, 3)
    assert got == [HELLO] * 3
    assert swarm.connections == 1
    assert len(server.heard[0]) == 3


async def test_one_that_says_close_is_not() -> None:
    server = Scripted([OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], [OK])
    got, swarm = await ask(server, 2)
    assert got == [HELLO] * 2
    assert swarm.connections == 2


async def test_a_kept_one_that_was_closed_meanwhile_is_replaced_and_the_request_sent_again() -> None:
    server = Scripted([OK], [OK, OK[:-1]])
    got, swarm = await ask(server, 3)
    assert got == [HELLO, HELLO, "closed within a body"]
    assert swarm.connections == 2
    assert [len(one) for one in server.heard] == [1, 2]


async def test_another_place_closes_it() -> None:
    async with serving(Scripted([OK, OK])) as first, serving(Scripted([OK])) as second, swarming() as swarm:
        asker = Asker(swarm, count=1)
        for port in (first, second):
            asker.over, asker.left = trio.Event(), 1
            asker.ask(Place("127.0.0.1", port, False))
            await asker.over.wait()
        assert asker.got == [HELLO] * 2
        assert swarm.open_links == 1


async def test_bytes_go_to_the_digest_and_are_kept_only_if_wanted() -> None:
    body = bytes(range(256)) * 4000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    digest = hashlib.md5()
    got, swarm = await ask(Scripted([answer]), digest=digest, keep=False)
    assert got == [(200, b"", len(body))]
    assert digest.digest() == hashlib.md5(body).digest()
    assert swarm.received_bytes == len(answer)


async def test_a_slow_line_takes_its_time() -> None:
    body = bytes(20_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    begun_s = time.monotonic()
    got, _ = await ask(Scripted([answer]), limit_bytes_per_s=50_000.0)
    assert got == [(200, body, len(body))]
    assert time.monotonic() - begun_s > 0.25


async def test_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarms, "PATIENCE_S", 0.05)
    monkeypatch.setattr(swarms, "SWEEP_S", 0.02)
    got, _ = await ask(Scripted([OK, None]), 2)
    assert got == [HELLO, "timed out"]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place("127.0.0.1", 1, False), "connection refused"),
        (Place("no.such.host.invalid", 80, False), "no such host"),
        (Place("a..b", 80, False), "an address that is none"),
        (Place("x" * 64, 80, True), "an address that is none"),
        (Place("", 80, False), "an address that is none"),
        (Place("127.0.0.1", 0, False), "an address that is none"),
        (Place("127.0.0.1", 65_536, False), "an address that is none"),
    ],
)
async def test_where_nobody_listens(place: Any, expected: Any) -> None:
    async with swarming() as swarm:
        asker = Asker(swarm)
        asker.ask(place)
        assert asker.got == []  # the outcome never comes before `ask` returns
        await asker.over.wait()
        assert expected in asker.got[0]
        assert swarm.open_links == 0


class Names:
    """Instead of the system's: `known` is found, all else is looked up for `pause_s`, in vain."""

    def __init__(self, monkeypatch: Any, pause_s: Any = 0.0) -> None:
        self.known, self.pause_s, self.asked = "", pause_s, []
        self.look_up = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, **options: Any) -> Any:
        self.asked.append(host)
        if host == self.known:
            return self.look_up("127.0.0.1", port, **options)
        time.sleep(self.pause_s)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Tour(Asker):
    """Asks at each of `places` in turn: from its callbacks, for the swarm wakes up for nobody else."""

    def __init__(self, swarm: Any, places: Any) -> None:
        super().__init__(swarm, count=len(places))
        self.places = list(places)
        self.ask(self.places.pop(0))

    def ask(self, place: Any) -> None:
        super().ask(place)
        self.place = self.places.pop(0) if self.places else place


async def tour(swarm: Any, *places: Any) -> Any:
    """What came of asking there."""
    asker = Tour(swarm, places)
    await asker.over.wait()
    return asker.got


async def test_a_host_that_is_not_found_is_not_looked_up_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarms, "UNKNOWN_S", 0.2)
    async with serving(Scripted([OK])) as port, swarming() as swarm:
        names = Names(monkeypatch)
        place, other = Place("later", port, False), Place("other", port, False)
        why = "no such host: name or service not known"
        assert await tour(swarm, *[place] * 20, other) == [why] * 21
        assert names.asked == ["later", "other"]
        names.known = "later"
        await trio.sleep(0.25)
        assert await tour(swarm, place) == [HELLO]
        assert names.asked == ["later", "other", "later"]


async def test_looking_up_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """For nothing else is done meanwhile."""
    monkeypatch.setattr(swarms, "UNKNOWN_S", 0.0)
    names = Names(monkeypatch, pause_s=0.05)
    async with swarming() as swarm:
        asker, begun_s = Tour(swarm, [Place("nowhere", 80, False)] * 1_000_000), time.monotonic()
        while len(names.asked) < 2:
            await trio.sleep(0.01)
        assert time.monotonic() - begun_s >= (1 + swarms.UNKNOWN_SHARE) * 0.05
        assert len(asker.got) > 100  # in vain, and at once


async def test_of_hosts_that_are_not_found_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarms, "MOST_UNKNOWN", 3)
    names = Names(monkeypatch)
    async with swarming() as swarm:
        got = await tour(swarm, *(Place(f"h{number}", 80, False) for number in range(10)))
        assert len(got) == len(names.asked) == 10
        assert 0 < len(swarm._unknown) <= 3


async def test_who_is_waiting_for_an_answer_or_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Scripted([OK], [None], [None])) as port, swarming(most_links=2) as swarm:
        place = Place("127.0.0.1", port, False)
        done = Asker(swarm)
        done.ask(place)
        await done.over.wait()
        assert swarm.callers() == []
        askers = [Asker(swarm, number) for number in range(3)]
        for asker in askers:
            asker.ask(place)
        await trio.sleep(0.05)
        assert swarm.callers() == askers


async def test_a_closed_link_is_heard_of_no_more() -> None:
    async with serving(Scripted([None])) as port, swarming() as swarm:
        asker = Asker(swarm)
        asker.ask(Place("127.0.0.1", port, False))
        await trio.sleep(0.05)
        asker.link.close()
        assert asker.link is None
        await trio.sleep(0.05)
        assert asker.got == []
        assert swarm.open_links == 0


async def test_timers_in_order() -> None:
    async with swarming() as swarm:
        heard, over = [], trio.Event()
        now_s = time.monotonic()
        for delay_s in (0.03, 0.01, 0.02):
            swarm.at(now_s + delay_s, lambda delay_s=delay_s: heard.append((delay_s, time.monotonic() - now_s)))
        swarm.at(now_s + 0.04, over.set)
        await over.wait()
        assert [delay_s for delay_s, _ in heard] == [0.01, 0.02, 0.03]
        assert all(at_s >= delay_s for delay_s, at_s in heard)


async def test_many_from_addresses_of_their_own() -> None:
    addresses = set()

    async def handle(stream: Any) -> None:
        addresses.add(stream.socket.getpeername()[0])
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += await stream.receive_some(65536)
        await stream.send_all(OK)
        await stream.receive_some(1)

    async with serving(handle) as port, swarming(source=lambda one: f"127.9.0.{one.number}") as swarm:
        askers = [Asker(swarm, number) for number in range(100)]
        for asker in askers:
            asker.ask(Place("127.0.0.1", port, False))
        for asker in askers:
            await asker.over.wait()
        assert all(asker.got == [HELLO] for asker in askers)
        assert swarm.busy == 0
        assert swarm.open_links == 100
    assert addresses == {f"127.9.0.{number}" for number in range(100)}
    assert swarm.open_links == 0


class Crowd:
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
async def test_where_connections_are_short_idle_ones_make_room_and_requests_wait(pause_s: Any, count: Any) -> None:
    server = Crowd(pause_s)
    async with serving(server) as port, swarming(most_links=4) as swarm:
        askers = [Asker(swarm, number, count) for number in range(40)]
        for asker in askers:
            asker.ask(Place("127.0.0.1", port, False))
        assert swarm.open_links == 4
        assert swarm.busy == 40
        for asker in askers:
            await asker.over.wait()
        assert all(asker.got == [HELLO] * count for asker in askers)
        assert swarm.open_links <= 4
        assert swarm.busy == 0
        assert 40 <= swarm.connections == server.all
    assert server.most <= 5  # it may see a new one before the end of an old one


async def test_the_longest_idle_one_makes_room_and_is_replaced_when_its_caller_asks_again() -> None:
    turns, over = iter([1, 2, 0, 3, None, 1, None]), trio.Event()

    class InTurn(Asker):
        def _next(self, what: Any) -> None:
            self.got.append(what)
            number = next(turns)
            if number is None:
                over.set()
            else:
                askers[number].ask(self.place)

    async with serving(Crowd()) as port, swarming(most_links=3) as swarm:
        askers = [InTurn(swarm, number) for number in range(4)]
        askers[0].ask(Place("127.0.0.1", port, False))
        await over.wait()
        assert [asker.link is not None for asker in askers] == [True, False, True, True]
        over = trio.Event()
        askers[0].ask(Place("127.0.0.1", port, False))
        await over.wait()
        assert [asker.link is not None for asker in askers] == [True, True, False, True]
        assert [asker.got for asker in askers] == [[HELLO] * 3, [HELLO] * 2, [HELLO], [HELLO]]


async def test_tls_where_connecting_takes_its_time(certificate: Any) -> None:
    """As it does to all hosts but this one: here the listener's queue is full at first, so a SYN is sent once more."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate[0])
    trusting = ssl.create_default_context(cadata=certificate[1])
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        async with swarming(trusting) as swarm, trio.open_nursery() as nursery:
            with socket.create_connection(address):
                asker = Asker(swarm)
                asker.ask(Place("localhost", address[1], True))
                await trio.sleep(0.2)
                assert asker.got == []
                listener.listen(9)
                listener.setblocking(False)
            plain = trio.SocketListener(trio.socket.from_stdlib_socket(listener.dup()))
            tls = trio.SSLListener(plain, context, https_compatible=True)
            nursery.start_soon(trio.serve_listeners, Scripted([], [OK]), [tls])
            await asker.over.wait()
            assert asker.got == [HELLO]
            nursery.cancel_scope.cancel()


async def test_where_nobody_listens_to_tls_no_socket_is_left(certificate: Any) -> None:
    async with swarming() as swarm:
        asker = Asker(swarm)
        asker.ask(Place("127.0.0.1", 1, True))
        await asker.over.wait()
        assert asker.got == ["connection refused"]
    gc.collect()  # a socket that was not closed is a warning, and that an error


async def test_tls(certificate: Any) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate[0])
    trusting = ssl.create_default_context(cadata=certificate[1])
    body = bytes(range(256)) * 1000
    big = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with serving(Scripted([big, OK], [OK]), context) as port:
        async with swarming(trusting) as swarm:
            asker = Asker(swarm, count=2)
            asker.ask(Place("localhost", port, True))
            await asker.over.wait()
            assert asker.got == [(200, body, len(body)), HELLO]
            assert swarm.handshakes == 1
        async with swarming() as swarm:
            asker = Asker(swarm)
            asker.ask(Place("localhost", port, True))
            await asker.over.wait()
            assert asker.got[0].startswith("certificate: ")
