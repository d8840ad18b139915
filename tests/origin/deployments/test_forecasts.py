"""What is simulated for a forecast: which computers, by which mirrors, behind which limit of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from distd.catalogue.schema import computers
from distd.domain.mirror_rules import MirrorFacts, Via
from distd.domain.settings import settings_of
from distd.origin.deployments import forecasts
from distd.origin.mirrors import directory
from distd.origin.mirrors.directory import MirrorDirectory
from distd.simulation.world import Line

if TYPE_CHECKING:
    from tests.fixtures.origin import TestOrigin

NEAR = MirrorDirectory({1: MirrorFacts(1, "paris", "paris:80", "paris:443")}, {"17": frozenset({1})}, (), {})


@pytest.fixture
def many(origin: TestOrigin, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three computers in two subnets, and a mirror that has package 17."""
    origin.package("17")
    rows = [
        {"device_id": f"pc{number}", "subnets": f"10.0.{number // 2}.0", "first_seen_at_us": 1, "last_seen_at_us": 1}
        for number in range(3)
    ]
    origin.write(lambda conn, *_: conn.execute(insert(computers), rows))
    found = [NEAR]
    monkeypatch.setattr(directory, "load", lambda conn, default, now_s: found[0])
    return found


def world(origin: Any, **values: Any) -> Any:
    settings = settings_of({name.replace("__", "."): value for name, value in values.items()})
    return origin.read(forecasts.world_of, forecasts.Question("17", settings), 0.0)


def test_subnets_that_have_the_same_mirror_share_it(origin: TestOrigin, many: Any) -> None:
    found = world(origin)
    assert {site.name: site.agents for site in found.sites} == {"10.0.0.0 by paris": 2, "10.0.1.0 by paris": 1}
    assert list(found.mirrors) == ["paris"]


@pytest.mark.parametrize("how", ["settings", "activation"])
def test_mirrors_that_are_not_used_are_not_there(origin: TestOrigin, many: Any, how: Any) -> None:
    if how == "activation":
        many[0] = MirrorDirectory(NEAR.online, NEAR.ready, (), {"17": Via.ORIGIN})
    found = world(origin, **({"mirrors__via": "origin"} if how == "settings" else {}))
    assert {site.name for site in found.sites} == {"10.0.0.0", "10.0.1.0"}
    assert not found.mirrors


def test_the_servers_limits_are_the_origins_line(origin: TestOrigin, many: Any) -> None:
    found = world(origin, bandwidth__rules="2MB/s mon-fri 8-18; 64kB/s each; 1kB/s 10.0.0.0/8", agents__prolog_freq_h=6)
    assert found.origin == Line.read("2MB/s mon-fri 8-18; 64kB/s each")
    assert found.prolog_freq_h == 6
