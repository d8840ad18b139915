"""Roll-outs in virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from distd.domain.settings import DownloadConfig
from distd.domain.weekly_windows import parse_windows
from distd.simulation import rollout
from distd.simulation.records import RolloutWorld, SimulatedWave
from distd.simulation.rollout import simulate_rollout
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import Line, Package, Site, World

if TYPE_CHECKING:
    from distd.simulation.records import RolloutForecast

HOUR_S = 3600.0
CONFIG = DownloadConfig(frag_latency_s=60, cycle_latency_s=60, period_latency_s=60)
PACKAGE = Package("17", 1, (1000, 1000))
WORLD = World((PACKAGE,), (Site("a", 40), Site("b", 20)), CONFIG, prolog_freq_h=2)
WAVES = (SimulatedWave("pilot", 90, 0.0), SimulatedWave("", 90, 0.0), SimulatedWave("rest", 50, 24 * HOUR_S))
ROLLOUT = RolloutWorld(WORLD, ((4, 16, 20), (2, 8, 10)), WAVES)


def opens(found: RolloutForecast) -> list[float | None]:
    return [wave.opens_s for wave in found.waves]


def test_a_wave_opens_by_the_share_of_the_one_before_and_the_time() -> None:
    found = simulate_rollout(ROLLOUT)
    assert [wave.computers for wave in found.waves] == [6, 24, 30]
    first, second, third = opens(found)
    assert (first, second) == (0.0, found.waves[0].finish_s[90])
    assert second is not None
    assert third == second + 24 * HOUR_S
    assert found.curve[-1][1] == 1.0
    assert found.finish_s[100] == pytest.approx(found.waves[2].finish_s[100], abs=0.001)
    assert (found.agents, found.one_in, found.origin.bytes) == (60, 1, 60 * 2000)
    assert [(load.name, load.bytes) for load in found.lines] == [("a", 80_000), ("b", 40_000)]


def test_one_wave_is_the_deployment() -> None:
    """All that is different is when contacts are drawn to be."""
    found = simulate_rollout(replace(ROLLOUT, counts=((40,), (20,)), waves=(SimulatedWave("", 90, 0.0),)))
    whole = summarise(WORLD, simulate(WORLD, 0))
    assert found.origin.bytes == whole.origin.bytes
    ends = [finish[100] for finish in (found.finish_s, whole.all.after_s)]
    assert all(end is not None and 1.5 * HOUR_S < end < 3 * HOUR_S for end in ends)


def test_a_limit_of_computers_at_once_makes_it_longer() -> None:
    free, limited = (simulate_rollout(replace(ROLLOUT, at_once=at_once)) for at_once in (None, 3))
    assert free.finish_s[100] is not None
    assert limited.finish_s[100] is not None
    # 30 computers by threes: each is busy for an hour until its contact, on the average.
    assert limited.finish_s[100] > free.finish_s[100] + 4 * HOUR_S
    assert limited.curve[-1][1] == 1.0
    assert limited.origin.peak_bytes_per_s <= free.origin.peak_bytes_per_s


def test_times_of_the_week() -> None:
    night = replace(ROLLOUT, windows=parse_windows("20-6", "windows"))  # it would begin on Monday at 0:00
    found = simulate_rollout(replace(night, world=replace(WORLD, begins_min=12 * 60)))
    assert opens(found)[0] == 8 * HOUR_S
    assert found.curve[-1][1] == 1.0
    for at_s in opens(found):
        assert (at_s is not None and (12 + at_s / HOUR_S) % 24 >= 20) or (12 + (at_s or 0) / HOUR_S) % 24 < 6


def test_computers_without_a_contact_in_these_times_are_never_told() -> None:
    seldom = replace(WORLD, prolog_freq_h=24)
    found = simulate_rollout(replace(ROLLOUT, world=seldom, windows=parse_windows("0-6", "windows")))
    assert found.waves[0].finish_s[100] is None
    assert opens(found)[1:] == [None, None]


def test_waves_share_the_lines() -> None:
    """The second wave opens at once, so both are on a line that has no more."""
    slow = replace(WORLD, sites=(Site("a", 60, Line.of(1000)),), packages=(Package("17", 1, (100_000,)),))
    waves = (WAVES[0], SimulatedWave("", 0, 0.0))
    found = simulate_rollout(RolloutWorld(slow, ((30, 30),), waves))
    assert opens(found) == [0.0, 0.0]
    assert found.lines[0].peak_bytes_per_s <= 1000
    assert found.finish_s[100] is not None
    assert found.finish_s[100] > 60 * 100


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same(seed: int) -> None:
    assert simulate_rollout(ROLLOUT, seed) == simulate_rollout(ROLLOUT, seed)


def test_a_small_wave_is_in_the_sample_of_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 60,000 computers two in a thousand are simulated; the pilots are 5 of them, at the second site."""
    monkeypatch.setattr(rollout, "MAX_TURNS", 120 * 3 * 2)
    world = replace(WORLD, sites=(Site("a", 40_000), Site("b", 20_000)))
    waves = SimulatedWave("pilot", 90, 0.0), SimulatedWave("rest", 90, 24 * HOUR_S)
    found = simulate_rollout(RolloutWorld(world, ((0, 40_000), (5, 19_995)), waves))
    assert found.one_in > 100
    assert [wave.computers for wave in found.waves] == [5, 59_995]
    first, second = opens(found)
    assert first == 0.0
    assert second is not None
    assert second >= 24 * HOUR_S
    assert found.finish_s[50] is not None
    assert found.finish_s[50] > 24 * HOUR_S
    before = max(share for at_s, share in found.curve if at_s < 24 * HOUR_S)
    assert before == pytest.approx(5 / 60_000, abs=1e-6), "one agent stands for five computers"
    assert found.curve[-1][1] == 1.0
