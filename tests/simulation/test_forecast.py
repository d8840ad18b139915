from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from distd.domain.errors import BadInput
from distd.domain.records import Dialect, DownloadConfig
from distd.simulation.forecast import make_forecast
from distd.simulation.goals import Goal, is_goal_met, solve
from distd.simulation.sampling import take_sample
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import Line, Mirror, Package, Site, World

DAY_S = 86_400.0
MB = 1_000_000


def world(agents: Any = 500, **values: Any) -> Any:
    sites = (Site("large", agents, Line.read("4Mbit/s")), Site("small", 20))
    return World(**({"packages": (Package.cut("p", 5, 3 * MB, 262_144),), "sites": sites} | values))


def simulated(chosen: Any, size_bytes: Any, answer: Any, seed: Any) -> Any:
    """The answer, simulated whole: when the goal's share is through, and the peak of the fullest line."""
    package = Package.cut("p", answer.priority, size_bytes, answer.fragment_bytes)
    done = replace(chosen, packages=(package,), config=answer.config)
    result = simulate(done, seed)
    through = np.sort(result.done_us[0])
    return through / 1e6, max(line.peak_bytes_per_s for line in summarise(done, result).lines)


@pytest.mark.parametrize(
    ("agents", "size_bytes", "line", "goal"),
    [
        (2000, 53 * MB, "", Goal(0.95, 4 * DAY_S, 5 * MB)),
        (300, 53 * MB, "4Mbit/s", Goal(0.95, 3 * DAY_S, 200_000)),
        (5000, 252_000, "", Goal(0.99, 2 * DAY_S, 100_000)),
        (30, 252_000, "", Goal(0.5, DAY_S)),
        (30, 252_000, "", Goal(0.95, DAY_S)),  # contacts alone take nearly all of the day
        (1, 10, "", Goal(1.0, 2 * DAY_S, 1000)),
        (500, 20 * MB, "100kB/s", Goal(0.95, 2 * DAY_S)),  # the line needs 28 h for it
        (500, 5 * MB, "400kB/s; 20kB/s mon-fri 8-18", Goal(0.95, 3 * DAY_S)),
        (200, 20 * MB, "1MB/s; 10kB/s each", Goal(0.95, 2 * DAY_S)),
        (10, 30_000 * MB, "", Goal(0.95, 30 * DAY_S)),
    ],
)
@pytest.mark.parametrize("dialects", [{Dialect.UNIX: 1.0}, {Dialect.WINDOWS: 4.0, Dialect.NATIVE: 1.0}])
def test_an_answer_holds(agents: Any, size_bytes: Any, line: Any, goal: Any, dialects: Any) -> None:
    sites = (Site("large", agents, Line.read(line)), Site("small", 20))
    chosen = world(sites=sites, dialects=dialects)
    answer = solve(chosen, size_bytes, 5, goal)
    assert answer.is_met
    # Another draw than the one it was checked with: near the goal is good enough there.
    through, peak = simulated(chosen, size_bytes, answer, 99)
    assert through[math.ceil(goal.share * len(through)) - 1] <= goal.within_s * 1.005
    assert peak <= goal.max_bytes_per_s * 1.15
    assert answer.config.period_length >= answer.priority
    # It is not quicker than need be: at most half of the time is left over, if latencies could be longer.
    if answer.config.cycle_latency_s < 3600 and answer.fragments > 1 and not line:
        assert answer.finish_s > goal.within_s / 2


@pytest.mark.parametrize(
    ("sites", "size_bytes", "goal"),
    [
        # 2,000 times 53 MB in a day is 1.2 MB/s, however it is spread.
        ((Site("s", 2000),), 53 * MB, Goal(0.95, 1.2 * DAY_S, 100_000)),
        # 2,000 times 3 MB by a line of 12.5 kB/s take more than five days.
        ((Site("s", 2000, Line.read("100kbit/s")),), 3 * MB, Goal(0.95, 3 * DAY_S)),
        # Most of the smaller site's agents count too.
        ((Site("a", 2000), Site("b", 1900, Line.read("10kB/s"))), 3 * MB, Goal(0.95, 4 * DAY_S)),
        # Contacts come over a day.
        ((Site("s", 200),), MB, Goal(0.95, 8 * 3600.0)),
        ((Site("s", 200),), MB, Goal(0.95, 60.0)),
    ],
)
def test_a_goal_that_cannot_be_met_is_said_to_be_none(sites: Any, size_bytes: Any, goal: Any) -> None:
    chosen = world(sites=sites)
    answer = solve(chosen, size_bytes, 5, goal)
    assert not answer.is_met
    through, peak = simulated(chosen, size_bytes, answer, 99)
    late = through[math.ceil(goal.share * len(through)) - 1] > goal.within_s
    assert late or peak > goal.max_bytes_per_s
    assert answer.finish_s is not None


