"""The event stream to mirrors, in virtual time: who may follow, what is sent and when, who is lost."""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from msgspec import to_builtins
from sqlalchemy import text

from distd.catalogue.event_log import Kind
from distd.catalogue.event_watch import POLL_S
from distd.domain.errors import Unavailable
from distd.lane.streams import PlainStream
from distd.origin.mirrors import mirrors, presence
from distd.origin.packages import packages
from distd.server import mirror_messages, mirror_streams
from distd.server.mirror_messages import Waves
from distd.server.mirror_streams import MirrorStreams
from distd.storage.pki import load_ca
from distd.storage.sealing import OriginKey, SealedRequest, read_announcement
from distd.wire import mirror_events
from distd.wire.mirror_events import PackageChange
from tests.fixtures.mirrors import join_mirror

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from trio.testing import MockClock

    from distd.catalogue.event_watch import EventWatch
    from tests.fixtures.origin import TestOrigin


log = logging.getLogger("distd")


class Peer:
    """A mirror's end of a connection that the lane has handed over."""

    def __init__(self, streams: MirrorStreams, request: bytes, address: str = "127.0.0.1") -> None:
        ours, self.socket = socket.socketpair()
        ours.setblocking(False)
        self.socket.setblocking(False)
        self._received = b""
        streams.serve(PlainStream(ours, request, 60.0, address))  # type: ignore[arg-type,unused-ignore]

    def read(self) -> bytes:
        """All that has come by now."""
        try:
            while data := self.socket.recv(1_000_000):
                self._received += data
        except (BlockingIOError, ConnectionResetError):
            pass
        return self._received

    def messages(self) -> list[dict[str, Any]]:
        """All messages that have come by now, but for the addresses in them."""
        head, _, rest = self.read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        frames = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            frames, rest = frames + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        found = [to_builtins(event) for event in mirror_events.Decoder().feed(frames)]
        assert all(message["kind"] == "beat" or message["http"] == "o:80" for message in found)
        return found

    def kinds(self) -> list[str]:
        return [message["kind"] for message in self.messages()]

    def is_closed(self) -> bool:
        self.read()
        try:
            return self.socket.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


