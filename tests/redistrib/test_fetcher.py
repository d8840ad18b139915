"""Fragments from sources that answer wrongly, stop or stall: the result is verified bytes or an error."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from blake3 import blake3

from distd.domain.errors import Corrupt, DistdError, Unavailable
from distd.domain.records import Fragment
from distd.lane.client.http_client import open_client
from distd.storage.data_dir import DataDir
from distd.storage.incoming import IncomingFragments, PartialFragment
from redistrib import fetcher as module
from redistrib.download import STALL_LIMIT_S, Downloader, Traffic
from redistrib.fetcher import Fetcher
from tests.fixtures.client import FakeClient, Reply, file_handler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from distd.lane.client.http_client import Client
    from tests.fixtures.client import Request

Answer = Callable[[int], bytes]  # what a source answers, given where the request begins

CONTENT = random.Random(2).randbytes(300_000)
GOOD = Fragment(1, len(CONTENT), blake3(CONTENT).digest())
OTHER = bytes(len(CONTENT))


def whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def rest(body: bytes, start: int) -> bytes:
    fields = b"Content-Range: bytes %d-%d/%d\r\n" % (start, len(body) - 1, len(body))
    return b"HTTP/1.1 206 Partial Content\r\n%sContent-Length: %d\r\n\r\n" % (fields, len(body) - start) + body[start:]


WRONG_ANSWERS: dict[str, Answer] = {
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
async def source(answer: Answer, seen: list[int] | None = None) -> AsyncIterator[str]:
    """A server that answers the only request of each connection; gives its URL."""

    async def serve(stream: trio.SocketStream) -> None:
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
def incoming(tmp_path: Path) -> IncomingFragments:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return IncomingFragments(DataDir(tmp_path), folder)


@asynccontextmanager
async def fetching(
    incoming: IncomingFragments, *sources: str, client: Client | None = None, traffic: Traffic | None = None
) -> AsyncIterator[Fetcher]:
    async with open_client() as real_client, trio.open_nursery() as nursery:
        downloader = Downloader(client or real_client, traffic or Traffic())
        yield Fetcher(downloader, incoming, lambda: sources, 4, nursery)
        nursery.cancel_scope.cancel()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """With real sockets time is not virtual."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)


