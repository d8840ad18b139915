"""How a mirror is doing, as it says and as others read it."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from redistrib.status import (
    AGENT_S,
    FRESH_S,
    RATE_S,
    WRITE_S,
    MirrorState,
    Statistics,
    read_status,
    run_status_file,
)

if TYPE_CHECKING:
    from pathlib import Path


STATE = MirrorState(True, 3, 4, 500, seq=7)


async def write(path: Path, statistics: Statistics, seconds: float = 0.1) -> None:
    with trio.move_on_after(seconds):
        await run_status_file(path, statistics, lambda: STATE)


async def test_it_is_written_and_read(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    statistics = Statistics(tmp_path)
    statistics.sent("1-aa", 1000)
    statistics.sent("10.0.0.2", 500)
    statistics.sent("1-aa", 200)
    await write(tmp_path / "status.json", statistics)
    shown = read_status(tmp_path / "status.json")
    assert shown["serving"] is True
    assert {name: shown[name] for name in ("agents", "fragments_sent", "hits", "sent_bytes", "seq", "packages")} == {
        "agents": 2,
        "fragments_sent": 3,
        "hits": 3,
        "sent_bytes": 1700,
        "seq": 7,
        "packages": 3,
    }
    assert {"connected", "refused", "wanted", "missing_bytes", "misses", "healed", "bad", "version"} < shown.keys()
    assert not {"pid", "at_s"} & shown.keys()
    on_disk = json.loads((tmp_path / "status.json").read_text())
    assert on_disk["pid"] == os.getpid()


async def test_it_is_written_again_and_again(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    statistics, path = Statistics(tmp_path), tmp_path / "status.json"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_status_file, path, statistics, lambda: STATE)
        await trio.sleep(0.1)
        statistics.sent("a", 1)
        assert read_status(path)["fragments_sent"] == 0
        await trio.sleep(WRITE_S)
        assert read_status(path)["fragments_sent"] == 1
        nursery.cancel_scope.cancel()


async def test_a_disk_that_is_full_does_not_end_it(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    await write(tmp_path / "missing" / "status.json", Statistics(tmp_path), 10 * WRITE_S)
    assert list(tmp_path.iterdir()) == []


async def test_agents_that_have_gone_are_not_counted(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    statistics = Statistics(tmp_path)
    statistics.sent("a", 1)
    await trio.sleep(AGENT_S - 1)
    statistics.sent("b", 1)
    assert statistics.status(0).agents == 2
    await trio.sleep(2)
    assert statistics.status(0).agents == 1


async def test_the_rate(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    statistics = Statistics(tmp_path)
    statistics.sent("a", 10_000)
    assert statistics.status(0).bytes_per_s == 0  # not measured yet
    await trio.sleep(RATE_S)
    assert statistics.status(0).bytes_per_s == 2000
    await trio.sleep(RATE_S / 2)
    assert statistics.status(0).bytes_per_s == 2000
    await trio.sleep(RATE_S / 2)
    assert statistics.status(0).bytes_per_s == 0


@pytest.mark.parametrize(
    ("changes", "serving"),
    [
        ({}, True),
        ({"at_s": -FRESH_S - 5}, False),
        ({"pid": 2**22 + 1}, False),  # beyond all process ids
        ({"pid": 0}, False),
    ],
    ids=str,
)
async def test_whether_it_serves(
    tmp_path: Path, changes: dict[str, float], serving: bool, autojump_clock: trio.testing.MockClock
) -> None:
    path = tmp_path / "status.json"
    await write(path, Statistics(tmp_path))
    shown = json.loads(path.read_text())
    shown |= changes | ({"at_s": time.time() + changes["at_s"]} if "at_s" in changes else {})
    path.write_text(json.dumps(shown))
    assert read_status(path)["serving"] is serving


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b'{"at_s": "x", "pid": 1, "connected": true}'])
def test_what_is_no_status(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "status.json").write_bytes(content)
    assert read_status(tmp_path / "status.json") == {"serving": False, "connected": False}
