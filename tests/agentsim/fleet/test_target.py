"""The server that a fleet is told to talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agentsim.fleet.options import Arrival, Arrivals, FleetOptions
from agentsim.fleet.target import find_target
from distd.domain.errors import BadInput, Unavailable
from distd.lane.client.link import Endpoint

if TYPE_CHECKING:
    from tests.agentsim.faulty_server import Authority


def options(authority: Authority, **values: Any) -> FleetOptions:
    given: dict[str, Any] = {"server": "https://localhost/x", "ca_pem": authority.file.read_text(), "agents": 1}
    return FleetOptions(**(given | values))


@pytest.mark.parametrize(
    ("server", "endpoint"),
    [
        ("https://localhost/ocsinventory", Endpoint("localhost", 443, True)),
        ("http://127.0.0.1:81/", Endpoint("127.0.0.1", 81, False)),
        ("http://[::1]:81", Endpoint("::1", 81, False)),
    ],
)
def test_a_server_that_can_be_asked(authority: Authority, server: str, endpoint: Endpoint) -> None:
    assert find_target(options(authority, server=server)).endpoint == endpoint


@pytest.mark.parametrize(
    "server",
    ["", "localhost", "ftp://h/", "https://", "https://[::1", "http://localhost:99999/", "http://localhost:0/",
     "http://localhost:x/", "https://a..b/ocsinventory", f"https://{'x' * 64}/"],
)  # fmt: skip
def test_an_invalid_server(authority: Authority, server: str) -> None:
    with pytest.raises(BadInput, match=r"--server: expected http://host\[:port\]/ocsinventory or https://…, got "):
        find_target(options(authority, server=server))


def test_a_server_that_is_not_found(authority: Authority) -> None:
    with pytest.raises(Unavailable, match=r"--server https://no\.such\.host\.invalid/: no such host: "):
        find_target(options(authority, server="https://no.such.host.invalid/"))


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
def test_invalid_times(authority: Authority, values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as caught:
        find_target(options(authority, **values))
    assert str(caught.value) == message
