"""One fragment into its file: where the next try goes on, and where it begins anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from blake3 import blake3

from agentsim.native.fetch import fetch_fragment
from distd.domain.errors import Corrupt, Unavailable
from distd.domain.records import Fragment
from tests.fixtures.client import FakeClient, Reply, file_handler

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://place/17/17-1"
CONTENT = bytes(range(200)) * 10
TAG = '"tag"'
WHOLE = Fragment(1, len(CONTENT), blake3(CONTENT).digest())


class Place:
    """The file that a fragment comes into, with what earlier tries have left beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "17-1"
        self.part, self.tag = folder / "17-1.part", folder / "17-1.etag"
        self.client = FakeClient()
        self.client.handlers[URL] = file_handler(CONTENT, TAG)

    async def fetch(self, fragment: Fragment = WHOLE) -> None:
        await fetch_fragment(self.client, URL, fragment, self.path, trio.CapacityLimiter(1))

    def ranges(self) -> list[str]:
        return [request.headers.get("Range", "") for request in self.client.requests]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_nothing_is_left_beside_a_fragment(place: Place) -> None:
    await place.fetch()
    assert place.path.read_bytes() == CONTENT
    assert (place.part.exists(), place.tag.exists()) == (False, False)


async def test_it_goes_on_where_it_was_with_the_tag_of_what_has_come(place: Place) -> None:
    place.client.handlers[URL] = lambda request: Reply(200, [CONTENT[:500], Unavailable(URL, "cut")], {"etag": TAG})
    with pytest.raises(Unavailable, match="cut"):
        await place.fetch()
    assert place.tag.read_text() == TAG
    place.client.handlers[URL] = file_handler(CONTENT, TAG)
    await place.fetch()
    assert place.ranges() == ["", "bytes=500-"]
    assert place.client.requests[1].headers["If-Range"] == TAG
    assert place.path.read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ["", 'W/"weak"', '"\xe9"'])
async def test_without_a_strong_tag_it_begins_anew(place: Place, tag: str) -> None:
    headers = {"etag": tag} if tag else {}
    place.tag.write_text('"of another try"')
    place.client.handlers[URL] = lambda request: Reply(200, [CONTENT[:500], Unavailable(URL, "cut")], headers)
    with pytest.raises(Unavailable):
        await place.fetch()
    assert not place.tag.exists()
    place.client.handlers[URL] = file_handler(CONTENT, TAG)
    await place.fetch()
    assert place.ranges() == ["", ""]
    assert place.path.read_bytes() == CONTENT


async def test_a_tag_that_cannot_be_sent_is_not(place: Place) -> None:
    """An earlier version kept such ones."""
    place.part.write_bytes(CONTENT[:500])
    place.tag.write_bytes('"\xe9"'.encode())
    await place.fetch()
    assert place.ranges() == [""]
    assert place.path.read_bytes() == CONTENT


async def test_another_file_comes_from_its_beginning(place: Place) -> None:
    place.part.write_bytes(b"x" * 500)
    place.tag.write_text('"old"')
    await place.fetch()
    assert place.ranges() == ["bytes=500-"]
    assert place.path.read_bytes() == CONTENT


async def test_what_has_come_whole_is_not_asked_for(place: Place) -> None:
    place.part.write_bytes(CONTENT)
    place.tag.write_text(TAG)
    await place.fetch()
    assert place.client.requests == []
    assert place.path.read_bytes() == CONTENT


async def test_an_empty_fragment_is_asked_for(place: Place) -> None:
    place.client.handlers[URL] = file_handler(b"", TAG)
    await place.fetch(Fragment(1, 0, blake3(b"").digest()))
    assert place.ranges() == [""]
    assert place.path.read_bytes() == b""


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-range": "bytes 501-1999/2000"},
        {"content-range": "bytes 0-1999/2000"},
        {"content-range": "bytes 500-1999/2000", "etag": '"another"'},
    ],
    ids=["no range", "another place", "the beginning", "another file"],
)
async def test_a_206_that_does_not_go_on_begins_anew(place: Place, headers: dict[str, str]) -> None:
    place.part.write_bytes(CONTENT[:500])
    place.tag.write_text(TAG)
    place.client.handlers[URL] = lambda request: Reply(206, [CONTENT[500:]], headers)
    with pytest.raises(Unavailable, match="HTTP 206"):
        await place.fetch()
    assert (place.part.stat().st_size, place.tag.exists()) == (0, False)


async def test_a_206_that_was_not_asked_for(place: Place) -> None:
    place.client.handlers[URL] = lambda request: Reply(206, [CONTENT], {"content-range": "bytes 0-1999/2000"})
    with pytest.raises(Unavailable, match="HTTP 206"):
        await place.fetch()


@pytest.mark.parametrize(("status", "left_bytes"), [(404, 500), (503, 500), (416, 0)])
async def test_other_answers_are_no_fragment(place: Place, status: int, left_bytes: int) -> None:
    place.part.write_bytes(CONTENT[:500])
    place.tag.write_text(TAG)
    place.client.handlers[URL] = lambda request: Reply(status, [CONTENT[500:]])
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        await place.fetch()
    assert (place.part.stat().st_size, place.tag.exists()) == (left_bytes, bool(left_bytes))


async def test_wrong_bytes_are_thrown_away(place: Place) -> None:
    place.client.handlers[URL] = file_handler(CONTENT[:-1] + b"x", TAG)
    with pytest.raises(Corrupt):
        await place.fetch()
    assert (place.path.exists(), place.part.exists(), place.tag.exists()) == (False, False, False)
