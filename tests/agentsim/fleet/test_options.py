from __future__ import annotations

from typing import Any

import pytest

from agentsim.fleet.arrivals import arrivals
from agentsim.fleet.faults import draw_fate
from agentsim.fleet.options import Arrival, Arrivals, Order, Shares, read_arrival, read_shares
from agentsim.fleet.thresholds import in_unit, read
from distd.domain.errors import BadInput

ORDER = Order("https://h/", "", 1000)


def order(**values: Any) -> Any:
    return Order("https://h/", "", **({"agents": 1000} | values))


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
    assert got == Shares(0.01, 0.05, 0.1, 0.001, 1.0, 7200, 64_000)
    assert read_shares([]) == Shares()


@pytest.mark.parametrize(
    "text", ["", "vanish", "vanish=2", "vanish=101%", "fly=1%", "vanish=1%:3", "sleep=1%:x", "slow=1%:fast"]
)
def test_what_is_no_share(text: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read_shares([text])
    assert caught.value.field == "--behaviour"


# --- who comes when


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
        part = arrivals(order(arrival=arrival, shard=shard, shards=3, first=7), sites)
        assert part == sorted(part)
        assert part == arrivals(order(arrival=arrival, shard=shard, shards=3, first=7), sites)
        found += part
    assert sorted(number for _, number in found) == list(range(7, 1007))
    assert all(at_s >= 0 for at_s, _ in found)


def test_what_is_planned_is_scaled() -> None:
    window = [at_s for at_s, _ in arrivals(order(arrival=Arrival(Arrivals.WINDOW, 600), time_scale=60), {})]
    assert 9 < max(window) < 10
    assert 4 < sum(window) / 1000 < 6
    poisson = arrivals(order(arrival=Arrival(Arrivals.POISSON, 5), time_scale=10, shard=1, shards=2), {})
    assert 16 < poisson[-1][0] < 25  # 500 agents, 25 a second
    sites = {number: number % 4 for number in range(1000)}
    office = arrivals(order(arrival=Arrival(Arrivals.OFFICE), time_scale=3600), sites)
    assert 1 < office[-1][0] < 4  # hours as seconds
    means = [sum(at_s for at_s, number in office if sites[number] == site) / 250 for site in range(4)]
    assert len({round(mean, 1) for mean in means}) > 2


def test_fates_are_drawn_by_their_shares_and_stay() -> None:
    chosen = order(shares=Shares(vanish=0.2, sleep=0.3, slow=0.1, corrupt=0.05, stale=0.4), agents=4000)
    fates = [draw_fate(chosen, number) for number in range(4000)]
    shares = [
        sum(bool(getattr(fate, name)) for fate in fates) / 4000
        for name in ("vanish", "sleep", "limit_bytes_per_s", "corrupt", "stale")
    ]
    assert shares == pytest.approx([0.2, 0.3, 0.1, 0.05, 0.4], abs=0.03)
    again = draw_fate(chosen, 17)
    assert all(getattr(again, name) == getattr(fates[17], name) for name in again.__slots__)
    assert draw_fate(order(), 17) is None


# --- shards


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
@pytest.mark.parametrize("at_a_time", [1, 2, 5, 100])
def test_so_many_at_a_time_are_of_all_shards_together(shards: Any, at_a_time: Any) -> None:
    parts = order(arrival=Arrival(Arrivals.CLOSED, at_a_time)).shared_out(shards)
    assert len(parts) == min(shards, at_a_time)
    assert sum(part.at_a_time for part in parts) == at_a_time
    assert min(part.at_a_time for part in parts) >= 1
    assert sorted(number for part in parts for number in part.numbers) == list(range(1000))


def test_all_of_a_shard_may_be_there_at_once() -> None:
    parts = order(arrival=Arrival(Arrivals.POISSON, 5)).shared_out(3)
    assert [(part.shard, part.shards) for part in parts] == [(0, 3), (1, 3), (2, 3)]
    assert [part.at_a_time for part in parts] == [len(part.numbers) for part in parts] == [334, 333, 333]


# --- thresholds


@pytest.mark.parametrize(
    ("text", "figures", "holds"),
    [
        ("fragment_p99<200ms", {"fragment_p99": 0.1999}, True),
        ("fragment_p99<200ms", {"fragment_p99": 0.2}, False),
        ("fragment_p99 <= 200 ms", {"fragment_p99": 0.2}, True),
        ("fragment_p99<200ms", {}, False),
        ("success>=99.9%", {"success": 0.999}, True),
        ("success>=99.9%", {"success": 0.998}, False),
        ("lost==0", {"lost": 0}, True),
        ("finish_p95<2h", {"finish_p95": 7199.0}, True),
        ("finish_p95<2h", {"finish_p95": float("inf")}, False),
        ("bytes_per_s>10MB/s", {"bytes_per_s": 1e7}, False),
        ("memory<=1GB", {"memory": 1e9}, True),
    ],
)
def test_thresholds(text: Any, figures: Any, holds: Any) -> None:
    assert read(text).holds(figures) is holds


@pytest.mark.parametrize(
    "text", ["", "fragment_p99", "fragment_p98<1s", "speed>3", "success>=99%%", "success=>1", "lost==x", "lost==-1"]
)
def test_what_is_no_threshold(text: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read(text)
    assert caught.value.field == "--threshold"


@pytest.mark.parametrize(
    ("text", "value", "told"),
    [
        ("fragment_p99<200ms", 0.004991, "4.991 ms"),
        ("success>=99.9%", 0.99914, "99.914%"),
        ("bytes_per_s<=2.1MB/s", 1_669_560.0, "1.6696 MB/s"),
        ("lost==0", 0, "0"),
        ("fragments>=1000", 80_000, "80,000"),
        ("finish_p99<5min", None, "none"),
    ],
)
def test_what_a_figure_was_is_told_in_the_unit_of_its_threshold(text: Any, value: Any, told: Any) -> None:
    assert in_unit(text, value) == told


@pytest.mark.parametrize("text", ["success>=99.9", "errors<5"])
def test_a_share_is_no_more_than_all(text: Any) -> None:
    with pytest.raises(BadInput) as caught:
        read(text)
    assert "0% to 100%" in str(caught.value)
