"""Deployments foreseen, and the other way round: what to set so that one is through in time and no line is too full.

The other way round goes by formulae: the closed form of the schedulers says how long the latencies make an agent take,
and the peak of a line follows from how its fragments are spread (see `_peak_bytes_per_s`). What they say is then
simulated, and only what holds there is called met.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from distd.core.errors import BadInput
from distd.core.records import DownloadConfig  # noqa: TC001 - the API looks at the fields
from distd.core.schedule import start_s
from distd.model.simulate import simulate
from distd.model.summary import SHARES, Load, summarise  # noqa: TC001 - the API looks at the fields
from distd.model.world import Line, Package

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distd.core.records import Dialect
    from distd.model.summary import Summary
    from distd.model.world import Site, World

SEEDS: Final = 5
POINTS: Final = 200
# So many turns are simulated for a curve's bands, and for a check of an answer: a second's work at most.
MOST_TURNS_OF_A_BAND: Final = 4_000_000
MOST_TURNS_OF_A_CHECK: Final = 500_000
MOST_CHECKS: Final = 4
SPARE: Final = 0.95  # of the time, so that there is some left for what nobody foresees
LONGEST_LATENCY_S: Final = 3600
FRAGMENT_SIZES: Final = tuple(2**power for power in range(22, 13, -1))  # 4 MiB to 16 KiB
MOST_FRAGMENTS: Final = 5000
PRIORITIES: Final = (10, 5, 3, 2, 1)
PROLOG_FREQS_H: Final = (24, 12, 8, 6, 4, 3, 2, 1)
WINDOW_S: Final = 60  # a peak is of a minute


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of several draws: `finish_s` by share (%): lowest, middle, highest; None where some never come so far. `curve`:
    (seconds, lowest, middle, highest share of agents that are through). `lines`, `mirrors`, `origin`: the highest."""

    agents: int
    draws: int
    finish_s: dict[int, tuple[float, float, float] | None]
    curve: list[tuple[float, float, float, float]]
    origin: Load
    lines: list[Load]
    mirrors: list[Load]


@dataclass(frozen=True, slots=True)
class Goal:
    """`share` of the agents, 0 to 1, are to be through `within_s` after the first contact could be; no line carries
    more than `most_bytes_per_s` in any minute (inf: no limit)."""

    share: float
    within_s: float
    most_bytes_per_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Answer:
    """What to set, and what the simulation says of it. `finish_s`: when the goal's share is through; None: never.
    `simulated_agents` of the largest site's were simulated; their peak was scaled up."""

    config: DownloadConfig
    prolog_freq_h: int
    priority: int
    fragment_bytes: int
    fragments: int
    finish_s: float | None
    peak_bytes_per_s: float
    site: str
    is_met: bool
    simulated_agents: int


