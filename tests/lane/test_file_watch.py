"""Files that are watched: a change is noticed once it has come to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from distd.lane.file_watch import LOOK_S, identity_of, watch

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock


async def test_a_change_is_told_once_when_it_has_come_to_rest(tmp_path: Path, autojump_clock: MockClock) -> None:
    paths, told = [tmp_path / "a", tmp_path / "b"], []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            watch, lambda: [identity_of(path) for path in paths], lambda: told.append(trio.current_time())
        )
        await trio.sleep(LOOK_S * 3.5)
        assert told == []
        paths[0].write_text("1")
        await trio.sleep(LOOK_S)
        paths[1].write_text("2")
        await trio.sleep(LOOK_S)
        assert told == []
        await trio.sleep(LOOK_S * 5)
        assert len(told) == 1
        paths[0].unlink()
        await trio.sleep(LOOK_S * 5)
        assert len(told) == 2
        nursery.cancel_scope.cancel()
