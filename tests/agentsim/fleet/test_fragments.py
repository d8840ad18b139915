"""How fragments are fetched; emulated native agents do as the real one does (`agentsim.native.fetch`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentsim.fleet.counters import State
from distd.domain.records import Dialect, Pack

if TYPE_CHECKING:
    import trio

    from tests.agentsim.fleet.conftest import VirtualFleet

NATIVE = Dialect.NATIVE
FIRST = "17/17-1"


@pytest.fixture
def mirrored(fleet: VirtualFleet) -> VirtualFleet:
    """A package that two mirrors have too; each place's path is its name."""
    fleet.add()
    server = fleet.server
    for name in ("near", "nearer"):
        server.files |= {path.replace("/download/", f"/{name}/"): data for path, data in server.files.items()
                       if path.startswith("/download/")}  # fmt: skip
    mirrors = (f"{server.http}/nearer", f"{server.http}/near")
    server.packs["17"] = Pack("17", f"{server.https}/download", f"{server.http}/download", mirrors=mirrors)
    return fleet


def asked(fleet: VirtualFleet, name: str = FIRST) -> list[str]:
    """The requests for a fragment, in their order."""
    return [request.removeprefix("GET ") for request in fleet.server.requests if f"{name}" in request]


@pytest.mark.parametrize("fault", [404, 503, "flip", "short", "cut 0", "to http://[x/", "to ftp://h/x"])
async def test_whatever_fails_at_a_place_the_next_one_is_asked_at_once(
    mirrored: VirtualFleet, fault: int | str
) -> None:
    mirrored.server.faults[f"/nearer/{FIRST}"] = [fault]
    totals = await mirrored.run(NATIVE)
    assert asked(mirrored) == [f"/nearer/{FIRST}", f"/near/{FIRST}"]
    assert mirrored.server.results == [("17", "SUCCESS")]
    assert sum(totals.errors.values()) == totals.total(lambda last: last.retries) == 1
    # It stays where it was given something.
    assert asked(mirrored, "17-2") == ["/near/17/17-2"]


async def test_where_each_place_fails_it_is_tried_again_in_the_next_turn(mirrored: VirtualFleet) -> None:
    for name in ("nearer", "near", "download"):
        mirrored.server.faults[f"/{name}/{FIRST}"] = ["flip"]
    totals = await mirrored.run(NATIVE)
    assert mirrored.server.results == [("17", "SUCCESS")]
    assert dict(totals.errors) == {"fragment: corrupt": 3}
    assert len(asked(mirrored)) == 4


async def test_it_goes_on_inside_the_fragment_beyond_a_place_that_says_no(mirrored: VirtualFleet) -> None:
    mirrored.server.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    mirrored.server.faults[f"/near/{FIRST}"] = [503]
    totals = await mirrored.run(NATIVE)
    assert asked(mirrored) == [f"/nearer/{FIRST}", f"/near/{FIRST} bytes=1000-", f"/download/{FIRST} bytes=1000-"]
    assert mirrored.server.results == [("17", "SUCCESS")]
    assert totals.figures()["verified"] == 1
    assert "fragment: corrupt" not in totals.errors


async def test_a_place_whose_fragment_is_another_one_starts_it_anew(mirrored: VirtualFleet) -> None:
    """Its ETag is not that of what came before: it sends the whole."""
    mirrored.server.files[f"/nearer/{FIRST}"] = b"x" * 3000
    mirrored.server.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    totals = await mirrored.run(NATIVE)
    assert asked(mirrored) == [f"/nearer/{FIRST}", f"/near/{FIRST} bytes=1000-"]
    assert mirrored.server.results == [("17", "SUCCESS")]
    assert dict(totals.errors) == {"fragment: closed within a body": 1}
    assert totals.figures()["verified"] == 1


async def test_what_is_cut_again_after_it_started_anew_goes_on_from_there(mirrored: VirtualFleet) -> None:
    mirrored.server.files[f"/nearer/{FIRST}"] = b"x" * 3000
    mirrored.server.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    mirrored.server.faults[f"/near/{FIRST}"] = ["cut 1500"]
    totals = await mirrored.run(NATIVE)
    assert asked(mirrored)[-1] == f"/download/{FIRST} bytes=1500-"
    assert mirrored.server.results == [("17", "SUCCESS")]
    assert totals.figures()["verified"] == 1


async def test_it_goes_on_where_a_redirect_leads(mirrored: VirtualFleet) -> None:
    mirrored.server.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    mirrored.server.faults[f"/near/{FIRST}"] = [f"to /download/{FIRST}"]
    totals = await mirrored.run(NATIVE)
    assert asked(mirrored)[1:] == [f"/near/{FIRST} bytes=1000-", f"/download/{FIRST} bytes=1000-"]
    assert mirrored.server.results == [("17", "SUCCESS")]
    assert totals.figures()["verified"] == 1


async def test_with_one_place_it_goes_on_in_its_next_turn(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.server.faults[f"/download/{FIRST}"] = ["cut 1000", 404]
    totals = await fleet.run(NATIVE)
    assert asked(fleet) == [f"/download/{FIRST}", f"/download/{FIRST} bytes=1000-", f"/download/{FIRST} bytes=1000-"]
    assert fleet.server.results == [("17", "SUCCESS")]
    assert totals.figures()["verified"] == 1


async def test_a_stock_agent_never_goes_on_inside_a_fragment(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.server.faults[f"/download/{FIRST}"] = ["cut 1000"]
    await fleet.run(Dialect.UNIX)
    assert asked(fleet) == [f"/download/{FIRST}"] * 2
    assert fleet.server.results == [("17", "SUCCESS")]


async def test_a_manifest_that_fails_does_not_spoil_the_next_try(fleet: VirtualFleet) -> None:
    fleet.add()
    fleet.server.faults["/download/17/manifest"] = [404, "cut 5"]
    totals = await fleet.run(NATIVE)
    assert fleet.server.results == [("17", "SUCCESS")]
    assert dict(totals.errors) == {"info: HTTP 404": 1, "info: closed within a body": 1}
    assert [fleet.server.count(name) for name in ("17/info", "17/manifest")] == [3, 3]
    assert totals.states[State.DONE] == 1


async def test_a_206_that_does_not_fit_is_an_error_and_the_next_place_starts_anew(mirrored: VirtualFleet) -> None:
    async def answer(stream: trio.abc.Stream, method: str, path: str, fields: dict[str, str], body: bytes) -> bool:
        if path == f"/near/{FIRST}":
            head = "HTTP/1.1 206 X\r\nContent-Length: 3000\r\nContent-Range: bytes 0-2999/3000\r\n\r\n"
            await stream.send_all(head.encode() + mirrored.server.files[path])
            return True
        return await plain(stream, method, path, fields, body)

    plain = mirrored.server.answer
    mirrored.server.answer = answer  # type: ignore[method-assign]
    mirrored.server.faults[f"/nearer/{FIRST}"] = ["cut 1000"]
    totals = await mirrored.run(NATIVE)
    assert dict(totals.errors) == {"fragment: closed within a body": 1, "fragment: HTTP 206": 1}
    assert asked(mirrored)[-1] == f"/download/{FIRST}"
    assert mirrored.server.results == [("17", "SUCCESS")]
