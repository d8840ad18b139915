"""Native agents of a fleet do as the real one does (`agentsim.native.agent`, `agentsim.native.fetch`)."""

from __future__ import annotations

from typing import Any

import pytest
from blake3 import blake3

from agentsim.fleet.counters import State
from agentsim.fleet.partial_fragment import OK, PARTIAL, UNFIT, Part, Rest, rest_of
from distd.domain.records import Dialect, Pack

NATIVE = Dialect.NATIVE
FIRST = "17/17-1"


@pytest.fixture
def places(fleet: Any) -> Any:
    """A package that two mirrors have too; each place's path is its name."""
    fleet.add()
    site = fleet.site
    for name in ("near", "nearer"):
        site.files |= {path.replace("/download/", f"/{name}/"): data for path, data in site.files.items()
                       if path.startswith("/download/")}  # fmt: skip
    mirrors = (f"{site.http}/nearer", f"{site.http}/near")
    site.packs["17"] = Pack("17", f"{site.https}/download", f"{site.http}/download", mirrors=mirrors)
    return fleet


def asked(fleet: Any, name: Any = FIRST) -> Any:
    """The requests for a fragment, in their order."""
    return [request.removeprefix("GET ") for request in fleet.site.requests if f"{name}" in request]


@pytest.mark.parametrize("fault", [404, 503, "flip", "short", "cut 0", "to http://[x/", "to ftp://h/x"])
async def test_whatever_fails_at_a_place_the_next_one_is_asked_at_once(places: Any, fault: Any) -> None:
    places.site.faults[f"/nearer/{FIRST}"] = [fault]
    picture = await places.run(NATIVE)
    assert asked(places) == [f"/nearer/{FIRST}", f"/near/{FIRST}"]
    assert places.site.results == [("17", "SUCCESS")]
    assert sum(picture.errors.values()) == picture.total("retries") == 1
    # It stays where it was given something.
    assert asked(places, "17-2") == ["/near/17/17-2"]


async def test_where_each_place_fails_it_is_tried_again_in_the_next_turn(places: Any) -> None:
    for name in ("nearer", "near", "download"):
        places.site.faults[f"/{name}/{FIRST}"] = ["flip"]
    picture = await places.run(NATIVE)
    assert places.site.results == [("17", "SUCCESS")]
    assert dict(picture.errors) == {"fragment: corrupt": 3}
    assert len(asked(places)) == 4


async def test_it_goes_on_inside_the_fragment_beyond_a_place_that_says_no(places: Any) -> None:
    places.site.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    places.site.faults[f"/near/{FIRST}"] = [503]
    picture = await places.run(NATIVE)
    assert asked(places) == [f"/nearer/{FIRST}", f"/near/{FIRST} bytes=1000-", f"/download/{FIRST} bytes=1000-"]
    assert places.site.results == [("17", "SUCCESS")]
    assert picture.figures()["verified"] == 1
    assert "fragment: corrupt" not in picture.errors


async def test_a_place_whose_fragment_is_another_one_starts_it_anew(places: Any) -> None:
    """Its ETag is not that of what came before: it sends the whole."""
    places.site.files[f"/nearer/{FIRST}"] = b"x" * 3000
    places.site.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    picture = await places.run(NATIVE)
    assert asked(places) == [f"/nearer/{FIRST}", f"/near/{FIRST} bytes=1000-"]
    assert places.site.results == [("17", "SUCCESS")]
    assert dict(picture.errors) == {"fragment: closed within a body": 1}
    assert picture.figures()["verified"] == 1


async def test_what_is_cut_again_after_it_started_anew_goes_on_from_there(places: Any) -> None:
    places.site.files[f"/nearer/{FIRST}"] = b"x" * 3000
    places.site.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    places.site.faults[f"/near/{FIRST}"] = ["cut 1500"]
    picture = await places.run(NATIVE)
    assert asked(places)[-1] == f"/download/{FIRST} bytes=1500-"
    assert places.site.results == [("17", "SUCCESS")]
    assert picture.figures()["verified"] == 1


async def test_it_goes_on_where_a_redirect_leads(places: Any) -> None:
    places.site.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    places.site.faults[f"/near/{FIRST}"] = [f"to /download/{FIRST}"]
    picture = await places.run(NATIVE)
    assert asked(places)[1:] == [f"/near/{FIRST} bytes=1000-", f"/download/{FIRST} bytes=1000-"]
    assert places.site.results == [("17", "SUCCESS")]
    assert picture.figures()["verified"] == 1


async def test_with_one_place_it_goes_on_in_its_next_turn(fleet: Any) -> None:
    fleet.add()
    fleet.site.faults[f"/download/{FIRST}"] = ["cut 1000", 404]
    picture = await fleet.run(NATIVE)
    assert asked(fleet) == [f"/download/{FIRST}", f"/download/{FIRST} bytes=1000-", f"/download/{FIRST} bytes=1000-"]
    assert fleet.site.results == [("17", "SUCCESS")]
    assert picture.figures()["verified"] == 1


