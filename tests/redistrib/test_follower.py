"""When a mirror asks again for the event stream of an origin that was away."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.wire import mirror_events
from redistrib.follower import Follower
from redistrib.mirror_dir import Identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BEAT_S = 15
IDENTITY = Identity("paris", "https://origin", "key")


class Origin:
    """Notes when it is asked; there from `back_s` on, and its streams last `stream_s`."""

    def __init__(self, back_s: Any, stream_s: Any = 1e9) -> None:
        self.asked_s = []
        self._back_s = back_s
        self._stream_s = stream_s

    @contextlib.asynccontextmanager
    async def stream(self, method: Any, url: Any, headers: Any) -> AsyncIterator[Any]:
        await trio.lowlevel.checkpoint()
        self.asked_s.append(trio.current_time())
        if trio.current_time() < self._back_s:
            raise Unavailable(url, "away")
        yield Answer(self._stream_s)


class Answer:
    """A stream of beats."""

    status = 200

    def __init__(self, lasts_s: Any) -> None:
        self._lasts_s = lasts_s

    async def __aiter__(self) -> AsyncIterator[Any]:
        for seq in range(int(self._lasts_s // BEAT_S) + 1):
            yield mirror_events.encode(mirror_events.Heartbeat(seq))
            await trio.sleep(BEAT_S)


async def follow(origin: Any, seconds: Any, jitter: Any) -> Any:
    follower = Follower(origin, IDENTITY, SimpleNamespace, 0, jitter, logging.getLogger("test"))
    with trio.move_on_after(seconds):
        await follower.run()
    return follower


@pytest.mark.parametrize("jitter", [lambda: 0.0, lambda: 1.0, random.Random(1).random])
@pytest.mark.parametrize("away_s", [0.2, 3, 60, 3600])
async def test_an_origin_that_is_back_is_asked_within_half_a_minute(
    away_s: Any, jitter: Any, autojump_clock: trio.testing.MockClock
) -> None:
    origin = Origin(trio.current_time() + away_s)
    follower = await follow(origin, away_s + 30, jitter)
    assert follower.connected
    assert len(origin.asked_s) <= 6 + away_s / 7.5


async def test_pauses_double_and_start_anew_after_a_long_stream(autojump_clock: trio.testing.MockClock) -> None:
    short, long = Origin(trio.current_time(), stream_s=0), Origin(trio.current_time(), stream_s=30)
    await follow(short, 200, lambda: 0.5)
    assert pauses_s(short, BEAT_S)[:7] == [0.5, 1, 2, 4, 8, 15, 15]
    await follow(long, 200, lambda: 0.5)
    assert set(pauses_s(long, 3 * BEAT_S)) == {0.5}


def pauses_s(origin: Any, stream_s: Any) -> Any:
    return [round(after - before - stream_s, 1) for before, after in itertools.pairwise(origin.asked_s)]