def foresee(world: World, seed: int = 0) -> Forecast:
    """Raises `BadInput`. Several draws where they are quick; with very many agents one draw is like the other."""
    turns = world.agents * sum(len(one.lengths) + 1 for one in world.packages)
    draws = max(1, min(SEEDS, MOST_TURNS_OF_A_BAND // max(turns, 1)))
    summaries = [summarise(world, simulate(world, seed + number)) for number in range(draws)]
    return Forecast(
        world.agents,
        draws,
        {share: _spread([one.all.after_s[share] for one in summaries]) for share in SHARES},
        _band(summaries),
        max((one.origin for one in summaries), key=_peak),
        _highest([one.lines for one in summaries]),
        _highest([one.mirrors for one in summaries]),
    )


def _peak(load: Load) -> float:
    return load.peak_bytes_per_s


def _highest(draws: Sequence[list[Load]]) -> list[Load]:
    return [max(same, key=_peak) for same in zip(*draws, strict=True)]


def _spread(values: Sequence[float | None]) -> tuple[float, float, float] | None:
    known = sorted(value for value in values if value is not None)
    if len(known) < len(values):
        return None
    return known[0], known[len(known) // 2], known[-1]


def _band(summaries: Sequence[Summary]) -> list[tuple[float, float, float, float]]:
    curves = [one.curve for one in summaries if one.curve]
    if not curves:
        return []
    times = np.linspace(0, max(curve[-1][0] for curve in curves), POINTS)
    shares = np.array([np.interp(times, [at for at, _ in curve], [share for _, share in curve]) for curve in curves])
    rows = zip(times, shares.min(axis=0), np.median(shares, axis=0), shares.max(axis=0), strict=True)
    return [(round(float(at), 3), float(low), float(middle), float(high)) for at, low, middle, high in rows]


# --- the other way round -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Option:
    config: DownloadConfig
    prolog_freq_h: int
    priority: int
    fragment_bytes: int
    fragments: int
    peak_bytes_per_s: float

    def answer(self, finish_s: float | None, peak_bytes_per_s: float, site: Site, goal: Goal, agents: int) -> Answer:
        in_time = finish_s is not None and finish_s <= goal.within_s
        return Answer(
            self.config,
            self.prolog_freq_h,
            self.priority,
            self.fragment_bytes,
            self.fragments,
            finish_s,
            peak_bytes_per_s,
            site.name,
            in_time and peak_bytes_per_s <= goal.most_bytes_per_s,
            agents,
        )


def solve(world: World, size_bytes: int, priority: int, goal: Goal, seed: int = 0) -> Answer:
    """What to set for one package of `size_bytes`, alone, that meets the goal; else what comes nearest to it.

    The time between contacts stays as it is, if it can; the latencies are all three the same. Of what would do, it
    takes the largest fragments: they cost the server least. Raises `BadInput` for a goal that no one could meet.
    """
    if not 0 < goal.share <= 1 or goal.within_s <= 0 or goal.most_bytes_per_s <= 0 or size_bytes < 1:
        raise BadInput("goal", "a share of the agents, a time, a rate, all above 0", goal)
    site = max(world.sites, key=lambda one: one.agents)
    options = list(_options(world, site, size_bytes, priority, goal))
    if not options:
        raise BadInput("--by", "a time that leaves room for a contact every hour", f"{goal.within_s:.0f} s")
    fitting = [one for one in options if one.peak_bytes_per_s <= goal.most_bytes_per_s]
    rest = sorted((one for one in options if one not in fitting), key=lambda one: one.peak_bytes_per_s)
    best: Answer | None = None
    for option in [*fitting, *rest][:MOST_CHECKS]:
        answer = _check(world, site, size_bytes, option, goal, seed)
        if answer.is_met:
            return answer
        if best is None or _excess(answer, goal) < _excess(best, goal):
            best = answer
    assert best is not None
    return best


def _excess(answer: Answer, goal: Goal) -> float:
    """How far it is from the goal, by the worse of the two."""
    late = math.inf if answer.finish_s is None else answer.finish_s / goal.within_s
    return max(late, answer.peak_bytes_per_s / goal.most_bytes_per_s)


def _options(world: World, site: Site, size_bytes: int, priority: int, goal: Goal) -> Iterator[_Option]:
    """The longest latencies that are in time, for each fragment size. Contacts and priority are as they are wanted, or,
    where there is no time for that, the next ones that are quicker."""
    freqs_h = [world.prolog_freq_h, *(one for one in PROLOG_FREQS_H if one < world.prolog_freq_h)]
    priorities = [priority, *(one for one in PRIORITIES if one < priority)]
    for freq_h in freqs_h:
        found = False
        # So late comes the last of the agents that count.
        left_s = goal.within_s * SPARE - goal.share * freq_h * 3600 - world.greeting_us / 1e6
        for one in priorities if left_s > 0 else []:
            for fragment_bytes in FRAGMENT_SIZES:
                if fragment_bytes >= 2 * size_bytes and fragment_bytes != FRAGMENT_SIZES[-1]:
                    continue  # a smaller one holds it, too
                fragments = -(-size_bytes // fragment_bytes)
                if fragments > MOST_FRAGMENTS:
                    break
                latency_s = _longest_s(world, one, fragments, left_s)
                if latency_s is not None:
                    found = True
                    config = _config(world.config, one, latency_s)
                    peak = _peak_bytes_per_s(world, site, config, one, fragments, size_bytes, freq_h)
                    yield _Option(config, freq_h, one, fragment_bytes, fragments, peak)
            if found:
                break  # a lower priority would only have longer latencies
        if found:
            return


def _config(config: DownloadConfig, priority: int, latency_s: int) -> DownloadConfig:
    return replace(
        config,
        frag_latency_s=latency_s,
        cycle_latency_s=latency_s,
        period_latency_s=latency_s,
        period_length=max(config.period_length, priority),
    )


def _needed_s(world: World, config: DownloadConfig, priority: int, fragments: int) -> float:
    """Of the slowest dialect."""
    dialects = [dialect for dialect, share in world.dialects.items() if share]
    return max(_start_s(dialect, config, priority, fragments + 1, world.round_trip_s) for dialect in dialects)


def _start_s(dialect: Dialect, config: DownloadConfig, priority: int, turn: int, fetch_s: float) -> float:
    return float(start_s(dialect, config, priority, turn, fetch_s))


def _longest_s(world: World, priority: int, fragments: int, left_s: float) -> int | None:
    """The longest latency, in whole seconds from 1, with which an agent is through in time; None: there is none."""

    def in_time(latency_s: int) -> bool:
        return _needed_s(world, _config(world.config, priority, latency_s), priority, fragments) <= left_s

    low, high = 0, LONGEST_LATENCY_S
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if in_time(middle) else (low, middle - 1)
    return low or None


def _peak_bytes_per_s(
    world: World, site: Site, config: DownloadConfig, priority: int, fragments: int, size_bytes: int, freq_h: int
) -> float:
    """What the site's line carries in its fullest minute.

    On average it carries all bytes in the longer of the two: the contacts' spread, an agent's download. The fullest of
    many minutes is above that as the largest of as many draws is, of fragments that come in runs: as many in a minute
    as one agent fetches.
    """
    needed_s = max(_needed_s(world, config, priority, fragments), 1.0)
    spread_s = freq_h * 3600.0 if world.contact_s is None else world.contact_s
    length = size_bytes / fragments
    mean = site.agents * size_bytes / max(spread_s, needed_s)
    run = max(1.0, min(fragments, WINDOW_S * fragments / needed_s))
    minutes = max((spread_s + needed_s) / WINDOW_S, 2.0)
    return mean + math.sqrt(2 * math.log(minutes)) * math.sqrt(mean * length * run / WINDOW_S)


def _check(world: World, site: Site, size_bytes: int, option: _Option, goal: Goal, seed: int) -> Answer:
    """Simulate the site by itself, with a line without a limit: what it would carry. Of very many agents some are
    enough: more of them are steadier, so their peak, scaled up, is rather too high."""
    agents = max(1, min(site.agents, MOST_TURNS_OF_A_CHECK // (option.fragments + 1)))
    alone = replace(
        world,
        packages=(Package.cut("package", option.priority, size_bytes, option.fragment_bytes),),
        sites=(replace(site, agents=agents, line=Line(), mirror=None),),
        config=option.config,
        prolog_freq_h=option.prolog_freq_h,
        origin=Line(),
        shared=False,
    )
    outcome = simulate(alone, seed)
    through = np.sort(outcome.done_us[0][outcome.done_us[0] >= 0])
    rank = math.ceil(agents * goal.share)
    finish_s = float(through[rank - 1]) / 1e6 if rank <= len(through) else None
    peak = summarise(alone, outcome).lines[0].peak_bytes_per_s * site.agents / agents
    return option.answer(finish_s, peak, site, goal, agents)
