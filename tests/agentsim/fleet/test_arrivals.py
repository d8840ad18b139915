"""When agents make their first contact."""

from __future__ import annotations

from typing import Any

import pytest

from agentsim.fleet.arrivals import arrivals
from agentsim.fleet.options import Arrival, Arrivals, FleetOptions


def options(agents: int = 1000, **values: Any) -> FleetOptions:
    return FleetOptions("https://h/", "", agents, **values)


@pytest.mark.parametrize(
    "arrival",
    [
        Arrival(),
        Arrival(Arrivals.WINDOW, 600),
        Arrival(Arrivals.POISSON, 50),
        Arrival(Arrivals.OFFICE),
        Arrival(Arrivals.CLOSED, 9),
    ],
)
def test_each_number_comes_once_in_one_of_the_shards(arrival: Any) -> None:
    sites = {number: number % 40 for number in range(2000)}
    found = []
    for shard in range(3):
        part = arrivals(options(arrival=arrival, shard=shard, shards=3, first=7), sites)
        assert part == sorted(part)
        assert part == arrivals(options(arrival=arrival, shard=shard, shards=3, first=7), sites)
        found += part
    assert sorted(number for _, number in found) == list(range(7, 1007))
    assert all(at_s >= 0 for at_s, _ in found)


def test_what_is_planned_is_scaled() -> None:
    window = [at_s for at_s, _ in arrivals(options(arrival=Arrival(Arrivals.WINDOW, 600), time_scale=60), {})]
    assert 9 < max(window) < 10
    assert 4 < sum(window) / 1000 < 6
    poisson = arrivals(options(arrival=Arrival(Arrivals.POISSON, 5), time_scale=10, shard=1, shards=2), {})
    assert 16 < poisson[-1][0] < 25  # 500 agents, 25 a second
    sites = {number: number % 4 for number in range(1000)}
    office = arrivals(options(arrival=Arrival(Arrivals.OFFICE), time_scale=3600), sites)
    assert 1 < office[-1][0] < 4  # hours as seconds
    means = [sum(at_s for at_s, number in office if sites[number] == site) / 250 for site in range(4)]
    assert len({round(mean, 1) for mean in means}) > 2