def test_contacts_that_come_too_late_are_told_of() -> None:
    answer = solve(world(), MB, 5, Goal(0.95, 8 * 3600.0))
    assert answer.contact_s == pytest.approx(0.95 * DAY_S, rel=0.02)
    assert (answer.config.frag_latency_s, answer.priority) == (1, 1)


def test_what_mirrors_send_is_on_no_line() -> None:
    near = Mirror(Line.read("10MB/s"))
    answer = solve(world(sites=(Site("s", 2000, Line.read("1kB/s"), near),)), 3 * MB, 5, Goal(0.95, 2 * DAY_S, 100_000))
    assert answer.is_met
    assert answer.peak_bytes_per_s == 0


def test_a_thin_origin_is_nobodys_line_and_yet_in_the_way() -> None:
    goal = Goal(0.95, 2 * DAY_S)
    assert not solve(world(2000, origin=Line.read("10kB/s")), 3 * MB, 5, goal).is_met
    assert solve(world(2000, origin=Line.read("1MB/s")), 3 * MB, 5, goal).is_met


def test_a_command_without_a_file() -> None:
    answer = solve(world(), 0, 5, Goal(0.95, 2 * DAY_S, 1000))
    assert answer.is_met
    assert (answer.fragments, answer.peak_bytes_per_s) == (0, 0)


def test_nothing_takes_longer_than_agents_have_patience() -> None:
    """TIMEOUT, and the horizon of the simulation, bound what is left of a long time."""
    for days in (34, 45, 60):
        answer = solve(world(100), 2000 * MB, 5, Goal(0.95, days * DAY_S))
        assert answer.is_met, days
        assert answer.finish_s <= 31 * DAY_S


@pytest.mark.parametrize("goal", [Goal(0.0, DAY_S), Goal(0.5, 0.0), Goal(0.5, DAY_S, 0.0), Goal(1.5, DAY_S)])
def test_what_is_no_goal(goal: Any) -> None:
    with pytest.raises(BadInput) as caught:
        solve(world(), MB, 5, goal)
    assert caught.value.field == "goal"


def test_very_many_are_answered_for_by_some() -> None:
    chosen = world(sites=(Site("large", 2_000_000, Line.read("100MB/s")), Site("small", 3)))
    answer = solve(chosen, 252_000, 5, Goal(0.95, 2 * DAY_S, 50 * MB))
    assert answer.is_met
    assert answer.one_in > 1


def test_whether_a_goal_holds_as_things_stand() -> None:
    goal = Goal(0.95, 2 * DAY_S, 100_000)
    assert is_goal_met(world(50), goal)
    assert not is_goal_met(world(50), Goal(0.95, DAY_S / 2))
    assert not is_goal_met(world(50), Goal(0.95, 2 * DAY_S, 1000))
    # One of two packages gets no turn at all, so nobody is ever through with both.
    both = (Package.cut("p", 5, 3 * MB, 262_144), Package.cut("q", 11, MB, 262_144))
    assert not is_goal_met(world(50, packages=both), goal)


def test_thinned_worlds_are_like_the_whole() -> None:
    """A line of a tenth with a tenth of the agents is as busy; times and peaks are rather too high."""
    chosen = world(sites=(Site("large", 4000, Line.read("400kB/s")), Site("small", 7)))
    sample = take_sample(chosen, 6000)
    assert (sample.one_in, sample.world.agents, sample.weights) == (9, 445, (4000 / 444, 7.0))
    whole, some = (summarise(one, simulate(one, 2)) for one in (chosen, sample.world))
    some = sample.scale_up(some)
    for share in (50, 95):
        assert some.all.after_s[share] == pytest.approx(whole.all.after_s[share], rel=0.05)
    assert [load.bytes for load in some.lines] == [load.bytes for load in whole.lines]
    assert whole.lines[0].peak_bytes_per_s <= some.lines[0].peak_bytes_per_s * 1.05
    assert take_sample(chosen, 10**6).world is chosen


def test_a_forecast_of_very_many_is_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distd.simulation.forecast.MAX_TURNS", 5000)
    some, whole = make_forecast(world(5000)), simulate(world(5000), 0)
    assert (some.agents, some.one_in) == (5020, 14)
    assert some.origin.bytes == pytest.approx(whole.origin_bytes.sum(), rel=0.02)
    assert sum(line.bytes for line in some.lines) == pytest.approx(some.origin.bytes, rel=0.02)


def test_a_forecast_has_bands() -> None:
    config = DownloadConfig(frag_latency_s=10, cycle_latency_s=10, period_latency_s=10)
    forecast = make_forecast(world(config=config))
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


def test_a_forecast_of_what_never_comes() -> None:
    forecast = make_forecast(world(packages=(Package.cut("p", 11, MB, 262_144),)))
    assert set(forecast.finish_s.values()) == {None}
    assert forecast.curve == []


def test_with_very_many_agents_one_draw_does() -> None:
    package = Package.cut("p", 1, 1000, 1000)
    assert make_forecast(World((package,), (Site("s", 2_100_000),))).draws == 1
