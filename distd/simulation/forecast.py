"""The forecast of a deployment: when it is done and what the lines carry, from several simulations of a world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from distd.simulation.records import SHARES, Forecast
from distd.simulation.sampling import take_sample
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.simulation.records import Load, Summary
    from distd.simulation.world import World

MAX_DRAWS: Final = 5
POINTS: Final = 200
MAX_TURNS_OF_ALL_DRAWS: Final = 4_000_000  # about a second of work
MAX_TURNS: Final = 30_000_000  # about ten seconds


def make_forecast(world: World, seed: int = 0, max_turns: int = MAX_TURNS) -> Forecast:
    """Raises `BadInput`. There are fewer draws the more agents there are: with very many, draws hardly differ. Of more
    than `max_turns` turns of agents a sample is simulated."""
    turns = world.agents * sum(len(package.lengths) + 1 for package in world.packages)
    draws = max(1, min(MAX_DRAWS, MAX_TURNS_OF_ALL_DRAWS // max(turns, 1)))
    sample = take_sample(world, max_turns)
    summaries = [
        sample.scale_up(summarise(sample.world, simulate(sample.world, seed + number))) for number in range(draws)
    ]
    return Forecast(
        world.agents,
        draws,
        sample.one_in,
        {share: _spread([summary.all.after_s[share] for summary in summaries]) for share in SHARES},
        _band(summaries),
        max((summary.origin for summary in summaries), key=_peak),
        _highest([summary.lines for summary in summaries]),
        _highest([summary.mirrors for summary in summaries]),
    )


def _peak(load: Load) -> float:
    return load.peak_bytes_per_s


def _highest(draws: Sequence[list[Load]]) -> list[Load]:
    return [max(loads, key=_peak) for loads in zip(*draws, strict=True)]


def _spread(values: Sequence[float | None]) -> tuple[float, float, float] | None:
    known = sorted(value for value in values if value is not None)
    if len(known) < len(values):
        return None
    return known[0], known[len(known) // 2], known[-1]


def _band(summaries: Sequence[Summary]) -> list[tuple[float, float, float, float]]:
    curves = [summary.curve for summary in summaries if summary.curve]
    if not curves:
        return []
    times = np.linspace(0, max(curve[-1][0] for curve in curves), POINTS)
    shares = np.array([np.interp(times, [at for at, _ in curve], [share for _, share in curve]) for curve in curves])
    rows = zip(times, shares.min(axis=0), np.median(shares, axis=0), shares.max(axis=0), strict=True)
    return [(round(float(at), 3), float(low), float(middle), float(high)) for at, low, middle, high in rows]
