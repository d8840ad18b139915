"""Size and number of fragments bound to each other, and how long it lasts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain import fragment_plan
from distd.domain.cut_preview import (
    MAX_POINTS,
    SHARES,
    Course,
    Cut,
    course_of,
    cut_by_count,
    cut_by_size,
    finish_of_many,
)
from distd.domain.errors import BadInput
from distd.domain.records import Dialect
from distd.domain.settings import DownloadConfig
from distd.simulation.simulate import simulate
from distd.simulation.world import Line, Package, Site, World

CONFIG = DownloadConfig()
FAST = 1e12


@given(st.integers(0, 10_000_000), st.integers(1024, 20_000_000))
def test_a_size_gives_the_number_that_a_build_makes(total_bytes: int, fragment_bytes: int) -> None:
    cut = cut_by_size(total_bytes, fragment_bytes)
    assert cut.count == len(fragment_plan.by_size(total_bytes, fragment_bytes))


@given(st.integers(1024, 10_000_000), st.integers(1, 1000))
def test_a_number_gives_the_longest_fragment_that_a_build_makes(total_bytes: int, count: int) -> None:
    count = min(count, total_bytes // 1024)
    cut = cut_by_count(total_bytes, count)
    assert cut.fragment_bytes == max(fragment_plan.by_count(total_bytes, count))


def test_by_default_a_small_file_is_one_fragment() -> None:
    assert cut_by_size(252_000) == Cut(252_000, 252_000, 1)
    assert cut_by_size(0) == Cut(0, 1024, 1)
    assert cut_by_size(3 << 20) == Cut(3 << 20, 1 << 20, 3)


@pytest.mark.parametrize(
    ("cut", "field"),
    [
        (lambda: cut_by_size(5000, 1023), "fragments.size_bytes"),
        (lambda: cut_by_size(1 << 40, 1024), "fragments.size_bytes"),
        (lambda: cut_by_count(5000, 5), "fragments.count"),
        (lambda: cut_by_count(5000, 0), "fragments.count"),
    ],
)
def test_what_cannot_be(cut: object, field: str) -> None:
    assert callable(cut)
    with pytest.raises(BadInput) as caught:
        cut()
    assert caught.value.field == field


def test_the_course_of_the_handouts_package() -> None:
    course = course_of(cut_by_size(252_000), 5, Dialect.WINDOWS, CONFIG, FAST)
    # Its turns are in the cycles 5 and 10, after the pauses of the cycles before.
    ((fetched_s, fragments),) = course.fetched
    assert fragments == 1
    assert fetched_s == pytest.approx(60.0)
    assert course.done_s == pytest.approx(60.0 + 15 + 5 * 15)


def test_a_thin_line_takes_longer_and_no_turn_takes_for_ever() -> None:
    cut = cut_by_count(4_000_000, 400)
    course = course_of(cut, 1, Dialect.UNIX, CONFIG, FAST)
    assert course_of(cut, 1, Dialect.UNIX, CONFIG, 10_000).done_s == pytest.approx(course.done_s + 400)
    assert len(course.fetched) <= MAX_POINTS + 1
    assert course.fetched[-1][1] == 400
    assert course_of(cut, 7, Dialect.UNIX, DownloadConfig(period_length=5), FAST).done_s == math.inf


def test_many_agents_come_one_after_another_and_share_what_the_server_sends() -> None:
    course, whole = Course((), 100.0), Cut(1000, 1000, 1)
    assert finish_of_many(10, course, whole, 3600.0) == pytest.approx({50: 1900.0, 95: 3520.0, 100: 3700.0})
    limited = finish_of_many(10, course, whole, 3600.0, 1.0)
    assert limited == pytest.approx({50: 5100.0, 95: 9600.0, 100: 10_100.0})
    assert finish_of_many(10, course, whole, 3600.0, 1e9) == finish_of_many(10, course, whole, 3600.0)
    # With two fragments, and hardly any time to come in, half of them have both when three quarters are sent.
    at_once = finish_of_many(10, course, Cut(1000, 500, 2), 1.0, 1.0)
    assert at_once == pytest.approx({50: 7600.0, 95: 9850.0, 100: 10_100.0}, rel=0.001)


@pytest.mark.parametrize(
    ("dialect", "priority", "count"), [(Dialect.WINDOWS, 5, 1), (Dialect.UNIX, 1, 40), (Dialect.WINDOWS, 3, 20)]
)
def test_what_many_agents_need_is_what_a_simulation_gives(dialect: Dialect, priority: int, count: int) -> None:
    cut, agents = cut_by_count(4_000_000, count), 2000
    course = course_of(cut, priority, dialect, CONFIG, 1_000_000)
    package = Package.from_sizes("p", priority, cut.total_bytes, cut.fragment_bytes)
    site = Site("s", agents, Line.read("1MB/s each"))
    world = World((package,), (site,), CONFIG, dialects={dialect: 1.0}, contact_s=86_400, round_trip_s=0)
    assert _simulated_s(world) == pytest.approx(finish_of_many(agents, course, cut, 86_400.0), rel=0.02)


@pytest.mark.parametrize("count", [1, 4, 16])
@pytest.mark.parametrize("bytes_per_s", [15_000, 150_000, 450_000])
def test_a_limit_of_the_server_is_what_a_simulation_gives(count: int, bytes_per_s: int) -> None:
    """1.2 GB for 300 agents that come within an hour: the server is overloaded by far, by a factor of two, or not."""
    cut, agents = cut_by_count(4_000_000, count), 300
    no_pauses = DownloadConfig(frag_latency_s=0, cycle_latency_s=0, period_latency_s=0)
    for config, courses in ((no_pauses, 0), (CONFIG, 1)):
        course = course_of(cut, 1, Dialect.UNIX, config, FAST)
        package = Package.from_sizes("p", 1, cut.total_bytes, cut.fragment_bytes)
        origin = Line.of(bytes_per_s)
        world = World((package,), (Site("s", agents),), config, origin=origin, contact_s=3600, round_trip_s=0)
        expected_s = finish_of_many(agents, course, cut, 3600.0, bytes_per_s)
        assert _simulated_s(world) == pytest.approx(expected_s, rel=0.03, abs=courses * course.done_s)


def _simulated_s(world: World) -> dict[int, float]:
    done_s = np.sort(simulate(world, 1).done_us[0]) / 1e6
    assert done_s[0] > 0
    return {share: float(done_s[len(done_s) * share // 100 - 1]) for share in SHARES}
