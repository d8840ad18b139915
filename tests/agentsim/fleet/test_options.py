"""Options of a fleet: how they are read and shared out."""

from __future__ import annotations

from typing import Any

import pytest

from agentsim.fleet.options import Arrival, Arrivals, FaultShares, FleetOptions, read_arrival, read_shares
from distd.domain.errors import BadInput


def options(agents: int = 1000, **values: Any) -> FleetOptions:
    return FleetOptions("https://h/", "", agents, **values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at-once", Arrival(Arrivals.AT_ONCE)),
        ("window=10min", Arrival(Arrivals.WINDOW, 600)),
        ("poisson=2.5/s", Arrival(Arrivals.POISSON, 2.5)),
        ("office", Arrival(Arrivals.OFFICE)),
        ("closed=100", Arrival(Arrivals.CLOSED, 100)),
    ],
)
def test_arrivals_are_read(text: Any, expected: Any) -> None:
    assert read_arrival(text) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "at-once=3", "window", "window=x", "poisson=0/s", "poisson=5", "closed=0"]
)
def test_what_is_no_arrival(text: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read_arrival(text)
    assert caught.value.field == "--arrival"


def test_shares_are_read() -> None:
    got = read_shares(["vanish=1%", "sleep=5%:2h", "slow=10%:64kB/s", "corrupt=0.1%", "stale=100%"])
    assert got == FaultShares(0.01, 0.05, 0.1, 0.001, 1.0, 7200, 64_000)
    assert read_shares([]) == FaultShares()


@pytest.mark.parametrize(
    "text", ["", "vanish", "vanish=2", "vanish=101%", "fly=1%", "vanish=1%:3", "sleep=1%:x", "slow=1%:fast"]
)
def test_what_is_no_share(text: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read_shares([text])
    assert caught.value.field == "--behaviour"


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
@pytest.mark.parametrize("at_a_time", [1, 2, 5, 100])
def test_so_many_at_a_time_are_of_all_shards_together(shards: Any, at_a_time: Any) -> None:
    parts = options(arrival=Arrival(Arrivals.CLOSED, at_a_time)).split(shards)
    assert len(parts) == min(shards, at_a_time)
    assert sum(part.max_active for part in parts) == at_a_time
    assert min(part.max_active for part in parts) >= 1
    assert sorted(number for part in parts for number in part.numbers) == list(range(1000))


def test_all_of_a_shard_may_be_there_at_once() -> None:
    parts = options(arrival=Arrival(Arrivals.POISSON, 5)).split(3)
    assert [(part.shard, part.shards) for part in parts] == [(0, 3), (1, 3), (2, 3)]
    assert [part.max_active for part in parts] == [len(part.numbers) for part in parts] == [334, 333, 333]
