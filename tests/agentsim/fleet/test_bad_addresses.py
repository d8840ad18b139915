"""Invalid addresses from the server: what is asked for there fails, and nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from agentsim.fleet.counters import State
from agentsim.fleet.exchange import BAD_REDIRECT
from distd.domain.records import Dialect, Pack
from distd.lane.client.pool import INVALID_ADDRESS
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from tests.agentsim.fleet.conftest import RealFleet

HOSTS = ["[x", "[::1", "a..b", ".a", "x" * 64, "127.0.0.1:99999", "127.0.0.1:x", "127.0.0.1:0", "", "h\x7f\xe9" * 30]


@pytest.mark.parametrize("host", HOSTS)
async def test_where_info_is(real_fleet: RealFleet, host: str) -> None:
    real_fleet.add()
    real_fleet.server.packs["17"] = Pack("17", f"{host}/download", f"{real_fleet.server.http}/download")
    totals = await real_fleet.run(Dialect.UNIX)
    assert dict(totals.errors) == {f"info: {INVALID_ADDRESS}": 1}
    assert real_fleet.server.results == [("17", "ERR_DOWNLOAD_INFO")]
    assert totals.figures()["errors"] == 1 / sum(totals.requests.values())


@pytest.mark.parametrize("host", HOSTS)
async def test_where_fragments_are(real_fleet: RealFleet, host: str) -> None:
    """Without pauses, tries follow each other for ever; those for another package do not wait for them."""
    real_fleet.add()
    real_fleet.add("18")
    real_fleet.server.packs["17"] = Pack("17", f"{real_fleet.server.https}/download", f"{host}/download")
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def end() -> None:
            await await_until(lambda: real_fleet.server.results, "package 18 is deployed")
            stop.set()

        nursery.start_soon(end)
        totals = await real_fleet.run(Dialect.UNIX, stop=stop)
    assert set(totals.errors) == {f"fragment: {INVALID_ADDRESS}"}
    assert totals.packages["18"].good == 1
    assert totals.states[State.DOWNLOADING] == 1


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://[x/", BAD_REDIRECT),
        ("//[::1/x", BAD_REDIRECT),
        ("http://a..b/x", INVALID_ADDRESS),
        ("http://127.0.0.1:99999/x", INVALID_ADDRESS),
        ("http://127.0.0.1:x/x", INVALID_ADDRESS),
    ],
)
@pytest.mark.parametrize("path", ["/download/17/info", "/download/17/17-2"])
async def test_where_a_redirect_leads(real_fleet: RealFleet, path: str, location: str, why: str) -> None:
    real_fleet.add()
    real_fleet.server.faults[path] = [f"to {location}"]
    stop = trio.Event()
    async with trio.open_nursery() as nursery:

        async def end() -> None:
            await await_until(lambda: real_fleet.server.results, "the package is deployed")
            stop.set()

        nursery.start_soon(end)
        # A contact each 0.2 s, so that there is a second try for the info.
        totals = await real_fleet.run(Dialect.WINDOWS, duration_s=100.0, time_scale=18_000.0, stop=stop)
    kind = "info" if "info" in path else "fragment"
    assert dict(totals.errors) == {f"{kind}: {why}": 1}
    assert real_fleet.server.results == [("17", "SUCCESS")]
