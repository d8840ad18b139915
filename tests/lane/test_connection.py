"""The state of one peer, with a transport, a reactor and a backend in memory: no socket."""

from __future__ import annotations

import logging
from select import EPOLLIN, EPOLLOUT
from typing import TYPE_CHECKING, Any, cast

import pytest

from distd.domain.bandwidth import parse
from distd.lane.connection import LINGER_S, MIN_TRANSFER_BYTES_PER_S, TURN_REQUESTS, Connection, State
from distd.lane.counters import Counts
from distd.lane.file_cache import FileCache
from distd.lane.limits import Limits
from distd.lane.pacer import Pacer
from distd.lane.responder import Responder
from distd.lane.transport import Transport
from distd.lane.turn import Turn
from tests.lane.conftest import INFO, PACKAGE, SMALL, FakeBackend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from distd.lane.reactor import Reactor

GET_INFO = f"GET /download/{PACKAGE}/info HTTP/1.1\r\nHost: h\r\n\r\n".encode()
GET_SMALL = f"GET /download/{PACKAGE}/{PACKAGE}-1 HTTP/1.1\r\nHost: h\r\n\r\n".encode()


def post(body: bytes, fields: str = "", length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return f"POST /ocsinventory HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {length}\r\n\r\n".encode() + body


class MemorySocket:
    """`coming`: what recv() gives or raises, piece by piece; `taken`: what send() took, at most `room` bytes in all."""

    def __init__(self) -> None:
        self.coming: list[bytes | OSError] = []
        self.taken = b""
        self.room = 10_000_000
        self.ended = self.closed = False

    def fileno(self) -> int:
        return 7

    def recv(self, max_bytes: int, flags: int = 0) -> bytes:
        if not self.coming:
            raise BlockingIOError
        data = self.coming.pop(0)
        if isinstance(data, OSError):
            raise data
        return data

    def send(self, data: bytes, flags: int = 0) -> int:
        size = min(len(data), self.room)
        if not size:
            raise BlockingIOError
        self.room -= size
        self.taken += data[:size]
        return size

    def shutdown(self, how: int) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True


class MemoryReactor:
    """`interest`: which events the one target wants to hear of; `timers`: what is to be called when."""

    def __init__(self) -> None:
        self.interest: int | None = None
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def add(self, fd: int, target: object, interest: int) -> None:
        self.interest = interest

    def modify(self, fd: int, interest: int) -> None:
        self.interest = interest

    def remove(self, fd: int) -> None:
        self.interest = None

    def at(self, due_s: float, call: Callable[[], object]) -> None:
        self.timers.append((due_s, call))


class Peer:
    """A connection with its neighbours; the test is its peer."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.backend = FakeBackend()
        self.turn = Turn(Limits(**limits), Counts(), logging.getLogger("distd.lane"))
        self.turn.begin(1000.0, 1)
        self.sock, self.reactor = MemorySocket(), MemoryReactor()
        reactor = cast("Reactor", self.reactor)
        self.pacer = Pacer(self.turn, reactor, None)
        self.pacer.set_rules(self.turn.limits.bandwidth)
        responder = Responder(self.backend, FileCache(folder, _no_manifest), self.turn)
        transport = Transport(cast("Any", self.sock), self.turn)
        self.ends: list[Connection] = []
        self.connection = Connection(transport, "10.0.0.1", self.turn, reactor, self.pacer, responder, self.ends.append)

    def send(self, *pieces: bytes | OSError) -> bytes:
        """What comes back."""
        for piece in pieces:
            self.sock.coming.append(piece)
            self.connection.ready(EPOLLIN)
        return self.take()

    def is_closed(self) -> bool:
        return self.sock.closed

    def take(self) -> bytes:
        taken, self.sock.taken = self.sock.taken, b""
        return taken

    def later(self, seconds: float) -> None:
        """So much later it is looked at, as the lane does it."""
        self.turn.begin(self.turn.now_s + seconds, 1)
        if self.connection.deadline_s < self.turn.now_s:
            self.connection.expire()


def _no_manifest(package_id: str) -> Any:
    raise OSError(package_id)


@pytest.fixture
def connect(download: Path) -> Callable[..., Peer]:
    return lambda **limits: Peer(download, **limits)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_requests_are_answered_one_after_the_other(connect: Callable[..., Peer]) -> None:
    peer = connect()
    answer = peer.send(GET_INFO + GET_SMALL, GET_INFO[:20], GET_INFO[20:])
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answer.count(INFO) == 2
    assert answer.count(SMALL) == 1
    assert peer.backend.fetches == [(0, PACKAGE, 1, len(SMALL))]
    assert peer.turn.counts.statuses == {200: 3}
    assert peer.turn.counts.sent_bytes == len(answer)
    assert peer.connection.state is State.IDLE


def test_who_pipelines_much_lets_others_have_their_turn(connect: Callable[..., Peer]) -> None:
    peer = connect()
    answer = peer.send(GET_INFO * (TURN_REQUESTS + 3))
    assert answer.count(INFO) == TURN_REQUESTS
    ((due_s, go_on),) = peer.reactor.timers
    assert due_s == peer.turn.now_s
    go_on()
    assert peer.take().count(INFO) == 3
    peer.connection.close()
    go_on()
    assert peer.take() == b""


def test_while_the_peer_is_full_nothing_is_read(connect: Callable[..., Peer]) -> None:
    peer = connect()
    peer.sock.room = 100
    assert len(peer.send(GET_SMALL)) == 100
    assert (peer.connection.state, peer.reactor.interest) == (State.WRITING, EPOLLOUT)
    peer.sock.room = 1_000_000
    peer.connection.ready(EPOLLOUT)
    assert SMALL.endswith(peer.take()[-100:])
    assert (peer.connection.state, peer.reactor.interest) == (State.IDLE, EPOLLIN)


@pytest.mark.parametrize(
    ("bytes_per_s", "ended_after_s"), [(1, 76), (512, 150), (1023, 75_000), (1024, None), (100_000, None)]
)
def test_the_minimum_transfer_rate(connect: Callable[..., Peer], bytes_per_s: int, ended_after_s: int | None) -> None:
    """However regularly a peer takes less, it is ended."""
    assert MIN_TRANSFER_BYTES_PER_S == 1024
    peer = connect(idle_timeout_s=75)
    peer.sock.room = 0
    peer.connection.transport.pending = bytes(100)
    peer.connection.write()
    begun_s = peer.turn.now_s
    for _ in range(100_000):
        peer.later(1)
        if peer.connection.state is State.ENDED:
            break
        peer.connection.extend_deadline(bytes_per_s)
    took_s = peer.turn.now_s - begun_s
    if ended_after_s is None:
        assert peer.connection.state is State.WRITING
    else:
        assert peer.connection.state is State.ENDED
        assert took_s == pytest.approx(ended_after_s, rel=0.05)


def test_a_bad_request_is_answered_and_the_close_lingers(
    connect: Callable[..., Peer], caplog: pytest.LogCaptureFixture
) -> None:
    peer = connect()
    answer = peer.send(b"nonsense\r\n\r\n")
    assert status(answer) == 400
    assert b"Connection: close\r\n" in answer
    assert peer.sock.ended
    assert not peer.is_closed()
    assert peer.send(b"more of it" * 1000) == b""
    assert caplog.messages == ["10.0.0.1: 400 request line: expected METHOD TARGET HTTP/1.1"]
    peer.later(LINGER_S + 0.1)
    assert peer.is_closed()
    assert peer.ends == [peer.connection]
    assert peer.reactor.interest is None


@pytest.mark.parametrize("lines", [1, 2, 9, 10_000])
def test_empty_lines_before_a_request_are_overlooked(connect: Callable[..., Peer], lines: int) -> None:
    assert status(connect().send(b"\r\n" * lines + GET_INFO)) == 200


def test_empty_lines_that_come_one_by_one_do_not_keep_a_connection(connect: Callable[..., Peer]) -> None:
    peer = connect(head_timeout_s=20)
    assert peer.send(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r") == b""
    assert status(peer.send(b"\n" + GET_INFO)) == 200
    peer = connect(head_timeout_s=20)
    for _ in range(3):
        assert peer.send(b"\r\n") == b""
        peer.later(8)
    assert peer.is_closed()


@pytest.mark.parametrize("spare_bytes", [0, -1])
def test_as_long_as_a_head_may_be(connect: Callable[..., Peer], spare_bytes: int) -> None:
    """Whether it comes at once or in pieces."""
    head = f"GET /download/{PACKAGE}/info HTTP/1.1\r\nHost: h\r\nRange: bytes=0-\r\n\r\n".encode()
    expected = 206 if spare_bytes == 0 else 431
    for pieces in ([head], [head[:20], head[20:]]):
        peer = connect(head_bytes=len(head) - 4 + spare_bytes)
        assert status(peer.send(*pieces)) == expected
    peer = connect(head_bytes=40)
    assert peer.send(head[:40]) == b""
    assert status(peer.send(head[40:41])) == 431


def test_after_a_last_answer_that_took_its_time_it_is_heard_again(connect: Callable[..., Peer]) -> None:
    peer = connect()
    peer.sock.room = 100
    peer.send(GET_SMALL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert (peer.connection.state, peer.reactor.interest) == (State.WRITING, EPOLLOUT)
    peer.sock.room = 1_000_000
    peer.connection.ready(EPOLLOUT)
    assert (peer.connection.state, peer.reactor.interest) == (State.LINGERING, EPOLLIN)


def test_a_lingering_connection_that_the_peer_closes_is_closed(connect: Callable[..., Peer]) -> None:
    peer = connect()
    peer.send(b"nonsense\r\n\r\n", b"")
    assert peer.is_closed()


@pytest.mark.parametrize(
    ("begun", "seconds", "expected"),
    [
        (b"", 21, None),
        (b"GET /x", 21, 408),
        (post(b"few", length=100), 21, 408),
        (GET_INFO, 60, 0),
        (GET_INFO, 76, None),
    ],
)
def test_time_limits(connect: Callable[..., Peer], begun: bytes, seconds: float, expected: int | None) -> None:
    """408: it is told; None: it just ends; 0: it may stay."""
    peer = connect(head_timeout_s=20, idle_timeout_s=75)
    if begun:
        peer.send(begun)
    peer.later(seconds)
    answer = peer.take()
    if expected:
        assert status(answer) == expected
    else:
        assert answer == b""
        assert peer.is_closed() == (expected is None)


def test_a_head_that_drips_has_its_time_from_the_first_byte(connect: Callable[..., Peer]) -> None:
    peer = connect(head_timeout_s=20)
    for _ in range(21):
        peer.send(b"G")
        peer.later(1)
    assert status(peer.take()) == 408


def test_a_body_must_keep_coming_and_come_to_an_end(connect: Callable[..., Peer]) -> None:
    peer = connect(head_timeout_s=20)
    peer.send(post(b"", length=100_000))
    for _ in range(29):
        peer.later(1)
        peer.send(b"x")
    assert peer.take() == b""
    peer.later(2)
    assert status(peer.take()) == 408
    assert peer.turn.buffered_bytes == 0


async def test_large_bodies_of_an_address_come_at_a_limited_rate(connect: Callable[..., Peer]) -> None:
    peer = connect(large_body_bytes_per_s_per_address=1000)
    peer.turn.refresh()  # as the reply does: to trio's clock
    assert status(peer.send(post(b"x" * 100_000))) == 200
    answer = peer.send(post(b"", length=100_000))
    assert status(answer) == 429
    assert b"limits.large_body_bytes_per_s_per_address" in answer
    assert peer.turn.buffered_bytes == 0


async def test_what_is_pipelined_behind_a_post_waits(connect: Callable[..., Peer]) -> None:
    peer = connect()
    peer.backend.echo = False
    assert peer.send(post(b"body") + GET_INFO) == b""
    assert peer.connection.state is State.WAITING
    assert peer.turn.buffered_bytes == 4
    assert peer.send(GET_INFO) == b""
    assert peer.reactor.interest == 0
    peer.backend.posts[0][1](200, b"reply")
    answer = peer.take()
    assert answer.index(b"reply") < answer.index(INFO)
    assert answer.count(INFO) == 2
    assert peer.reactor.interest == EPOLLIN
    assert peer.turn.buffered_bytes == 0


async def test_a_reply_after_the_end_is_dropped(connect: Callable[..., Peer]) -> None:
    peer = connect()
    peer.backend.echo = False
    peer.send(post(b"body"), ConnectionResetError())
    assert peer.is_closed()
    peer.backend.posts[0][1](200, b"reply")
    assert peer.take() == b""
    assert peer.turn.buffered_bytes == 0
    assert peer.ends == [peer.connection]


async def test_a_peer_that_has_sent_all_still_gets_its_answer(connect: Callable[..., Peer]) -> None:
    peer = connect()
    peer.backend.echo = False
    assert peer.send(post(b"body"), b"") == b""
    peer.backend.posts[0][1](200, b"reply")
    assert b"Connection: close\r\n" in peer.take()
    peer.send(b"")  # its end is told once more
    assert peer.is_closed()


async def test_bodies_have_a_limit_together(connect: Callable[..., Peer], caplog: pytest.LogCaptureFixture) -> None:
    peer = connect(buffered_bytes=10)
    assert status(peer.send(post(bytes(11)))) == 503
    assert caplog.messages == ["10.0.0.1: 503 too many requests are waiting"]


async def test_100_continue(connect: Callable[..., Peer]) -> None:
    peer = connect()
    assert peer.send(post(b"", "Expect: 100-continue\r\n", 4)) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert status(peer.send(b"body")) == 200


def test_while_the_server_stops_each_answer_is_the_last(connect: Callable[..., Peer]) -> None:
    peer = connect()
    peer.turn.stopping = True
    assert b"Connection: close\r\n" in peer.send(GET_INFO)
    assert peer.sock.ended
    peer.send(b"")
    assert peer.is_closed()


def test_what_comes_after_the_last_request_does_not_cut_its_answer_off(connect: Callable[..., Peer]) -> None:
    peer = connect()
    assert b"Connection: close\r\n" in peer.send(GET_INFO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert peer.send(GET_INFO * 1000) == b""  # read and thrown away: unread bytes would make the close a reset
    assert not peer.is_closed()
    peer.later(LINGER_S + 0.1)
    assert peer.is_closed()


@pytest.mark.parametrize(
    ("error", "logged"),
    [(ConnectionResetError(), []), (TimeoutError(), []), (OSError("no such thing"), ["10.0.0.1: no such thing"])],
)
def test_faults_of_the_connection(
    connect: Callable[..., Peer], error: OSError, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    peer = connect()
    peer.send(error)
    assert peer.is_closed()
    assert caplog.messages == logged


def test_an_address_that_sends_too_many_requests(
    connect: Callable[..., Peer], caplog: pytest.LogCaptureFixture
) -> None:
    peer = connect(heads_per_s_per_address=1)
    assert peer.turn.addresses is not None
    peer.turn.addresses.connect("10.0.0.1", 1000.0)
    answer = peer.send(GET_INFO * 3)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"HTTP/1.1 429 " in answer
    assert peer.turn.counts.refused == {"heads_per_s_per_address": 1}


def test_on_an_empty_bucket_it_waits_for_no_event(connect: Callable[..., Peer]) -> None:
    peer = connect(bandwidth=parse("8kB/s", "rules"))
    answer = peer.send(GET_SMALL)  # 2,000 bytes are there
    assert 0 < len(answer) <= 2000
    peer.connection.ready(EPOLLOUT)
    assert peer.take() == b""
    assert peer.connection.paused is not None
    assert peer.reactor.interest == 0
    assert peer.turn.counts.paused == 1
    assert len(peer.reactor.timers) == 1
    peer.later(1000)
    assert not peer.is_closed()  # this wait is none of the peer's
    peer.sock.coming.append(ConnectionResetError())
    peer.connection.ready(0)
    assert peer.is_closed()
    assert peer.turn.counts.paused == 0