class Changes:
    """Counts how often something has changed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
async def streams(data: Any, event_watch: EventWatch, writer: Any, changes: Changes) -> AsyncIterator[MirrorStreams]:
    addresses = {"http": "o:80", "https": "o:443"}
    streams = MirrorStreams(event_watch, writer, Waves(1, 30), addresses, changes, OriginKey(data), log)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(streams.run)
        await trio.testing.wait_all_tasks_blocked()
        yield streams
        nursery.cancel_scope.cancel()


@pytest.fixture
def connect(streams: MirrorStreams, origin: TestOrigin) -> Iterator[Any]:
    origin.now_s = time.time()  # what the streams write has the time of the clock on the wall
    peers: list[Peer] = []

    def connect(key: str, after: int = 0) -> Peer:
        request = f"GET /api/v1/mirror/events?after={after} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {key}\r\n\r\n"
        peers.append(Peer(streams, request.encode()))
        return peers[-1]

    yield connect
    for peer in peers:
        peer.socket.close()


async def follow(connect: Any, origin: TestOrigin, name: str = "a", after: int = 0) -> Peer:
    peer: Peer = connect(join_mirror(origin, name), after)
    await trio.sleep(0.01)
    return peer


def state_of(origin: TestOrigin, name: str = "a") -> bool:
    alive: bool = origin.read(mirrors.show, name, time.time()).alive
    return alive


async def test_a_mirror_that_follows_is_online_and_gets_the_state(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin
) -> None:
    origin.package("17")
    peer = await follow(connect, origin)
    (state,) = peer.messages()
    assert (state["kind"], state["packages"]) == ("state", [["17", 1, 10, True]])
    assert (state["http"], state["https"]) == ("o:80", "o:443")
    assert state["mirrors"] == ["a:8080"]
    assert state_of(origin)
    assert b"\r\nTransfer-Encoding: chunked\r\n" in peer.read()


@pytest.mark.parametrize(("asked", "may"), [(5, True), (6, False)])
async def test_a_mirror_that_shows_its_key_to_the_origin_alone_follows(
    autojump_clock: MockClock, data: Any, streams: MirrorStreams, origin: TestOrigin, asked: int, may: bool
) -> None:
    """What it was sealed for is what it asks for: who forwards it cannot ask for something else."""
    origin.now_s = time.time()
    known = read_announcement(OriginKey(data).announce(time.time()), load_ca(data.ca_certificate))
    request = SealedRequest("GET", "/api/v1/mirror/events?after=5")
    text = known.authorize(request, join_mirror(origin, "a"), time.time())
    head = f"GET /api/v1/mirror/events?after={asked} HTTP/1.1\r\nHost: o\r\nAuthorization: {text}\r\n\r\n"
    peer = Peer(streams, head.encode())
    await trio.sleep(0.01)
    assert peer.read().startswith(b"HTTP/1.1 200 " if may else b"HTTP/1.1 401 ")
    peer.socket.close()


@pytest.mark.parametrize("key", ["", "0" * 64])
async def test_without_a_valid_key_it_may_not_follow(
    autojump_clock: MockClock, connect: Any, streams: MirrorStreams, key: str
) -> None:
    peer = connect(key)
    await trio.sleep(0.01)
    assert peer.read().startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert peer.is_closed()
    assert len(streams) == 0


async def test_what_is_no_http_is_refused(autojump_clock: MockClock, streams: MirrorStreams) -> None:
    peer = Peer(streams, b"hello\r\n\r\n")
    await trio.sleep(0.01)
    assert peer.read().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert peer.is_closed()
    peer.socket.close()


async def test_a_request_that_does_not_come_is_given_up(autojump_clock: MockClock, streams: MirrorStreams) -> None:
    peer = Peer(streams, b"GET /api/v1/mirror/events HTT")
    await trio.sleep(mirror_streams.HANDSHAKE_TIMEOUT_S - 0.1)
    assert not peer.is_closed()
    await trio.sleep(0.2)
    assert peer.is_closed()
    peer.socket.close()


async def test_what_happens_to_packages_is_sent_in_waves(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin, changes: Changes
) -> None:
    origin.package("17")
    a, b = await follow(connect, origin, "a"), await follow(connect, origin, "b")
    await trio.sleep(1)
    before = changes.count
    origin.act(packages.deactivate, "17", origin.now_s)
    await trio.sleep(POLL_S + 0.01)
    assert changes.count == before + 1
    for peer, wait_s in ((a, 0), (b, 30)):
        message = peer.messages()[-1]
        assert (message["kind"], message["packages"], message["gone"]) == ("package", [["17", 1, 10, False]], [])
        assert (message["wait_s"], message["seq"]) == (wait_s, origin.events()[-1].seq)


async def test_what_happens_to_computers_is_not_sent(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin
) -> None:
    peer = await follow(connect, origin)
    await trio.sleep(1)
    origin.prolog()
    await trio.sleep(1)
    assert peer.kinds() == ["state"]


async def test_heartbeats_and_now_and_then_the_state(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_streams, "STATE_S", 70.0)
    peer = await follow(connect, origin)
    await trio.sleep(4 * presence.HEARTBEAT_S + 1)
    assert peer.kinds() == ["state", "beat", "beat", "beat", "beat"]
    assert peer.messages()[-1] == {"kind": "beat", "seq": origin.events()[-1].seq}
    await trio.sleep(2 * presence.HEARTBEAT_S)
    assert peer.kinds().count("state") == 2


async def test_a_heartbeat_keeps_mirrors_online(autojump_clock: MockClock, connect: Any, origin: TestOrigin) -> None:
    await follow(connect, origin)
    row = {"seen_at_us": 0}
    origin.write(lambda conn: conn.execute(text("UPDATE mirrors SET seen_at_us = :seen_at_us"), row))
    assert not state_of(origin)
    await trio.sleep(presence.HEARTBEAT_S + 1)
    assert state_of(origin)


async def test_a_mirror_that_disconnects_is_lost(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin, streams: MirrorStreams
) -> None:
    peer = await follow(connect, origin)
    peer.socket.close()
    await trio.sleep(0.01)
    assert len(streams) == 0
    assert not state_of(origin)
    assert [event.detail for event in origin.events(Kind.MIRROR_LOST)] == [{"mirror": "a"}]


async def test_a_mirror_that_has_come_back_meanwhile_is_not(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin
) -> None:
    key = join_mirror(origin, "a")
    old, new = connect(key), connect(key)
    await trio.sleep(0.01)
    old.socket.close()
    await trio.sleep(0.01)
    assert state_of(origin)
    assert new.kinds() == ["state"]


async def test_a_revoked_mirror_is_disconnected(autojump_clock: MockClock, connect: Any, origin: TestOrigin) -> None:
    a, b = await follow(connect, origin, "a"), await follow(connect, origin, "b")
    await trio.sleep(1)
    origin.act(mirrors.revoke, "a", origin.now_s)
    await trio.sleep(1)
    assert (a.is_closed(), b.is_closed()) == (True, False)


async def test_a_mirror_that_takes_nothing_is_disconnected(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_streams, "MAX_UNSENT_BYTES", 1000)
    peer = await follow(connect, origin)
    peer.messages()
    big = PackageChange(1, [], mirrors=["x" * 300] * 10_000)
    monkeypatch.setattr(mirror_messages, "package_message", lambda conn, changed, seq: big)
    for package_id in ("17", "18"):
        origin.package(package_id)
        await trio.sleep(0.5)
    assert not state_of(origin)
    assert origin.events(Kind.MIRROR_LOST)


async def test_a_slow_mirror_gets_the_rest_later(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await follow(connect, origin)
    big = PackageChange(1, [], mirrors=["x" * 300] * 10_000)
    monkeypatch.setattr(mirror_messages, "package_message", lambda conn, changed, seq: big)
    origin.package("17")
    await trio.sleep(0.5)
    for _ in range(100):
        peer.read()
        await trio.sleep(0.01)
    assert len(peer.messages()[1]["mirrors"]) == 10_000
    assert state_of(origin)


async def test_a_catalogue_that_is_away_costs_no_mirror(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin, reader: Any, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await follow(connect, origin)
    reader.error = Unavailable("catalogue", "database is locked")
    await trio.sleep(20)
    assert "events were not sent to the mirrors: catalogue: database is locked" in caplog.text
    reader.error = None
    origin.package("17")
    await trio.sleep(20)
    assert not peer.is_closed()
    assert "package" in peer.kinds()


async def test_beyond_the_limit_a_mirror_is_closed(
    autojump_clock: MockClock, connect: Any, origin: TestOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_streams, "MAX_MIRRORS", 1)
    a, b = await follow(connect, origin, "a"), await follow(connect, origin, "b")
    assert b"HTTP/1.1 503 " in b.read()
    assert (a.is_closed(), b.is_closed()) == (False, True)


async def test_by_plain_http_no_key_is_looked_at(autojump_clock: MockClock, streams: MirrorStreams) -> None:
    request = b"GET /api/v1/mirror/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n"
    peer = Peer(streams, request, "10.0.0.7")
    assert peer.read().startswith(b"HTTP/1.1 403 ")
    assert peer.is_closed()
    peer.socket.close()


async def test_at_the_end_all_are_lost(
    autojump_clock: MockClock, data: Any, event_watch: EventWatch, writer: Any, origin: TestOrigin
) -> None:
    addresses = {"http": "o:80", "https": "o:443"}
    streams = MirrorStreams(event_watch, writer, Waves(1, 1), addresses, lambda: None, OriginKey(data), log)
    key = join_mirror(origin, "a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(streams.run)
        await trio.testing.wait_all_tasks_blocked()
        request = f"GET /api/v1/mirror/events HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer {key}\r\n\r\n"
        peer = Peer(streams, request.encode())
        await trio.sleep(0.01)
        assert peer.kinds() == ["state"]
        nursery.cancel_scope.cancel()
    assert peer.is_closed()
    assert not state_of(origin)
    peer.socket.close()