async def test_a_stock_agent_never_goes_on_inside_a_fragment(fleet: Any) -> None:
    fleet.add()
    fleet.site.faults[f"/download/{FIRST}"] = ["cut 1000"]
    await fleet.run(Dialect.UNIX)
    assert asked(fleet) == [f"/download/{FIRST}"] * 2
    assert fleet.site.results == [("17", "SUCCESS")]


async def test_a_manifest_that_fails_does_not_spoil_the_next_try(fleet: Any) -> None:
    fleet.add()
    fleet.site.faults["/download/17/manifest"] = [404, "cut 5"]
    picture = await fleet.run(NATIVE)
    assert fleet.site.results == [("17", "SUCCESS")]
    assert dict(picture.errors) == {"info: HTTP 404": 1, "info: closed within a body": 1}
    assert [fleet.site.count(name) for name in ("17/info", "17/manifest")] == [3, 3]
    assert picture.states[State.DONE] == 1


# --- parts


class Answer:
    """A link, and whoever has it."""

    def __init__(self, status: Any, **fields: Any) -> None:
        self.status, self.fields = status, fields
        self.link = self

    def field(self, name: Any) -> Any:
        return self.fields.get(name.decode().replace("-", "_"), "")


def part(data: Any = b"abc") -> Any:
    made = Part(blake3())
    made.update(memoryview(data))
    return made


def taken(answer: Any, data: Any = b"def", tag: Any = '"1"') -> Any:
    rest = Rest(part(), answer, "17-1", tag)
    assert rest.fields == f"Range: bytes=3-\r\nIf-Range: {tag}\r\n"
    for byte in data:
        rest.update(memoryview(bytes([byte])))
    return rest


@pytest.mark.parametrize(
    ("answer", "status", "content", "tag"),
    [
        (Answer(PARTIAL, content_range="bytes 3-5/6", etag='"1"'), PARTIAL, b"abcdef", '"1"'),
        (Answer(PARTIAL, content_range="bytes 3-5/6"), PARTIAL, b"abcdef", '"1"'),
        (Answer(PARTIAL, content_range="bytes 2-5/6"), UNFIT, b"abc", '"1"'),
        (Answer(PARTIAL, content_range="bytes 3-5/6", etag='"2"'), UNFIT, b"abc", '"1"'),
        (Answer(PARTIAL), UNFIT, b"abc", '"1"'),
        (Answer(OK, etag='"2"'), OK, b"def", '"2"'),
        (Answer(OK, etag='W/"2"'), OK, b"def", ""),
        (Answer(404), 404, b"abc", '"1"'),
        (Answer(302), 302, b"abc", '"1"'),
    ],
)
def test_what_an_answer_makes_of_a_part(answer: Any, status: Any, content: Any, tag: Any) -> None:
    rest = taken(answer)
    assert (rest.status, rest.length, rest.tag) == (status, len(content), tag)
    assert rest.hash.digest() == blake3(content).digest()


@pytest.mark.parametrize(
    ("left", "link", "answer", "goes_on"),
    [
        (part(), Answer(OK, etag='"1"'), 0, True),
        (part(), Answer(OK, etag='W/"1"'), 0, False),
        (part(), Answer(OK), 0, False),
        (part(), Answer(404, etag='"1"'), 404, False),
        (part(), None, 0, False),
        (Part(blake3()), Answer(OK, etag='"1"'), 0, False),
        (None, Answer(OK, etag='"1"'), 0, False),
        (Rest(part(), Answer(0), "17-1", '"1"'), None, 0, True),
        (Rest(part(), Answer(0), "17-1", '"1"'), Answer(404), 404, True),
        (Rest(part(), Answer(0), "17-1", '"1"'), Answer(416), 416, False),
        (taken(Answer(PARTIAL, content_range="bytes 3-5/6")), Answer(PARTIAL), 0, True),
        (taken(Answer(PARTIAL, content_range="bytes 0-5/6")), Answer(PARTIAL), 0, False),
        (taken(Answer(OK, etag='"2"')), Answer(OK), 0, True),
        (taken(Answer(OK)), Answer(OK), 0, False),
    ],
)
def test_when_the_next_request_goes_on(left: Any, link: Any, answer: Any, goes_on: Any) -> None:
    found = rest_of(left, link, answer, Answer(0), "17-1")
    assert (found is not None) is goes_on
    if found is not None:
        assert (found.status, found.length, found.tag) == (0, left.length, getattr(left, "tag", '"1"'))
        assert found.hash.digest() == left.hash.digest()


async def test_a_206_that_does_not_fit_is_an_error_and_the_next_place_starts_anew(places: Any) -> None:
    async def answer(stream: Any, method: Any, path: Any, fields: Any, body: Any) -> Any:
        if path == f"/near/{FIRST}":
            head = "HTTP/1.1 206 X\r\nContent-Length: 3000\r\nContent-Range: bytes 0-2999/3000\r\n\r\n"
            await stream.send_all(head.encode() + places.site.files[path])
            return True
        return await plain(stream, method, path, fields, body)

    plain, places.site.answer = places.site.answer, answer
    places.site.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    picture = await places.run(NATIVE)
    assert dict(picture.errors) == {"fragment: closed within a body": 1, "fragment: HTTP 206": 1}
    assert asked(places)[-1] == f"/download/{FIRST}"
    assert places.site.results == [("17", "SUCCESS")]
