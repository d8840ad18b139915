"""How many may wait for a forecast."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.web.forecast_turns import MAX_WAITING, ForecastTurns


async def test_only_few_wait_and_the_next_comes_when_one_is_done(autojump_clock: trio.testing.MockClock) -> None:
    del autojump_clock
    turns, done = ForecastTurns(), list[int]()

    async def make(number: int) -> None:
        await trio.sleep(number)
        done.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(1, MAX_WAITING + 1):
            nursery.start_soon(turns.run, partial(make, number))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Unavailable, match="others are being made"):
            await turns.run(partial(make, 0))
        await trio.sleep(1.5)
        await turns.run(partial(make, 0))
    assert done == [1, 0, *range(2, MAX_WAITING + 1)]


async def test_who_fails_waits_no_more() -> None:
    turns = ForecastTurns()

    async def fail() -> None:
        raise ValueError("bad world")

    for _ in range(MAX_WAITING + 1):
        with pytest.raises(ValueError, match="bad world"):
            await turns.run(fail)
