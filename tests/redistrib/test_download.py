"""Downloads from servers that stall, stop, or send something else than was asked for."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.domain.errors import Corrupt, TooLarge, Unavailable
from distd.storage.partial_file import PartialFile
from redistrib.download import GATHER_BYTES, STALL_LIMIT_S, Download, Downloader, Traffic
from tests.fixtures.client import FakeClient, Reply, file_handler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


URL = "http://source/file"
CONTENT = bytes(range(250)) * 40
SIZE = len(CONTENT)
ETAG = '"tag"'


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[PartialFile]:
    with PartialFile(tmp_path / "file") as file:
        yield file


async def download(client: FakeClient, file: PartialFile, length: int | None = SIZE, etag: str = ETAG) -> Download:
    wanted = Download(file, length, etag)
    await Downloader(client, Traffic()).append_rest(URL, wanted)
    return wanted


async def test_a_file_comes_whole_and_is_counted(client: FakeClient, file: PartialFile) -> None:
    client.handlers[URL] = lambda request: Reply(200, [CONTENT[:4000], CONTENT[4000:]], length=SIZE)
    downloader = Downloader(client, Traffic())
    await downloader.append_rest(URL, Download(file, SIZE, ETAG))
    assert file.part.read_bytes() == CONTENT
    assert downloader.traffic == Traffic(fragments=0, received_bytes=SIZE, requests=1)
    assert client.requests[0].headers == {}


async def test_only_the_rest_is_asked_for(client: FakeClient, file: PartialFile) -> None:
    file.append([CONTENT[:3000]])
    client.handlers[URL] = file_handler(CONTENT, ETAG)
    await download(client, file)
    assert client.requests[0].headers == {"Range": "bytes=3000-", "If-Range": ETAG}
    assert file.part.read_bytes() == CONTENT


async def test_another_file_comes_from_its_beginning(client: FakeClient, file: PartialFile) -> None:
    file.append([b"x" * 3000])
    client.handlers[URL] = file_handler(CONTENT, '"another"')
    await download(client, file)
    assert file.part.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "content_range",
    [
        "",
        "bytes 0-9999/10000",  # from another place
        "bytes 3001-9999/10000",
        "bytes 2999-9999/10000",
        "bytes 3000-9999/9999",  # no range at all
        "bytes 3000-9999/20000",  # of another file
        "bytes 3000-9998/9999",
        "bytes 3000-4000/10000",  # not to the end
        "bytes 3000-9999/*",  # the manifest says how long it is: so must the source
        "items 3000-9999/10000",
        "bytes */10000",
    ],
)
async def test_a_wrong_content_range_is_not_taken(client: FakeClient, file: PartialFile, content_range: str) -> None:
    file.append([CONTENT[:3000]])
    headers = {"content-range": content_range} if content_range else {}
    client.handlers[URL] = lambda request: Reply(206, [CONTENT[3000:]], headers)
    with pytest.raises(Corrupt, match="expected the rest of the file"):
        await download(client, file)
    assert file.size_bytes == 0


async def test_a_range_that_was_not_asked_for_is_not_taken(client: FakeClient, file: PartialFile) -> None:
    headers = {"content-range": f"bytes 0-{SIZE - 1}/{SIZE}"}
    client.handlers[URL] = lambda request: Reply(206, [CONTENT], headers)
    with pytest.raises(Corrupt):
        await download(client, file)


async def test_without_a_known_length_the_source_may_leave_it_out(client: FakeClient, file: PartialFile) -> None:
    file.append([CONTENT[:3000]])
    headers = {"content-range": f"bytes 3000-{SIZE - 1}/*", "etag": ETAG}
    client.handlers[URL] = lambda request: Reply(206, [CONTENT[3000:]], headers)
    await download(client, file, length=None)
    assert file.part.read_bytes() == CONTENT


@pytest.mark.parametrize("length", [SIZE - 1, SIZE + 1])
async def test_another_length_is_refused_before_the_body(client: FakeClient, file: PartialFile, length: int) -> None:
    client.handlers[URL] = lambda request: Reply(200, [AssertionError("the body is read")], length=length)
    with pytest.raises(Corrupt, match=f"expected {SIZE} bytes, got {length} bytes"):
        await download(client, file)


async def test_a_body_that_ends_too_early_is_thrown_away(client: FakeClient, file: PartialFile) -> None:
    client.handlers[URL] = lambda request: Reply(200, [CONTENT[:-1]])
    with pytest.raises(Corrupt, match=f"got {SIZE - 1} bytes"):
        await download(client, file)
    assert file.size_bytes == 0


@pytest.mark.parametrize(("status", "left_bytes"), [(404, 3000), (500, 3000), (304, 3000), (416, 0)])
async def test_other_answers_are_no_file(client: FakeClient, file: PartialFile, status: int, left_bytes: int) -> None:
    file.append([CONTENT[:3000]])
    client.handlers[URL] = lambda request: Reply(status, [b"an error page"])
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        await download(client, file)
    assert file.size_bytes == left_bytes


async def test_what_came_before_a_cut_is_kept(client: FakeClient, file: PartialFile) -> None:
    client.handlers[URL] = lambda request: Reply(200, [CONTENT[:7000], Unavailable(URL, "cut")], length=SIZE)
    with pytest.raises(Unavailable, match="cut"):
        await download(client, file)
    assert file.part.read_bytes() == CONTENT[:7000]


async def test_a_source_that_stalls_is_given_up(
    client: FakeClient, file: PartialFile, autojump_clock: trio.testing.MockClock
) -> None:
    client.handlers[URL] = lambda request: Reply(200, [CONTENT[:100], 1e6, CONTENT[100:]], length=SIZE)
    started_s = trio.current_time()
    with pytest.raises(Unavailable, match="nothing has come for 30 s"):
        await download(client, file)
    assert trio.current_time() - started_s == pytest.approx(STALL_LIMIT_S)
    assert file.part.read_bytes() == CONTENT[:100]


async def test_a_source_that_does_not_even_answer_is_given_up(
    client: FakeClient, file: PartialFile, autojump_clock: trio.testing.MockClock
) -> None:
    client.handlers[URL] = lambda request: Reply(200, [CONTENT], length=SIZE, head_s=1e6)
    started_s = trio.current_time()
    with pytest.raises(Unavailable, match="nothing has come for 30 s"):
        await download(client, file)
    assert trio.current_time() - started_s == pytest.approx(STALL_LIMIT_S)


async def test_a_slow_source_is_not_given_up(
    client: FakeClient, file: PartialFile, autojump_clock: trio.testing.MockClock
) -> None:
    pieces: list[bytes | float | Exception] = []
    for start in range(0, SIZE, 1000):
        pieces += [STALL_LIMIT_S - 1, CONTENT[start : start + 1000]]
    client.handlers[URL] = lambda request: Reply(200, pieces, length=SIZE)
    await download(client, file)
    assert file.part.read_bytes() == CONTENT


async def test_a_large_file_is_not_gathered_in_memory(client: FakeClient, file: PartialFile) -> None:
    piece = bytes(65_536)

    class Pieces(list[bytes]):
        """Made one after the other."""

        def __iter__(self) -> Iterator[bytes]:
            return (bytes(bytearray(piece)) for _ in range(32 * GATHER_BYTES // len(piece)))

    client.handlers[URL] = lambda request: Reply(200, Pieces(), length=32 * GATHER_BYTES)
    tracemalloc.start()
    try:
        await download(client, file, 32 * GATHER_BYTES)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.size_bytes == 32 * GATHER_BYTES
    assert peak_bytes < 8 * GATHER_BYTES


async def test_it_is_written_in_large_pieces(
    client: FakeClient, file: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as there is enough, and what is left at the end."""
    written: list[int] = []
    append = file.append

    def count(pieces: Sequence[bytes]) -> None:
        written.append(sum(map(len, pieces)))
        append(pieces)

    monkeypatch.setattr(file, "append", count)
    pieces = [bytes(GATHER_BYTES), bytes(GATHER_BYTES - 1), b"x", b"y"]
    client.handlers[URL] = lambda request: Reply(200, pieces)
    await download(client, file, 2 * GATHER_BYTES + 1)
    assert written == [GATHER_BYTES, GATHER_BYTES, 1]


