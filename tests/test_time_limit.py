from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.time_limit import limit


async def test_a_test_that_hangs_fails_with_its_stacks_and_cleans_up() -> None:
    cleaned_up = []

    async def waits() -> None:
        try:
            await trio.sleep_forever()
        finally:
            cleaned_up.append(True)

    async def hangs() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits)

    with pytest.raises(pytest.fail.Exception, match=r"not finished after 0 s:(.|\n)*test_time_limit.py:\d+ in waits"):
        await limit(hangs, 0)()
    assert cleaned_up == [True]


async def test_virtual_time_does_not_count(autojump_clock: trio.testing.MockClock) -> None:
    async def takes_an_hour() -> None:
        await trio.sleep(3600)

    await limit(takes_an_hour, 60)()


async def test_a_test_gets_its_fixtures_and_may_fail() -> None:
    async def fails(tmp_path: str) -> None:
        raise ValueError(tmp_path)

    with pytest.raises(ValueError, match="folder"):
        await limit(fails, 60)(tmp_path="folder")
