"""What a mirror tells its origin, and keeps until it can."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from distd.domain.errors import Unavailable
from distd.wire import packing
from redistrib import reporter as module
from redistrib.mirror_dir import Identity, create_mirror
from redistrib.reporter import Books

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = Identity("paris", "https://origin", "key")


class Origin:
    """Takes reports, unless it is away."""

    def __init__(self) -> None:
        self.away = False
        self.messages = []

    async def request(self, method: Any, url: Any, *, body: Any, headers: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise Unavailable(url, "away")
        self.messages.append(packing.unpack(body, dict[str, Any], "report"))
        return SimpleNamespace(status=200, body=b"")


@pytest.fixture
def mirror(tmp_path: Path) -> Any:
    return create_mirror(tmp_path / "mirror")


@pytest.fixture
def sync() -> Any:
    return SimpleNamespace(have={"17": 1}, wanted={"17": 1}, missing_bytes=0)


@pytest.fixture
def follower() -> Any:
    return SimpleNamespace(connected=True, refused=False, seq=5)


async def keep(books: Any, origin: Any, follower: Any, sync: Any, seconds: Any) -> None:
    with trio.move_on_after(seconds):
        await books.run(origin, IDENTITY, follower, sync)


async def test_nothing_is_lost_while_the_origin_is_away(
    mirror: Any, sync: Any, follower: Any, autojump_clock: trio.testing.MockClock
) -> None:
    origin, books = Origin(), Books(mirror, logging.getLogger("test"))
    origin.away = True
    books.fetched("1-aa", "10.0.0.1", "17", 1, 100)
    books.fetched("1-aa", "10.0.0.1", "17", 2, 50)
    await keep(books, origin, follower, sync, 12)
    books.fetched("", "10.0.0.2", "17", 3, 7)
    books.changed([("18", 1)], ["16"])
    await keep(books, origin, follower, sync, 12)
    assert len(list(mirror.spool.iterdir())) == 2
    # A new process finds what the one before could not tell.
    origin.away, books = False, Books(mirror, logging.getLogger("test"))
    await keep(books, origin, follower, sync, 12)
    assert list(mirror.spool.iterdir()) == []
    told = [row for message in origin.messages for row in message.get("access", [])]
    assert told == [["1-aa", "10.0.0.1", "17", "1-2", 150], ["", "10.0.0.2", "17", "3", 7]]
    assert origin.messages[0]["have"] == [["17", 1]]
    assert all(message["now_s"] >= message["at_s"] for message in origin.messages if "access" in message)


async def test_after_all_was_told_only_news_are(
    mirror: Any, sync: Any, follower: Any, autojump_clock: trio.testing.MockClock
) -> None:
    origin, books = Origin(), Books(mirror, logging.getLogger("test"))
    await keep(books, origin, follower, sync, 6)
    books.changed([("18", 2)], ["17"])
    await keep(books, origin, follower, sync, 6)
    books.fault("18", "18-1", healed=True)
    await keep(books, origin, follower, sync, 6)
    first, second, third = origin.messages
    assert "have" in first
    assert (second["ready"], second["gone"], second["faults"]) == ([["18", 2]], ["17"], [])
    assert third["faults"] == [["18", "18-1", True]]


async def test_the_spool_has_an_end(
    mirror: Any, sync: Any, follower: Any, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(module, "BATCHES", 3)
    monkeypatch.setattr(module, "ROWS", 1)
    books = Books(mirror, logging.getLogger("test"))
    for number in range(1, 6):
        books.fetched("", f"10.0.0.{number}", "17", number, 1)
    books.flush()
    kept = [
        packing.unpack(path.read_bytes(), dict[str, Any], "spool")["access"][0][1]
        for path in sorted(mirror.spool.iterdir())
    ]
    assert kept == ["10.0.0.3", "10.0.0.4", "10.0.0.5"]


async def test_how_it_fares_stands_on_the_disk(
    mirror: Any, sync: Any, follower: Any, autojump_clock: trio.testing.MockClock
) -> None:
    books = Books(mirror, logging.getLogger("test"))
    books.fetched("1-aa", "10.0.0.1", "17", 1, 1000)
    books.fetched("", "10.0.0.2", "17", 1, 1000)
    await keep(books, Origin(), follower, sync, 11)
    shown = json.loads(mirror.status_file.read_text())
    assert (shown["agents"], shown["fragments_sent"], shown["sent_bytes"], shown["seq"]) == (2, 2, 2000, 5)
    assert shown["connected"] is True
