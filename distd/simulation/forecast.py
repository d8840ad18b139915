"""Deployments foreseen: several draws of a world, when they are through, what its lines carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from distd.simulation.sampling import thin
from distd.simulation.simulate import simulate
from distd.simulation.summary import SHARES, Load, summarise  # noqa: TC001 - the API looks at the fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.simulation.summary import Summary
    from distd.simulation.world import World

SEEDS: Final = 5
POINTS: Final = 200
MOST_TURNS_OF_A_BAND: Final = 4_000_000  # a second's work at most
MOST_TURNS: Final = 30_000_000  # some ten seconds'


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of several draws: `finish_s` by share (%): lowest, middle, highest; None where some never come so far. `curve`:
    (seconds, lowest, middle, highest share of agents that are through). `lines`, `mirrors`, `origin`: the highest.
    One in `one_in` agents was simulated, and what they carry multiplied."""

    agents: int
    draws: int
    one_in: int
    finish_s: dict[int, tuple[float, float, float] | None]
    curve: list[tuple[float, float, float, float]]
    origin: Load
    lines: list[Load]
    mirrors: list[Load]


def foresee(world: World, seed: int = 0) -> Forecast:
    """Raises `BadInput`. Several draws where they are quick; with very many agents one draw is like the other."""
    turns = world.agents * sum(len(one.lengths) + 1 for one in world.packages)
    draws = max(1, min(SEEDS, MOST_TURNS_OF_A_BAND // max(turns, 1)))
    thinned = thin(world, MOST_TURNS)
    summaries = [
        thinned.multiplied(summarise(thinned.world, simulate(thinned.world, seed + number))) for number in range(draws)
    ]
    return Forecast(
        world.agents,
        draws,
        thinned.one_in,
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