@pytest.mark.parametrize(("etag", "kept"), [(ETAG, ETAG), ('W/"weak"', ""), ('"\xe9"', ""), ("", "")])
async def test_a_strong_etag_is_remembered_to_go_on_with(
    client: FakeClient, file: PartialFile, etag: str, kept: str
) -> None:
    headers = {"etag": etag} if etag else {}
    client.handlers[URL] = lambda request: Reply(200, [CONTENT[:10], Unavailable(URL, "cut")], headers)
    wanted = Download(file)
    with pytest.raises(Unavailable):
        await Downloader(client, Traffic()).append_rest(URL, wanted)
    assert wanted.etag == kept


async def test_small_files(client: FakeClient, autojump_clock: trio.testing.MockClock) -> None:
    downloader = Downloader(client, Traffic())
    client.handlers[URL] = lambda request: Reply(200, [b"info"])
    assert await downloader.get_small(URL, 100) == b"info"
    client.handlers[URL] = lambda request: Reply(503, [b"later"])
    with pytest.raises(Unavailable, match="HTTP 503"):
        await downloader.get_small(URL, 100)
    client.handlers[URL] = lambda request: Reply(200, [b"in", 1e6, b"fo"])
    with pytest.raises(Unavailable, match="nothing has come for 30 s"):
        await downloader.get_small(URL, 100)
    client.handlers[URL] = lambda request: Reply(200, [TooLarge(URL, "at most 100 bytes", "more")])
    with pytest.raises(TooLarge):
        await downloader.get_small(URL, 100)