@pytest.mark.parametrize("answer", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
async def test_after_a_wrong_answer_the_next_source_is_asked(
    incoming: IncomingFragments, answer: Answer, quick: None
) -> None:
    async with source(answer) as bad, source(partial(_honest)) as good, fetching(incoming, bad, good) as fetcher:
        await fetcher.fetch("17", GOOD)
    assert incoming.path(GOOD).read_bytes() == CONTENT


def _honest(start: int) -> bytes:
    return rest(CONTENT, start) if start else whole(CONTENT)


@pytest.mark.parametrize("answer", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
async def test_wrong_answers_are_never_taken(incoming: IncomingFragments, answer: Answer, quick: None) -> None:
    async with source(answer) as bad, fetching(incoming, bad) as fetcher:
        with pytest.raises(DistdError):
            await fetcher.fetch("17", GOOD)
    assert not incoming.path(GOOD).exists()
    # Nor does what it left stand in the way of a good one.
    async with source(_honest) as good, fetching(incoming, good) as fetcher:
        await fetcher.fetch("17", GOOD)
    assert incoming.path(GOOD).read_bytes() == CONTENT


async def test_it_goes_on_at_the_next_one_where_the_first_stopped(incoming: IncomingFragments) -> None:
    seen: list[int] = []
    traffic = Traffic()
    async with (
        source(WRONG_ANSWERS["cut off midway"]) as bad,
        source(_honest, seen) as good,
        fetching(incoming, bad, good, traffic=traffic) as fetcher,
    ):
        await fetcher.fetch("17", GOOD)
    assert 0 < seen[0] < 150_000
    assert traffic.received_bytes == len(CONTENT)


async def test_a_process_that_ended_left_something_to_go_on_with(incoming: IncomingFragments, tmp_path: Path) -> None:
    (tmp_path / "incoming" / f"{GOOD.blake3.hex()}.part").write_bytes(CONTENT[:100_000])
    seen: list[int] = []
    async with source(_honest, seen) as good, fetching(incoming, good) as fetcher:
        await fetcher.fetch("17", GOOD)
    assert seen == [100_000]


async def test_all_that_ask_meanwhile_wait_for_the_same_download(incoming: IncomingFragments) -> None:
    seen: list[int] = []
    async with source(_honest, seen) as good, fetching(incoming, good) as fetcher, trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(fetcher.fetch, "17", GOOD)
    assert seen == [0]


async def test_what_is_here_is_not_fetched(incoming: IncomingFragments) -> None:
    incoming.path(GOOD).write_bytes(CONTENT)
    traffic = Traffic()
    async with fetching(incoming, "http://never-asked", traffic=traffic) as fetcher:
        await fetcher.fetch("17", GOOD)
    assert traffic == Traffic()


async def test_what_is_here_and_bad_is_fetched(incoming: IncomingFragments) -> None:
    incoming.path(GOOD).write_bytes(OTHER)
    async with source(_honest) as good, fetching(incoming, good) as fetcher:
        await fetcher.fetch("17", GOOD)
    assert incoming.path(GOOD).read_bytes() == CONTENT


async def test_without_a_source_it_is_unavailable(
    incoming: IncomingFragments, autojump_clock: trio.testing.MockClock
) -> None:
    async with fetching(incoming) as fetcher:
        with pytest.raises(Unavailable, match="no source is known"):
            await fetcher.fetch("17", GOOD)


async def test_an_empty_fragment(incoming: IncomingFragments) -> None:
    """As a withdrawn package has them."""
    empty = Fragment(1, 0, blake3().digest())
    async with source(lambda start: whole(b"")) as good, fetching(incoming, good) as fetcher:
        await fetcher.fetch("17", empty)
    assert incoming.path(empty).read_bytes() == b""


async def test_a_part_that_grows_too_long_is_corrupt(incoming: IncomingFragments) -> None:
    part = incoming.open(Fragment(1, 3, blake3(b"abc").digest()))
    with pytest.raises(Corrupt, match="expected 3 bytes, got more"):
        part.append([b"ab", b"cd"])
    assert part.size_bytes == 0
    part.close()


# --- in virtual time, with sources in memory -------------------------------------------------------------------------


async def test_a_stalled_source_is_given_up_for_the_next_one(
    incoming: IncomingFragments, autojump_clock: trio.testing.MockClock
) -> None:
    client = FakeClient()
    client.handlers["http://a"] = lambda request: Reply(200, [CONTENT[:1000], 1e6], length=len(CONTENT))
    client.handlers["http://b"] = file_handler(CONTENT, f'"{GOOD.blake3.hex()}"')
    started_s = trio.current_time()
    async with fetching(incoming, "http://a", "http://b", client=client) as fetcher:
        await fetcher.fetch("17", GOOD)
    assert trio.current_time() - started_s == pytest.approx(STALL_LIMIT_S)
    assert client.requests[-1].headers["Range"] == "bytes=1000-"
    assert incoming.path(GOOD).read_bytes() == CONTENT


async def test_each_source_is_tried_three_times_with_longer_pauses(
    incoming: IncomingFragments, autojump_clock: trio.testing.MockClock
) -> None:
    client, asked_s = FakeClient(), []

    def away(request: object) -> Reply:
        asked_s.append(trio.current_time())
        return Reply(503)

    client.handlers["http://a"] = client.handlers["http://b"] = away
    async with fetching(incoming, "http://a", "http://b", client=client) as fetcher:
        for _ in range(2):  # the pauses of the second fetch begin anew
            asked_s.clear()
            started_s = trio.current_time()
            with pytest.raises(Unavailable, match="HTTP 503"):
                await fetcher.fetch("17", GOOD)
            assert [round(at_s - started_s, 2) for at_s in asked_s] == [0, 0, 0.2, 0.2, 1, 1]


async def test_only_so_many_downloads_run_in_parallel(
    incoming: IncomingFragments, autojump_clock: trio.testing.MockClock
) -> None:
    client, fragments, running = FakeClient(), [], set()

    def slow(content: bytes, request: Request) -> Reply:
        return Reply(200, [1.0, content])

    for number in range(10):
        content = bytes([number])
        fragments.append(Fragment(number, 1, blake3(content).digest()))
        client.handlers[f"http://a/17/17-{number}"] = partial(slow, content)

    async def fetch(fetcher: Fetcher, fragment: Fragment) -> None:
        await fetcher.fetch("17", fragment)
        running.add(round(trio.current_time() - started_s))

    started_s = trio.current_time()
    async with fetching(incoming, "http://a", client=client) as fetcher, trio.open_nursery() as nursery:
        for fragment in fragments:
            nursery.start_soon(fetch, fetcher, fragment)
    assert running == {1, 2, 3}  # four, four, two


async def test_after_a_failure_it_can_be_fetched(
    incoming: IncomingFragments, autojump_clock: trio.testing.MockClock
) -> None:
    client = FakeClient()
    async with fetching(incoming, "http://a", client=client) as fetcher:
        with pytest.raises(Unavailable):
            await fetcher.fetch("17", GOOD)
        client.handlers["http://a"] = file_handler(CONTENT)
        await fetcher.fetch("17", GOOD)
    assert incoming.path(GOOD).read_bytes() == CONTENT


async def test_whoever_waits_learns_that_the_mirror_stops(
    incoming: IncomingFragments, autojump_clock: trio.testing.MockClock
) -> None:
    client = FakeClient()
    client.handlers["http://a"] = lambda request: Reply(200, [1e6])
    learnt: list[str] = []

    async def wait(fetcher: Fetcher) -> None:
        with pytest.raises(Unavailable, match="the mirror is stopping") as caught:
            await fetcher.fetch("17", GOOD)
        learnt.append(str(caught.value))

    # What waits is not of the nursery that ends.
    async with trio.open_nursery() as outside, fetching(incoming, "http://a", client=client) as fetcher:
        outside.start_soon(wait, fetcher)
        await trio.testing.wait_all_tasks_blocked()
    assert len(learnt) == 1


async def test_what_has_come_whole_is_not_asked_for_again(
    incoming: IncomingFragments, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """A process that ended had all of it, but had not said so."""
    (tmp_path / "incoming" / f"{GOOD.blake3.hex()}.part").write_bytes(CONTENT)
    client = FakeClient()
    async with fetching(incoming, "http://a", client=client) as fetcher:
        await fetcher.fetch("17", GOOD)
    assert client.requests == []
    assert incoming.path(GOOD).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [200, 404])
async def test_no_file_stays_open(
    incoming: IncomingFragments, status: int, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    opened = []
    open_part = incoming.open

    def remember(fragment: Fragment) -> PartialFragment:
        opened.append(open_part(fragment))
        monkeypatch.setattr(opened[-1], "close", lambda: closed.append(fragment))
        return opened[-1]

    closed: list[Fragment] = []
    monkeypatch.setattr(incoming, "open", remember)
    client = FakeClient()
    client.handlers["http://a"] = lambda request: Reply(status, [CONTENT])
    async with fetching(incoming, "http://a", client=client) as fetcher:
        with suppress(Unavailable):
            await fetcher.fetch("17", GOOD)
    assert closed == [GOOD]
    for part in opened:
        PartialFragment.close(part)
