from __future__ import annotations

import pytest

from distd.domain.settings import DownloadConfig
from distd.simulation.forecast import make_forecast
from distd.simulation.simulate import simulate
from distd.simulation.world import Package, Site, World
from tests.simulation.worlds import MB, small_world


def test_a_forecast_for_many_agents_is_of_a_sample() -> None:
    some, whole = make_forecast(small_world(5000), max_turns=5000), simulate(small_world(5000), 0)
    assert (some.agents, some.one_in) == (5020, 14)
    assert some.origin.bytes == pytest.approx(whole.origin_bytes.sum(), rel=0.02)
    assert sum(line.bytes for line in some.lines) == pytest.approx(some.origin.bytes, rel=0.02)


def test_a_forecast_has_ranges() -> None:
    config = DownloadConfig(frag_latency_s=10, cycle_latency_s=10, period_latency_s=10)
    forecast = make_forecast(small_world(config=config))
    assert (forecast.agents, forecast.draws) == (520, 5)
    half = forecast.finish_s[50]
    assert half is not None
    for share, spread in forecast.finish_s.items():
        assert spread is not None, share
        assert spread == tuple(sorted(spread))
        assert spread[0] >= half[0], share
    assert all(low <= middle <= high for _, low, middle, high in forecast.curve)
    for column in zip(*forecast.curve, strict=True):
        assert list(column) == sorted(column)
    assert forecast.curve[-1][1] == 1.0
    assert [line.name for line in forecast.lines] == ["large", "small"]
    # No line carries more than its rate.
    assert forecast.lines[0].peak_bytes_per_s <= 500_000 + 262_144 / 60


def test_a_forecast_of_a_package_that_never_comes() -> None:
    forecast = make_forecast(small_world(packages=(Package.from_sizes("p", 11, MB, 262_144),)))
    assert set(forecast.finish_s.values()) == {None}
    assert forecast.curve == []


def test_with_very_many_agents_there_is_one_draw() -> None:
    package = Package.from_sizes("p", 1, 1000, 1000)
    assert make_forecast(World((package,), (Site("s", 2_100_000),))).draws == 1
