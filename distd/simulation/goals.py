"""What to set so that a package is through in time and no line is too full.

The closed form of the schedulers says how long the latencies make an agent take, and the peak of a line follows from
how its fragments are spread. That gives settings to try; what is called met is what a simulation of all computers, with
their lines, holds.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from distd.domain.errors import BadInput
from distd.domain.records import DownloadConfig  # noqa: TC001 - the API looks at the fields
from distd.domain.schedule import start_s
from distd.simulation.sampling import thin
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import LAST_DAY, NEVER, WEEK_MIN, Package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from distd.domain.records import Dialect
    from distd.simulation.sampling import Thinned
    from distd.simulation.simulate import Outcome
    from distd.simulation.world import Line, Site, World

MOST_TURNS_OF_A_CHECK: Final = 2_000_000
MOST_SLICES: Final = 6_000  # of all checks together, after which no other begins: a second's work
TURNS_A_SLICE: Final = 500  # cost as much as a slice of time itself
SPARE: Final = 0.95  # of the time after the contacts, so that there is some left for what nobody foresees
LONGEST_LATENCY_S: Final = 3600
FULL_LATENCY_S: Final = 30  # where lines are full: shorter ones would only make agents wait for them
SHORTER: Final = 4  # times, where agents that wait for their line were late
# 16 KiB to 4 MiB, the larger the better: they cost the server least. Larger ones where there would be too many.
FRAGMENT_POWERS: Final = (22, 13)
MOST_FRAGMENTS: Final = 5000
PRIORITIES: Final = (10, 5, 3, 2, 1)
WINDOW_S: Final = 60  # a peak is of a minute
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Goal:
    """`share` of the agents, 0 to 1, are to be through `within_s` after the first contact could be; no site's line
    carries more than `most_bytes_per_s` in any minute (inf: no limit)."""

    share: float
    within_s: float
    most_bytes_per_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Answer:
    """What to set, and what the simulation says of it.

    `contact_s`, `finish_s`: when the goal's share has made its first contact, and when it is through (None: never).
    `peak_bytes_per_s`: of `line`, the fullest. Where `is_met` is False nothing was found that meets the goal, which is
    no proof that nothing does. One in `one_in` computers was simulated.
    """

    config: DownloadConfig
    priority: int
    fragment_bytes: int
    fragments: int
    contact_s: float
    finish_s: float | None
    peak_bytes_per_s: float
    line: str
    is_met: bool
    one_in: int


@dataclass(frozen=True, slots=True)
class _Option:
    priority: int
    fragment_bytes: int
    fragments: int
    latency_s: int


def solve(world: World, size_bytes: int, priority: int, goal: Goal, seed: int = 0) -> Answer:
    """What to set for one package of `size_bytes`, alone, that meets the goal; else what comes nearest to it.

    The latencies are all three the same, and as long as can be; the largest fragments that do are taken. First
    contacts are as `world` has them: a shorter time between contacts would be heard of at the next one only. Raises
    `BadInput` for a goal that is none.
    """
    if not 0 < goal.share <= 1 or not goal.within_s > 0 or not goal.most_bytes_per_s > 0:
        raise BadInput("goal", "a share of the computers, a time, a rate, all above 0", goal)
    options = [
        (_peak_bytes_per_s(world, _config(world, one), one, size_bytes), one)
        for one in _options(world, size_bytes, priority, goal)
    ]
    fitting = [one for peak, one in options if peak <= goal.most_bytes_per_s]
    rest = [one for peak, one in sorted(options, key=lambda pair: pair[0]) if one not in fitting]
    waiting = deque([*fitting, *rest])
    best: Answer | None = None
    slices = 0.0
    while waiting and (best is None or slices < MOST_SLICES):
        option = waiting.popleft()
        slices += _slices(world, option)
        answer = _check(world, size_bytes, option, goal, seed)
        if answer.is_met:
            return answer
        if best is None or _excess(answer, goal) < _excess(best, goal):
            best = answer
        if option.latency_s > FULL_LATENCY_S and (answer.finish_s is None or answer.finish_s > goal.within_s):
            waiting.appendleft(replace(option, latency_s=max(option.latency_s // SHORTER, FULL_LATENCY_S)))
    assert best is not None
    return best


def _excess(answer: Answer, goal: Goal) -> float:
    """How far it is from the goal, by the worse of the two."""
    late = math.inf if answer.finish_s is None else answer.finish_s / goal.within_s
    return max(late, answer.peak_bytes_per_s / goal.most_bytes_per_s)


# --- what to try -------------------------------------------------------------------------------------------------


def _options(world: World, size_bytes: int, priority: int, goal: Goal) -> Iterator[_Option]:
    """For each fragment size the longest latencies that are in time. The priority is as it is wanted, or, where there
    is no time for that, the next one that is quicker."""
    contacts_s = world.contact_us / 1e6
    left_s = min(
        # So late comes the last of the agents that count.
        (goal.within_s - goal.share * contacts_s - world.greeting_us / 1e6) * SPARE,
        world.config.timeout_days * DAY_S * SPARE,
        LAST_DAY * DAY_S - contacts_s,
    )
    cuts = list(_cuts(size_bytes))
    if _carried(world, size_bytes, goal.within_s) < goal.share * world.agents:
        # The lines are full all the time, and it is not enough; with short pauses already.
        yield _Option(priority, *cuts[0], FULL_LATENCY_S)
        return
    priorities = [priority, *(one for one in PRIORITIES if one < priority)]
    for one in priorities:
        found = [(cut, _longest_s(world, one, cut, goal.share, left_s)) for cut in cuts]
        if any(latency_s is not None for _, latency_s in found):
            yield from (_Option(one, *cut, latency_s) for cut, latency_s in found if latency_s is not None)
            return
    # Too late, and as early as can be; whatever the size, if it is for the contacts.
    yield from (_Option(priorities[-1], *cut, 1) for cut in (cuts if left_s > 0 else cuts[:1]))


def _slices(world: World, option: _Option) -> float:
    """About how many slices of time its simulation has: what it costs."""
    turns = min(world.agents * (option.fragments + 1), MOST_TURNS_OF_A_CHECK)
    needed_s = _needed_s(world, _config(world, option), option, world.round_trip_us / 1e6)
    return min(turns, (world.contact_us / 1e6 + needed_s) / option.latency_s) + turns / TURNS_A_SLICE


def _cuts(size_bytes: int) -> Iterator[tuple[int, int]]:
    """(bytes of a fragment, fragments), the largest first."""
    if not size_bytes:
        yield 0, 0
        return
    first, beyond = FRAGMENT_POWERS
    first = max(first, (-(-size_bytes // MOST_FRAGMENTS) - 1).bit_length())
    for power in range(first, beyond, -1):
        fragment_bytes = 2**power
        if fragment_bytes >= 2 * size_bytes and power != beyond + 1:
            continue  # a smaller one holds it, too
        fragments = -(-size_bytes // fragment_bytes)
        if fragments > MOST_FRAGMENTS:
            return
        yield fragment_bytes, fragments


def _config(world: World, option: _Option) -> DownloadConfig:
    return replace(
        world.config,
        frag_latency_s=option.latency_s,
        cycle_latency_s=option.latency_s,
        period_latency_s=option.latency_s,
        period_length=max(world.config.period_length, option.priority),
    )


def _longest_s(world: World, priority: int, cut: tuple[int, int], share: float, left_s: float) -> int | None:
    """The longest latency, in whole seconds from 1, with which an agent is through in time; None: there is none."""
    fetch_s = world.round_trip_us / 1e6 + cut[0] * _seconds_a_byte(world, share)

    def in_time(latency_s: int) -> bool:
        option = _Option(priority, *cut, latency_s)
        return _needed_s(world, _config(world, option), option, fetch_s) <= left_s

    low, high = 0, LONGEST_LATENCY_S
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if in_time(middle) else (low, middle - 1)
    return low or None


def _needed_s(world: World, config: DownloadConfig, option: _Option, fetch_s: float) -> float:
    """Of the slowest dialect."""
    turn = option.fragments + 1
    dialects = [dialect for dialect, share in world.dialects.items() if share]
    return max(_start_s(one, config, option.priority, turn, fetch_s) for one in dialects)


def _start_s(dialect: Dialect, config: DownloadConfig, priority: int, turn: int, fetch_s: float) -> float:
    return float(start_s(dialect, config, priority, turn, fetch_s))


def _carried(world: World, size_bytes: int, within_s: float) -> float:
    """For how many agents the lines are wide enough, at the most."""

    def by(line: Line, agents: int) -> float:
        rules = line.shared.rules
        return min(agents, within_s * _mean_bytes_per_s(line.shared) / max(size_bytes, 1)) if rules else agents

    near = sum(by(mirror.line, world.agents) for mirror in world.mirrors.values())
    far = sum(by(site.line, site.agents) for site in world.sites if site.mirror is None)
    return near + by(world.origin, round(far))


def _seconds_a_byte(world: World, share: float) -> float:
    """On an idle line, of the slowest site among those whose agents make up that share."""
    found = sorted((_idle_seconds_a_byte(world, site), site.agents) for site in world.sites)
    count = 0
    for seconds, agents in found:
        count += agents
        if count >= world.agents * share:
            return seconds
    return found[-1][0]


def _idle_seconds_a_byte(world: World, site: Site) -> float:
    lines = [site.mirror.line] if site.mirror else [world.origin, site.line]
    return sum(1 / _mean_bytes_per_s(part) for line in lines for part in (line.shared, line.own) if part.rules)


@lru_cache(maxsize=1024)
def _mean_bytes_per_s(line: Line) -> float:
    """Over a week."""
    samples = range(0, WEEK_MIN, 15)
    return 1000 * sum(line.kilobytes_per_s(minute) for minute in samples) / len(samples)


def _peak_bytes_per_s(world: World, config: DownloadConfig, option: _Option, size_bytes: int) -> float:
    """What the line with the most agents carries in its fullest minute, if it can.

    On average it carries all bytes in the longer of the two: the contacts' spread, an agent's download. The fullest of
    many minutes is above that as the largest of as many draws is, of fragments that come in runs: as many in a minute
    as one agent fetches.
    """
    far = [site for site in world.sites if site.mirror is None and site.agents]
    if not far or not size_bytes:
        return 0.0
    needed_s = max(_needed_s(world, config, option, world.round_trip_us / 1e6), 1.0)
    spread_s = world.contact_us / 1e6
    run = max(1.0, min(option.fragments, WINDOW_S * option.fragments / needed_s))
    minutes = max((spread_s + needed_s) / WINDOW_S, 2.0)

    def peak(site: Site) -> float:
        mean = site.agents * size_bytes / max(spread_s, needed_s)
        most = mean + math.sqrt(2 * math.log(minutes)) * math.sqrt(
            mean * size_bytes / option.fragments * run / WINDOW_S
        )
        shared = site.line.shared
        return min(most, _mean_bytes_per_s(shared)) if shared.rules else most

    return max(peak(site) for site in far)


# --- whether it holds --------------------------------------------------------------------------------------------


def holds(world: World, goal: Goal, seed: int = 0) -> bool:
    """Whether the goal is met as things stand."""
    thinned = thin(world, MOST_TURNS_OF_A_CHECK)
    outcome = simulate(thinned.world, seed)
    done_us = np.where((outcome.done_us < 0).any(axis=0), NEVER, outcome.done_us.max(axis=0))
    finish_s = _time_of(done_us, np.array(thinned.each)[outcome.site], goal.share)
    peak, _ = _fullest(thinned, outcome)
    return finish_s is not None and finish_s <= goal.within_s and peak <= goal.most_bytes_per_s


def _check(world: World, size_bytes: int, option: _Option, goal: Goal, seed: int) -> Answer:
    """Simulate all computers; of very many, some."""
    package = Package("package", option.priority, ())
    if size_bytes:
        package = Package.cut("package", option.priority, size_bytes, option.fragment_bytes)
    config = _config(world, option)
    thinned = thin(replace(world, packages=(package,), config=config), MOST_TURNS_OF_A_CHECK)
    outcome = simulate(thinned.world, seed)
    weights = np.array(thinned.each)[outcome.site]
    finish_s = _time_of(outcome.done_us[0], weights, goal.share)
    contact_s = _time_of(outcome.contact_us + outcome.waited_us, weights, goal.share)
    peak, line = _fullest(thinned, outcome)
    return Answer(
        config,
        option.priority,
        option.fragment_bytes,
        option.fragments,
        contact_s or 0.0,
        finish_s,
        peak,
        line,
        finish_s is not None and finish_s <= goal.within_s and peak <= goal.most_bytes_per_s,
        thinned.one_in,
    )


def _fullest(thinned: Thinned, outcome: Outcome) -> tuple[float, str]:
    """The line with the highest peak."""
    loads = thinned.multiplied(summarise(thinned.world, outcome)).lines
    return max((load.peak_bytes_per_s, load.name) for load in loads)


def _time_of(times_us: NDArray[np.int64], weights: NDArray[np.float64], share: float) -> float | None:
    """When that share has been reached, in seconds; what is below 0 never comes."""
    order = np.argsort(times_us, kind="stable")
    order = order[times_us[order] >= 0]
    reached = np.cumsum(weights[order])
    at = int(np.searchsorted(reached, weights.sum() * share - 1e-6))
    return float(times_us[order[at]]) / 1e6 if at < len(order) else None
