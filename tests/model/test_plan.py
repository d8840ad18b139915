import math
from dataclasses import replace

import numpy as np
import pytest

from distd.core.errors import BadInput
from distd.core.records import Dialect, DownloadConfig
from distd.model.plan import Goal, foresee, solve
from distd.model.simulate import simulate
from distd.model.summary import summarise
from distd.model.world import Line, Package, Site, World

DAY_S = 86_400.0
MB = 1_000_000


def world(agents=500, **values):
    sites = (Site("large", agents, Line.read("4Mbit/s")), Site("small", 20))
    return World(**({"packages": (Package.cut("p", 5, 3 * MB, 262_144),), "sites": sites} | values))


def simulated(chosen, size_bytes, answer, seed):
    """The answer, simulated whole: when the goal's share is through, and the peak of the fullest line."""
    package = Package.cut("p", answer.priority, size_bytes, answer.fragment_bytes)
    sites = tuple(replace(site, line=Line()) for site in chosen.sites)
    done = replace(chosen, packages=(package,), sites=sites, config=answer.config, prolog_freq_h=answer.prolog_freq_h)
    outcome = simulate(done, seed)
    through = np.sort(outcome.done_us[0])
    return through / 1e6, max(line.peak_bytes_per_s for line in summarise(done, outcome).lines)


@pytest.mark.parametrize(
    ("agents", "size_bytes", "goal"),
    [
        (2000, 53 * MB, Goal(0.95, 4 * DAY_S, 5 * MB)),
        (300, 53 * MB, Goal(0.95, 3 * DAY_S, 200_000)),
        (5000, 252_000, Goal(0.99, 2 * DAY_S, 100_000)),
        (30, 252_000, Goal(0.5, DAY_S)),
        (1, 10, Goal(1.0, 2 * DAY_S, 1000)),
        (200, 20 * MB, Goal(0.95, 8 * 3600.0, 10 * MB)),  # needs contacts more often
    ],
)
@pytest.mark.parametrize("dialects", [{Dialect.UNIX: 1.0}, {Dialect.WINDOWS: 4.0, Dialect.NATIVE: 1.0}])
def test_an_answer_holds(agents, size_bytes, goal, dialects):
    chosen = world(agents, dialects=dialects)
    answer = solve(chosen, size_bytes, 5, goal)
    assert answer.is_met
    # Another draw than the one it was checked with, and all sites: near the goal is good enough there.
    through, peak = simulated(chosen, size_bytes, answer, 99)
    assert through[math.ceil(goal.share * len(through)) - 1] <= goal.within_s
    assert peak <= goal.most_bytes_per_s * 1.15
    assert answer.config.period_length >= answer.priority
    # It is not quicker than need be: at most half of the time is left over, if latencies could be longer.
    if answer.config.cycle_latency_s < 3600 and answer.fragments > 1:
        assert answer.finish_s > goal.within_s / 2


def test_a_goal_that_cannot_be_met_has_the_nearest_answer():
    """2,000 times 53 MB in a day is 1.2 MB/s, however it is spread."""
    answer = solve(world(2000), 53 * MB, 5, Goal(0.95, 1.2 * DAY_S, 100_000))
    assert not answer.is_met
    assert answer.peak_bytes_per_s > 1_000_000
    assert answer.finish_s <= 1.2 * DAY_S


def test_a_time_in_which_nobody_makes_a_contact():
    with pytest.raises(BadInput) as caught:
        solve(world(), MB, 5, Goal(0.95, 60.0))
    assert caught.value.field == "--by"
    with pytest.raises(BadInput):
        solve(world(), MB, 5, Goal(0.0, DAY_S))


def test_very_many_are_answered_for_by_some():
    answer = solve(world(2_000_000), 252_000, 5, Goal(0.95, 2 * DAY_S, 50 * MB))
    assert answer.is_met
    assert answer.simulated_agents <= 500_000


def test_a_forecast_has_bands():
    config = DownloadConfig(frag_latency_s=10, cycle_latency_s=10, period_latency_s=10)
    forecast = foresee(world(config=config))
    assert (forecast.agents, forecast.draws) == (520, 5)
    for share, (low, middle, high) in forecast.finish_s.items():
        assert low <= middle <= high
        assert low >= forecast.finish_s[50][0], share
    assert all(low <= middle <= high for _, low, middle, high in forecast.curve)
    for column in zip(*forecast.curve, strict=True):
        assert list(column) == sorted(column)
    assert forecast.curve[-1][1] == 1.0
    assert [line.name for line in forecast.lines] == ["large", "small"]
    # The line cannot carry more than it can.
    assert forecast.lines[0].peak_bytes_per_s <= 500_000 + 262_144 / 60


def test_a_forecast_of_what_never_comes():
    forecast = foresee(world(packages=(Package.cut("p", 11, MB, 262_144),)))
    assert set(forecast.finish_s.values()) == {None}
    assert forecast.curve == []


def test_with_very_many_agents_one_draw_does():
    package = Package.cut("p", 1, 1000, 1000)
    assert foresee(World((package,), (Site("s", 2_100_000),))).draws == 1
