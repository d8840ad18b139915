"""When a mirror asks again for the event stream of an origin that was away."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.wire import mirror_events, packing
from distd.wire.mirror_events import Heartbeat, PackageChange, State, WantedPackage
from redistrib.follower import SILENCE_S, Follower
from redistrib.mirror_dir import Identity
from redistrib.origin_client import OriginClient
from tests.fixtures.client import FakeClient, Reply
from tests.redistrib.fakes import NO_CA, log

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.client import Request

HEARTBEAT_S = 15
IDENTITY = Identity("paris", "https://origin", "key")
CHANGE = PackageChange(7, [WantedPackage("17", 1, 100, True)], ["16"], wait_s=2)


class Origin:
    """Notes when it is asked; there from `back_s` on, and its streams last `stream_s`."""

    def __init__(self, back_s: float, stream_s: float = 1e5) -> None:
        self.asked_s: list[float] = []
        self.client = FakeClient()
        self.client.handlers[IDENTITY.origin] = self._answer
        self._back_s = back_s
        self._stream_s = stream_s

    def _answer(self, request: Request) -> Reply:
        self.asked_s.append(trio.current_time())
        if trio.current_time() < self._back_s:
            raise Unavailable(request.url, "away")
        pieces: list[bytes | float | Exception] = []
        for seq in range(int(self._stream_s // HEARTBEAT_S) + 1):
            pieces += [mirror_events.encode(Heartbeat(seq)), HEARTBEAT_S]
        return Reply(200, pieces)


def make_follower(
    client: FakeClient, jitter: Callable[[], float] = lambda: 0.5
) -> tuple[Follower, list[State | PackageChange]]:
    applied: list[State | PackageChange] = []
    return Follower(OriginClient(client, IDENTITY, NO_CA), applied.append, jitter, log), applied


async def follow(follower: Follower, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await follower.run()


def answer(client: FakeClient, *frames: mirror_events.Event | bytes) -> None:
    pieces = [frame if isinstance(frame, bytes) else mirror_events.encode(frame) for frame in frames]
    client.handlers[IDENTITY.origin] = lambda request: Reply(200, [*pieces, 1e6])


@pytest.mark.parametrize("jitter", [lambda: 0.0, lambda: 1.0, random.Random(1).random])
@pytest.mark.parametrize("away_s", [0.2, 3, 60, 3600])
async def test_an_origin_that_is_back_is_asked_within_half_a_minute(
    away_s: float, jitter: Callable[[], float], autojump_clock: trio.testing.MockClock
) -> None:
    origin = Origin(trio.current_time() + away_s)
    follower, _ = make_follower(origin.client, jitter)
    await follow(follower, away_s + 30)
    assert follower.connected
    assert len(origin.asked_s) <= 6 + away_s / 7.5


async def test_pauses_double_and_start_anew_after_a_long_stream(autojump_clock: trio.testing.MockClock) -> None:
    short, long = Origin(trio.current_time(), stream_s=0), Origin(trio.current_time(), stream_s=30)
    await follow(make_follower(short.client)[0], 200)
    assert pauses_s(short, HEARTBEAT_S)[:7] == [0.5, 1, 2, 4, 8, 15, 15]
    await follow(make_follower(long.client)[0], 200)
    assert set(pauses_s(long, 3 * HEARTBEAT_S)) == {0.5}


def pauses_s(origin: Origin, stream_s: float) -> list[float]:
    return [round(after - before - stream_s, 1) for before, after in itertools.pairwise(origin.asked_s)]


async def test_events_are_applied_in_order_and_followed_from_the_last_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client = FakeClient()
    follower, applied = make_follower(client)
    answer(client, State(5, []), CHANGE, Heartbeat(8))
    await follow(follower, 10)
    assert applied == [State(5, []), CHANGE]
    assert follower.seq == 8
    await follow(follower, 10)
    assert [request.url[-8:] for request in client.requests] == ["?after=0", "?after=8"]
    assert client.requests[0].headers == {"Authorization": "Bearer key"}


async def test_an_event_that_cannot_be_read_ends_the_stream(autojump_clock: trio.testing.MockClock) -> None:
    client = FakeClient()
    follower, applied = make_follower(client)
    bad = packing.pack({"kind": "state", "seq": 4, "packages": [["../x", 1, 1, True]]})
    answer(client, Heartbeat(3), len(bad).to_bytes(4, "big") + bad, CHANGE)
    await follow(follower, 0.1)
    assert (follower.seq, follower.connected, applied) == (3, False, [])


async def test_a_silent_origin_is_asked_again(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    client = FakeClient()
    follower, _ = make_follower(client)
    assert (follower.connected, follower.refused, follower.seq) == (False, False, 0)
    answer(client, Heartbeat(3))
    await follow(follower, SILENCE_S - 1)
    assert follower.connected
    await follow(follower, SILENCE_S + 0.1)
    assert f"nothing has come for {SILENCE_S:g} s" in caplog.text
    assert not follower.connected


async def test_an_origin_that_is_heard_of_is_not_asked_again(autojump_clock: trio.testing.MockClock) -> None:
    origin = Origin(trio.current_time())
    await follow(make_follower(origin.client)[0], 5 * SILENCE_S)
    assert len(origin.asked_s) == 1


@pytest.mark.parametrize(("status", "refused"), [(401, True), (500, False)])
async def test_it_is_known_whether_the_origin_refuses_this_mirror(
    status: int, refused: bool, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    client = FakeClient()
    follower, _ = make_follower(client)
    client.handlers[IDENTITY.origin] = lambda request: Reply(status)
    await follow(follower, 0.1)
    assert (follower.connected, follower.refused) == (False, refused)
    assert ("was it revoked?" in caplog.text) is refused
    assert (f"HTTP {status}" in caplog.text) is not refused
    answer(client, Heartbeat(1))
    await follow(follower, 10)
    assert (follower.connected, follower.refused) == (True, False)
