"""Fragments from sources that lie, stop, or know nothing: verified bytes come out, or an error does."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
from blake3 import blake3

from distd.domain.errors import Corrupt, DistdError, Unavailable
from distd.domain.records import Fragment
from distd.lane.client.http_client import open_client
from distd.storage.data_dir import DataDir
from distd.storage.incoming import IncomingFragments
from redistrib import fetcher as fetch
from redistrib.fetcher import Fetcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CONTENT = random.Random(2).randbytes(300_000)
GOOD = Fragment(1, len(CONTENT), blake3(CONTENT).digest())
OTHER = bytes(len(CONTENT))


def whole(body: Any) -> Any:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def rest(body: Any, start: Any) -> Any:
    fields = b"Content-Range: bytes %d-%d/%d\r\n" % (start, len(body) - 1, len(body))
    return b"HTTP/1.1 206 Partial Content\r\n%sContent-Length: %d\r\n\r\n" % (fields, len(body) - start) + body[start:]


# What a source answers, given where the request begins.
LIES = {
    "wrong bytes": lambda start: whole(OTHER),
    "one bit flipped": lambda start: whole(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])),
    "cut off midway": lambda start: whole(CONTENT)[:150_000],
    "a short body that says so": lambda start: whole(CONTENT[:-1]),
    "a long body that says so": lambda start: whole(CONTENT + b"x"),
    "chunks, too few": lambda start: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunks without end": lambda start: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + 400 * (b"400\r\n" + bytes(1024) + b"\r\n")
    ),
    "a page": lambda start: whole(b"<html>sign in</html>"),
    "a 404": lambda start: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "a 500": lambda start: b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "a range that was not asked for": lambda start: rest(CONTENT, 7),
    "no HTTP": lambda start: b"SSH-2.0-OpenSSH\r\n",
    "nothing": lambda start: b"",
}


@asynccontextmanager
async def source(answer: Any, seen: Any = None) -> AsyncIterator[Any]:
    """A server that answers each connection's one request; gives its URL."""

    async def serve(stream: Any) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                data = await stream.receive_some(65536)
                if not data:
                    return
                head += data
            start = 0
            for line in head.decode().splitlines():
                if line.lower().startswith("range: bytes="):
                    start = int(line.partition("=")[2].rstrip("-"))
            if seen is not None:
                seen.append(start)
            with suppress(trio.BrokenResourceError):
                await stream.send_all(answer(start))

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}/download"
        nursery.cancel_scope.cancel()


@pytest.fixture
def incoming(tmp_path: Path) -> Any:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return IncomingFragments(DataDir(tmp_path), folder)


@asynccontextmanager
async def fetching(incoming: Any, *sources: Any) -> AsyncIterator[Any]:
    async with open_client() as client, trio.open_nursery() as nursery:
        yield Fetcher(client, incoming, lambda: sources, 4, nursery)
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE_S", 0.001)


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_behind_one_that_lies_the_next_one_gives_it(incoming: Any, lie: Any) -> None:
    async with source(lie) as bad, source(partial(_honest)) as good, fetching(incoming, bad, good) as fetcher:
        await fetcher.fragment("17", GOOD)
    assert incoming.path(GOOD).read_bytes() == CONTENT


def _honest(start: Any) -> Any:
    return rest(CONTENT, start) if start else whole(CONTENT)


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_where_all_lie_nothing_is_taken(incoming: Any, lie: Any) -> None:
    async with source(lie) as bad, fetching(incoming, bad) as fetcher:
        with pytest.raises(DistdError):
            await fetcher.fragment("17", GOOD)
    assert not incoming.path(GOOD).exists()
    # Nor does what it left stand in the way of a good one.
    async with source(_honest) as good, fetching(incoming, good) as fetcher:
        await fetcher.fragment("17", GOOD)
    assert incoming.path(GOOD).read_bytes() == CONTENT


async def test_it_goes_on_at_the_next_one_where_the_first_stopped(incoming: Any) -> None:
    seen = []
    async with (
        source(LIES["cut off midway"]) as bad,
        source(_honest, seen) as good,
        fetching(incoming, bad, good) as fetcher,
    ):
        await fetcher.fragment("17", GOOD)
    assert 140_000 < seen[0] < 150_000
    assert fetcher.traffic.received_bytes == len(CONTENT)


async def test_a_process_that_ended_left_something_to_go_on_with(incoming: Any, tmp_path: Path) -> None:
    (tmp_path / "incoming" / f"{GOOD.blake3.hex()}.part").write_bytes(CONTENT[:100_000])
    seen = []
    async with source(_honest, seen) as good, fetching(incoming, good) as fetcher:
        await fetcher.fragment("17", GOOD)
    assert seen == [100_000]


async def test_whoever_asks_meanwhile_waits_for_the_same_fetch(incoming: Any) -> None:
    seen = []
    async with source(_honest, seen) as good, fetching(incoming, good) as fetcher, trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(fetcher.fragment, "17", GOOD)
    assert seen == [0]


async def test_what_is_here_is_not_fetched(incoming: Any) -> None:
    incoming.path(GOOD).write_bytes(CONTENT)
    async with fetching(incoming) as fetcher:
        await fetcher.fragment("17", GOOD)
    assert fetcher.traffic.requests == 0


async def test_what_is_here_and_bad_is_fetched(incoming: Any) -> None:
    incoming.path(GOOD).write_bytes(OTHER)
    async with source(_honest) as good, fetching(incoming, good) as fetcher:
        await fetcher.fragment("17", GOOD)
    assert incoming.path(GOOD).read_bytes() == CONTENT


async def test_without_a_source_it_is_unavailable(incoming: Any) -> None:
    async with fetching(incoming) as fetcher:
        with pytest.raises(Unavailable, match="nobody is known who has it"):
            await fetcher.fragment("17", GOOD)


async def test_an_empty_fragment(incoming: Any) -> None:
    """As a withdrawn package has them."""
    empty = Fragment(1, 0, blake3().digest())
    async with source(lambda start: whole(b"")) as good, fetching(incoming, good) as fetcher:
        await fetcher.fragment("17", empty)
    assert incoming.path(empty).read_bytes() == b""


async def test_a_part_that_grows_too_long_is_corrupt(incoming: Any) -> None:
    part = incoming.open(Fragment(1, 3, blake3(b"abc").digest()))
    with pytest.raises(Corrupt, match="expected 3 bytes, got more"):
        part.append([b"ab", b"cd"])
    assert part.size_bytes == 0
    part.close()
