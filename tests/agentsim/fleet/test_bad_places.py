"""Addresses from the server that are none: they fail, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from agentsim.fleet.counters import State
from agentsim.fleet.options import Arrival, Arrivals, Order
from agentsim.fleet.shard import check
from distd.domain.errors import BadInput, Unavailable
from distd.domain.records import Dialect, Pack
from distd.lane.client.link import Place

NO_ADDRESS = "invalid address"
HOSTS = ["[x", "[::1", "a..b", ".a", "x" * 64, "127.0.0.1:99999", "127.0.0.1:x", "127.0.0.1:0", "", "h\x7f\xe9" * 30]


@pytest.mark.parametrize("host", HOSTS)
async def test_where_info_is(fleet: Any, host: Any) -> None:
    fleet.add()
    fleet.site.packs["17"] = Pack("17", f"{host}/download", f"{fleet.site.http}/download")
    picture = await fleet.run(Dialect.UNIX)
    assert dict(picture.errors) == {f"info: {NO_ADDRESS}": 1}
    assert fleet.site.results == [("17", "ERR_DOWNLOAD_INFO")]
    assert picture.figures()["errors"] == 1 / sum(picture.counts("requests").values())


@pytest.mark.parametrize("host", HOSTS)
async def test_where_fragments_are(fleet: Any, host: Any) -> None:
    """Without pauses, tries follow each other for ever; the agent of another package goes on."""
    fleet.add()
    fleet.add("18")
    fleet.site.packs["17"] = Pack("17", f"{fleet.site.https}/download", f"{host}/download")
    picture = await fleet.run(Dialect.UNIX, duration_s=0.3)
    assert set(picture.errors) == {f"fragment: {NO_ADDRESS}"}
    assert picture.packages["18"].good == 1
    assert picture.states[State.FAILED] == 1


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://[x/", "a redirect to nowhere"),
        ("//[::1/x", "a redirect to nowhere"),
        ("http://a..b/x", NO_ADDRESS),
        ("http://127.0.0.1:99999/x", NO_ADDRESS),
        ("http://127.0.0.1:x/x", NO_ADDRESS),
    ],
)
@pytest.mark.parametrize("path", ["/download/17/info", "/download/17/17-2"])
async def test_where_a_redirect_leads(fleet: Any, path: Any, location: Any, why: Any) -> None:
    fleet.add()
    fleet.site.faults[path] = [f"to {location}"]
    picture = await fleet.run(Dialect.WINDOWS, duration_s=1.0, time_scale=18_000.0)
    kind = "info" if "info" in path else "fragment"
    assert dict(picture.errors) == {f"{kind}: {why}": 1}
    assert fleet.site.results == [("17", "SUCCESS")]


# --- what is asked for


def order(authority: Any, **values: Any) -> Any:
    return Order(**({"server": "https://localhost/x", "ca_pem": authority.file.read_text(), "agents": 1} | values))


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("https://localhost/ocsinventory", Place("localhost", 443, True)),
        ("http://127.0.0.1:81/", Place("127.0.0.1", 81, False)),
        ("http://[::1]:81", Place("::1", 81, False)),
    ],
)
def test_a_server_that_can_be_asked(authority: Any, server: Any, place: Any) -> None:
    assert check(order(authority, server=server)).server == place


@pytest.mark.parametrize(
    "server",
    ["", "localhost", "ftp://h/", "https://", "https://[::1", "http://localhost:99999/", "http://localhost:0/",
     "http://localhost:x/", "https://a..b/ocsinventory", f"https://{'x' * 64}/"],
)  # fmt: skip
def test_a_server_that_is_none(authority: Any, server: Any) -> None:
    with pytest.raises(BadInput, match=r"--server: expected http://host\[:port\]/ocsinventory or https://…, got "):
        check(order(authority, server=server))


def test_a_server_that_is_not_found(authority: Any) -> None:
    with pytest.raises(Unavailable, match=r"--server https://no\.such\.host\.invalid/: no such host: "):
        check(order(authority, server="https://no.such.host.invalid/"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"time_scale": float("nan")}, "--time-scale: expected a number above 0, got nan"),
        ({"duration_s": 0.0}, "--duration: expected a time above 0, got 0"),
        (
            {"duration_s": 9.0, "arrival": Arrival(Arrivals.CLOSED, 5)},
            "--arrival: expected at-once, window, poisson or office beside --duration, got closed",
        ),
    ],
)
def test_times_that_are_none(authority: Any, values: Any, message: Any) -> None:
    with pytest.raises(BadInput) as caught:
        check(order(authority, **values))
    assert str(caught.value) == message
