"""Servers and folders that know nothing of mirrors."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from distd.domain.errors import BadInput, Corrupt, TooLarge, Unavailable
from redistrib.download import STALL_LIMIT_S, Traffic
from redistrib.package_sources import FolderSource, WebSource, check_ids
from tests.fixtures.client import FakeClient, Reply, file_handler

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.client import Request

BASE = "http://ocs/download"
URL = f"{BASE}/17/17-2"
CONTENT = bytes(range(256)) * 50
LIMIT = len(CONTENT)
LISTING = b"""<html><a href="../">..</a><a href="17/">17</a><A HREF='x'>x</A><a HREF="/download/9/">9</a>
<a href="017/">no</a><a href="123456789012345678/">18 digits</a><a href="1234567890123456789">19</a>
<a href="http://ocs/download/20">20</a><a href="17/">twice</a><a href="17.zip">zip</a></html>"""


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


@pytest.fixture
def web(client: FakeClient, traffic: Traffic) -> WebSource:
    return WebSource(client, f"{BASE}/", traffic)


@pytest.fixture
def folder(tmp_path: Path, traffic: Traffic) -> FolderSource:
    package = tmp_path / "share" / "17"
    package.mkdir(parents=True)
    (package / "info").write_bytes(b"<DOWNLOAD/>")
    (package / "17-2").write_bytes(CONTENT)
    return FolderSource(tmp_path / "share", traffic)


async def test_ids_of_a_listing(client: FakeClient, web: WebSource) -> None:
    client.handlers[BASE] = lambda request: Reply(200, [LISTING])
    assert await web.list_ids() == ["9", "17", "20", "123456789012345678"]
    assert client.urls() == [f"{BASE}/"]


async def test_a_server_without_a_listing(client: FakeClient, web: WebSource) -> None:
    client.handlers[BASE] = lambda request: Reply(403)
    with pytest.raises(Unavailable, match="HTTP 403: it does not list its packages; name them by --package"):
        await web.list_ids()


@pytest.mark.parametrize(("status", "info"), [(200, b"text"), (404, None), (410, None)])
async def test_infos(client: FakeClient, web: WebSource, status: int, info: bytes | None) -> None:
    client.handlers[f"{BASE}/17/info"] = lambda request: Reply(status, [b"text"])
    assert await web.read_info("17") == info


async def test_a_server_with_an_error_says_nothing_of_its_packages(client: FakeClient, web: WebSource) -> None:
    client.handlers[BASE] = lambda request: Reply(500)
    with pytest.raises(Unavailable, match="HTTP 500"):
        await web.read_info("17")


async def test_a_fragment(client: FakeClient, web: WebSource, traffic: Traffic, tmp_path: Path) -> None:
    client.handlers[URL] = file_handler(CONTENT)
    await web.fetch_fragment("17", 2, tmp_path / "there", LIMIT)
    assert (tmp_path / "there").read_bytes() == CONTENT
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o644
    assert traffic == Traffic(fragments=1, received_bytes=len(CONTENT), requests=1)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


class Interrupted:
    """A file whose transfer breaks after every 5,000 bytes; by its ETag it can go on."""

    def __init__(self, *etags: str) -> None:
        self.starts: list[str] = []
        self._etags = list(etags)

    def __call__(self, request: Request) -> Reply:
        self.starts.append(request.headers.get("Range", "bytes=0-"))
        etag = self._etags.pop(0) if len(self._etags) > 1 else self._etags[0]
        whole = file_handler(CONTENT, etag)(request)
        (content,) = whole.pieces
        assert isinstance(content, bytes)
        if len(content) > 5000:
            whole.pieces = [content[:5000], Unavailable(request.url, "cut")]
        return whole


async def test_a_cut_transfer_goes_on_by_its_etag(
    client: FakeClient, web: WebSource, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    client.handlers[URL] = server = Interrupted('"1"')
    await web.fetch_fragment("17", 2, tmp_path / "there", LIMIT)
    assert server.starts == ["bytes=0-", "bytes=5000-", "bytes=10000-"]
    assert (tmp_path / "there").read_bytes() == CONTENT


@pytest.mark.parametrize("etags", [("",), ('W/"1"',), ('"1"', '"2"', '"3"')], ids=["none", "weak", "changing"])
async def test_without_the_same_strong_etag_it_begins_anew(
    client: FakeClient, web: WebSource, tmp_path: Path, etags: tuple[str], autojump_clock: trio.testing.MockClock
) -> None:
    client.handlers[URL] = Interrupted(*etags)
    with pytest.raises(Unavailable, match="cut"):
        await web.fetch_fragment("17", 2, tmp_path / "there", LIMIT)
    assert list(tmp_path.iterdir()) == []


async def test_it_is_tried_three_times_with_longer_pauses(
    client: FakeClient, web: WebSource, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    started_s, tries_s = trio.current_time(), []

    def busy(request: Request) -> Reply:
        tries_s.append(round(trio.current_time() - started_s, 2))
        return Reply(503)

    client.handlers[URL] = busy
    with pytest.raises(Unavailable, match="HTTP 503"):
        await web.fetch_fragment("17", 2, tmp_path / "there", LIMIT)
    assert tries_s == [0, 0.2, 1]


async def test_a_source_that_stalls_is_given_up(
    client: FakeClient, web: WebSource, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    client.handlers[URL] = lambda request: Reply(200, [b"x", 1e9])
    started_s = trio.current_time()
    with pytest.raises(Unavailable, match="nothing has come for 30 s"):
        await web.fetch_fragment("17", 2, tmp_path / "there", LIMIT)
    assert trio.current_time() - started_s == pytest.approx(3 * STALL_LIMIT_S + 1)
    assert list(tmp_path.iterdir()) == []


async def test_a_wrong_content_range_is_not_taken(
    client: FakeClient, web: WebSource, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    client.handlers[URL] = lambda request: Reply(206, [CONTENT], {"content-range": "bytes 5-9/10"})
    with pytest.raises(Corrupt, match="expected the rest of the file, got bytes 5-9/10"):
        await web.fetch_fragment("17", 2, tmp_path / "there", LIMIT)
    assert list(tmp_path.iterdir()) == []


async def test_a_folder(folder: FolderSource, traffic: Traffic, tmp_path: Path) -> None:
    for name in ("9", "x", "0", "18"):
        (tmp_path / "share" / name).mkdir()
    (tmp_path / "share" / "9" / "info").write_bytes(b"")
    assert await folder.list_ids() == ["9", "17"]
    assert await folder.read_info("17") == b"<DOWNLOAD/>"
    assert await folder.read_info("18") is None
    await folder.fetch_fragment("17", 2, tmp_path / "there", LIMIT)
    assert (tmp_path / "there").read_bytes() == CONTENT
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o644
    assert traffic == Traffic(fragments=1, received_bytes=len(CONTENT))
    with pytest.raises(Unavailable, match="17-3: No such file"):
        await folder.fetch_fragment("17", 3, tmp_path / "missing", LIMIT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["share", "there"]


async def test_a_folder_that_is_not_mounted_says_nothing_of_its_packages(folder: FolderSource, tmp_path: Path) -> None:
    (tmp_path / "share").rename(tmp_path / "unmounted")
    for call in (folder.list_ids(), folder.read_info("17"), folder.fetch_fragment("17", 2, tmp_path / "there", LIMIT)):
        with pytest.raises(Unavailable, match="No such file"):
            await call


def test_ids_on_the_command_line() -> None:
    check_ids(["1", "123456789012345678"])
    for text in ("", "0", "01", "../x", "1234567890123456789", "17\n"):
        with pytest.raises(BadInput, match="--package: expected an id of 1 to 18 digits"):
            check_ids(["17", text])


@pytest.mark.parametrize("length", [LIMIT, None], ids=["announced", "chunked"])
async def test_a_fragment_over_the_limit_is_given_up_at_once(
    client: FakeClient, web: WebSource, tmp_path: Path, length: int | None
) -> None:
    """Without another try, and before more of it has come."""
    client.handlers[URL] = lambda request: Reply(200, [CONTENT[:5000], CONTENT[5000:], 1e9], {}, length)
    with pytest.raises(TooLarge, match="expected at most 5000 bytes, got more"):
        await web.fetch_fragment("17", 2, tmp_path / "there", 5000)
    assert len(client.requests) == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_file_over_the_limit_is_not_copied(folder: FolderSource, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="17-2: expected at most 5000 bytes, got more"):
        await folder.fetch_fragment("17", 2, tmp_path / "there", 5000)
    assert [path.name for path in tmp_path.iterdir()] == ["share"]


@pytest.mark.parametrize("name", ["info", "17-2"])
async def test_what_is_no_file_is_not_waited_for(folder: FolderSource, tmp_path: Path, name: str) -> None:
    path = tmp_path / "share" / "17" / name
    path.unlink()
    os.mkfifo(path)
    read = partial(folder.read_info, "17")
    fetch = partial(folder.fetch_fragment, "17", 2, tmp_path / "there", LIMIT)
    with pytest.raises(Unavailable, match="it is no file"):
        await (read() if name == "info" else fetch())


async def test_a_list_or_an_info_that_does_not_end(
    client: FakeClient, web: WebSource, autojump_clock: trio.testing.MockClock
) -> None:
    client.handlers[BASE] = lambda request: Reply(200, [b"x", 1e9])
    for call in (web.list_ids(), web.read_info("17")):
        with pytest.raises(Unavailable, match="it has not come within"):
            await call
