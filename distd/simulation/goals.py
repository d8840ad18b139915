"""Which settings deploy a package in time without overloading a line.

The closed form of the schedulers says how long the latencies make an agent take, and the peak of a line follows from
how its fragments are spread. That gives candidates to try. A goal counts as met when a simulation of all computers and
their lines meets it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from distd.domain.errors import BadInput
from distd.domain.schedule import start_s
from distd.domain.units import DAY_S, WEEK_MIN
from distd.simulation.records import Answer
from distd.simulation.sampling import take_sample
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import HORIZON_DAYS, NEVER, Package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from distd.domain.records import Dialect
    from distd.domain.settings import DownloadConfig
    from distd.simulation.records import Goal
    from distd.simulation.sampling import Sample
    from distd.simulation.simulate import SimulationResult
    from distd.simulation.world import Line, Site, World

MAX_TURNS_OF_A_CHECK: Final = 2_000_000
MAX_SLICES: Final = 6_000  # of all checks together, after which no other check begins: about a second
TURNS_PER_SLICE: Final = 500  # so many turns cost as much as a slice of time does by itself
USED_SHARE: Final = 0.95  # of the time after the contacts; the rest is a reserve
MAX_LATENCY_S: Final = 3600
FULL_LINE_LATENCY_S: Final = 30  # on full lines shorter ones would only make agents wait for the line
LATENCY_DIVISOR: Final = 4  # where agents were late because they waited for their line
# 16 KiB to 4 MiB, the larger the better: they cost the server least. Larger ones where there would be too many of them.
FRAGMENT_POWERS: Final = (22, 13)
MAX_FRAGMENTS: Final = 5000
PRIORITIES: Final = (10, 5, 3, 2, 1)
WINDOW_S: Final = 60  # peaks are of one minute


@dataclass(frozen=True, slots=True)
class _Candidate:
    priority: int
    fragment_bytes: int
    fragments: int
    latency_s: int


def solve(world: World, size_bytes: int, priority: int, goal: Goal, seed: int = 0) -> Answer:
    """Settings for one package of `size_bytes`, alone, that meet the goal; else those that come nearest to it.

    The three latencies are the same, and as long as possible; the fragments are the largest that do. First contacts are
    as in `world`: agents would hear of a shorter time between contacts only at the next one. Raises `BadInput` for an
    impossible goal.
    """
    if not 0 < goal.share <= 1 or not goal.within_s > 0 or not goal.max_bytes_per_s > 0:
        raise BadInput("goal", "a share of the computers, a time, a rate, all above 0", goal)
    candidates = [
        (_peak_bytes_per_s(world, _config(world, candidate), candidate, size_bytes), candidate)
        for candidate in _candidates(world, size_bytes, priority, goal)
    ]
    fitting = [candidate for peak, candidate in candidates if peak <= goal.max_bytes_per_s]
    by_peak = sorted(candidates, key=lambda pair: pair[0])
    rest = [candidate for _, candidate in by_peak if candidate not in fitting]
    waiting = deque([*fitting, *rest])
    best: Answer | None = None
    slices = 0.0
    while waiting and (best is None or slices < MAX_SLICES):
        candidate = waiting.popleft()
        slices += _slices(world, candidate)
        answer = _check(world, size_bytes, candidate, goal, seed)
        if answer.is_met:
            return answer
        if best is None or _excess(answer, goal) < _excess(best, goal):
            best = answer
        if candidate.latency_s > FULL_LINE_LATENCY_S and (answer.finish_s is None or answer.finish_s > goal.within_s):
            latency_s = max(candidate.latency_s // LATENCY_DIVISOR, FULL_LINE_LATENCY_S)
            waiting.appendleft(replace(candidate, latency_s=latency_s))
    assert best is not None
    return best


def _excess(answer: Answer, goal: Goal) -> float:
    """How far it is from the goal: the time or the peak, by its part of what is allowed, whichever is worse."""
    late = math.inf if answer.finish_s is None else answer.finish_s / goal.within_s
    return max(late, answer.peak_bytes_per_s / goal.max_bytes_per_s)


# --- candidates --------------------------------------------------------------------------------------------------


def _candidates(world: World, size_bytes: int, priority: int, goal: Goal) -> Iterator[_Candidate]:
    """For each fragment size the longest latencies that are in time.

    The priority is the one that is wanted, or, where there is not enough time for that, the next quicker one.
    """
    contacts_s = world.contact_us / 1e6
    left_s = min(
        # The last of the agents that count makes its contact so late.
        (goal.within_s - goal.share * contacts_s - world.first_turn_delay_us / 1e6) * USED_SHARE,
        world.config.timeout_days * DAY_S * USED_SHARE,
        HORIZON_DAYS * DAY_S - contacts_s,
    )
    sizes = list(_fragment_sizes(size_bytes))
    if _carried(world, size_bytes, goal.within_s) < goal.share * world.agents:
        # Even lines that are full all the time are not enough: short latencies would not help.
        yield _Candidate(priority, *sizes[0], FULL_LINE_LATENCY_S)
        return
    priorities = [priority, *(quicker for quicker in PRIORITIES if quicker < priority)]
    for tried in priorities:
        found = [(size, _longest_s(world, tried, size, goal.share, left_s)) for size in sizes]
        if any(latency_s is not None for _, latency_s in found):
            yield from (_Candidate(tried, *size, latency_s) for size, latency_s in found if latency_s is not None)
            return
    # All are too late: the quickest. Where already the contacts are too late, the fragment size makes no difference.
    yield from (_Candidate(priorities[-1], *size, 1) for size in (sizes if left_s > 0 else sizes[:1]))


def _slices(world: World, candidate: _Candidate) -> float:
    """What its simulation costs: about how many slices of time it has."""
    turns = min(world.agents * (candidate.fragments + 1), MAX_TURNS_OF_A_CHECK)
    needed_s = _needed_s(world, _config(world, candidate), candidate, world.round_trip_us / 1e6)
    return min(turns, (world.contact_us / 1e6 + needed_s) / candidate.latency_s) + turns / TURNS_PER_SLICE


def _fragment_sizes(size_bytes: int) -> Iterator[tuple[int, int]]:
    """(bytes of a fragment, fragments), the largest first."""
    if not size_bytes:
        yield 0, 0
        return
    first, beyond = FRAGMENT_POWERS
    first = max(first, (-(-size_bytes // MAX_FRAGMENTS) - 1).bit_length())
    for power in range(first, beyond, -1):
        fragment_bytes = 2**power
        if fragment_bytes >= 2 * size_bytes and power != beyond + 1:
            continue  # one fragment of half the size would do
        fragments = -(-size_bytes // fragment_bytes)
        if fragments > MAX_FRAGMENTS:
            return
        yield fragment_bytes, fragments


def _config(world: World, candidate: _Candidate) -> DownloadConfig:
    return replace(
        world.config,
        frag_latency_s=candidate.latency_s,
        cycle_latency_s=candidate.latency_s,
        period_latency_s=candidate.latency_s,
        period_length=max(world.config.period_length, candidate.priority),
    )


def _longest_s(world: World, priority: int, size: tuple[int, int], share: float, left_s: float) -> int | None:
    """The longest latency, in whole seconds from 1, with which an agent is in time; None: there is none."""
    fetch_s = world.round_trip_us / 1e6 + size[0] * _seconds_per_byte(world, share)

    def in_time(latency_s: int) -> bool:
        candidate = _Candidate(priority, *size, latency_s)
        return _needed_s(world, _config(world, candidate), candidate, fetch_s) <= left_s

    low, high = 0, MAX_LATENCY_S
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if in_time(middle) else (low, middle - 1)
    return low or None


def _needed_s(world: World, config: DownloadConfig, candidate: _Candidate, fetch_s: float) -> float:
    """How long an agent of the slowest dialect needs from its first turn to the assembly."""
    turn = candidate.fragments + 1
    dialects = [dialect for dialect, share in world.dialects.items() if share]
    return max(_start_s(dialect, config, candidate.priority, turn, fetch_s) for dialect in dialects)


def _start_s(dialect: Dialect, config: DownloadConfig, priority: int, turn: int, fetch_s: float) -> float:
    return float(start_s(dialect, config, priority, turn, fetch_s))


def _carried(world: World, size_bytes: int, within_s: float) -> float:
    """The number of agents to which the lines can carry the package, at most."""

    def served_by(line: Line, agents: int) -> float:
        rules = line.shared.rules
        return min(agents, within_s * _mean_bytes_per_s(line.shared) / max(size_bytes, 1)) if rules else agents

    by_mirrors = sum(served_by(mirror.line, world.agents) for mirror in world.mirrors.values())
    by_lines = sum(served_by(site.line, site.agents) for site in world.sites if site.mirror is None)
    return by_mirrors + served_by(world.origin, round(by_lines))


def _seconds_per_byte(world: World, share: float) -> float:
    """On an idle line, of the slowest site among those whose agents make up that share."""
    found = sorted((_idle_seconds_per_byte(world, site), site.agents) for site in world.sites)
    count = 0
    for seconds, agents in found:
        count += agents
        if count >= world.agents * share:
            return seconds
    return found[-1][0]


def _idle_seconds_per_byte(world: World, site: Site) -> float:
    lines = [site.mirror.line] if site.mirror else [world.origin, site.line]
    return sum(1 / _mean_bytes_per_s(part) for line in lines for part in (line.shared, line.per_transfer) if part.rules)


@lru_cache(maxsize=1024)
def _mean_bytes_per_s(line: Line) -> float:
    """Over a week."""
    samples = range(0, WEEK_MIN, 15)
    return 1000 * sum(line.kilobytes_per_s(minute) for minute in samples) / len(samples)


def _peak_bytes_per_s(world: World, config: DownloadConfig, candidate: _Candidate, size_bytes: int) -> float:
    """An estimate of what the busiest line carries in its busiest minute.

    On average a line carries all bytes during the spread of the contacts or during one agent's download, whichever is
    longer. The busiest of many minutes is above the average as the largest of as many random draws is; fragments come
    in runs, as many in a minute as one agent fetches.
    """
    sites = [site for site in world.sites if site.mirror is None and site.agents]
    if not sites or not size_bytes:
        return 0.0
    needed_s = max(_needed_s(world, config, candidate, world.round_trip_us / 1e6), 1.0)
    spread_s = world.contact_us / 1e6
    run = max(1.0, min(candidate.fragments, WINDOW_S * candidate.fragments / needed_s))
    minutes = max((spread_s + needed_s) / WINDOW_S, 2.0)

    def peak(site: Site) -> float:
        mean = site.agents * size_bytes / max(spread_s, needed_s)
        most = mean + math.sqrt(2 * math.log(minutes)) * math.sqrt(
            mean * size_bytes / candidate.fragments * run / WINDOW_S
        )
        shared = site.line.shared
        return min(most, _mean_bytes_per_s(shared)) if shared.rules else most

    return max(peak(site) for site in sites)


# --- the simulation ---------------------------------------------------------------------------------------------


def is_goal_met(world: World, goal: Goal, seed: int = 0) -> bool:
    """Whether the world meets the goal without any change."""
    sample = take_sample(world, MAX_TURNS_OF_A_CHECK)
    result = simulate(sample.world, seed)
    done_us = np.where((result.done_us < 0).any(axis=0), NEVER, result.done_us.max(axis=0))
    finish_s = _time_when_reached(done_us, np.array(sample.weights)[result.site], goal.share)
    peak, _ = _fullest(sample, result)
    return finish_s is not None and finish_s <= goal.within_s and peak <= goal.max_bytes_per_s


def _check(world: World, size_bytes: int, candidate: _Candidate, goal: Goal, seed: int) -> Answer:
    """Simulate a candidate: all computers, or of very many a sample."""
    package = Package("package", candidate.priority, ())
    if size_bytes:
        package = Package.from_sizes("package", candidate.priority, size_bytes, candidate.fragment_bytes)
    config = _config(world, candidate)
    sample = take_sample(replace(world, packages=(package,), config=config), MAX_TURNS_OF_A_CHECK)
    result = simulate(sample.world, seed)
    weights = np.array(sample.weights)[result.site]
    finish_s = _time_when_reached(result.done_us[0], weights, goal.share)
    contact_s = _time_when_reached(result.contact_us + result.contact_wait_us, weights, goal.share)
    peak, line = _fullest(sample, result)
    return Answer(
        config,
        candidate.priority,
        candidate.fragment_bytes,
        candidate.fragments,
        contact_s or 0.0,
        finish_s,
        peak,
        line,
        finish_s is not None and finish_s <= goal.within_s and peak <= goal.max_bytes_per_s,
        sample.one_in,
    )


def _fullest(sample: Sample, result: SimulationResult) -> tuple[float, str]:
    """The highest peak of any line, and the line's name."""
    loads = sample.scale_up(summarise(sample.world, result)).lines
    return max((load.peak_bytes_per_s, load.name) for load in loads)


def _time_when_reached(times_us: NDArray[np.int64], weights: NDArray[np.float64], share: float) -> float | None:
    """When that share of the weights has been reached, in seconds; None: never. Times below 0 never come."""
    order = np.argsort(times_us, kind="stable")
    order = order[times_us[order] >= 0]
    reached = np.cumsum(weights[order])
    at = int(np.searchsorted(reached, weights.sum() * share - 1e-6))
    return float(times_us[order[at]]) / 1e6 if at < len(order) else None
