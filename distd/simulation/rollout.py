"""A roll-out in virtual time: its waves one after the other, all computers together on the same lines.

A wave is simulated beside those before it, which tells when the next one opens; then that one is added. So lines carry
what several waves fetch at once, and computers of an earlier wave that are late still count.
"""

from __future__ import annotations

import heapq
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from distd.domain.units import DAY_MIN, HOUR_S, WEEK_MIN
from distd.simulation.records import SHARES, RolloutForecast, WaveForecast
from distd.simulation.sampling import take_sample
from distd.simulation.simulate import simulate
from distd.simulation.summary import POINTS, summarise
from distd.simulation.world import HORIZON_US, MINUTE_US, NEVER, SECOND_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from distd.simulation.records import RolloutWorld, SimulatedWave
    from distd.simulation.world import World

    Longs = NDArray[np.int64]

MAX_TURNS: Final = 10_000_000  # of all simulations together: about five seconds
MAX_DRAWS: Final = 5
MAX_TURNS_OF_ALL_DRAWS: Final = 4_000_000  # about two seconds
LATER_US: Final = 2 * HORIZON_US  # the contact of a computer that has none in time
MAX_CONTACTS: Final = 60  # of a computer, all outside the times of the roll-out, after which it counts as never told


def forecast_rollout(rollout: RolloutWorld) -> RolloutForecast:
    """The simulation of a roll-out with a band around its curve, of some more draws as long as they take little.
    Raises `BadInput`."""
    found = simulate_rollout(rollout)
    turns = sum(len(package.lengths) + 1 for package in rollout.world.packages) * rollout.world.agents
    draws = min(MAX_DRAWS, MAX_TURNS_OF_ALL_DRAWS // max(turns * len(rollout.waves) * 2, 1))
    curves = [curve for seed in range(1, draws) if (curve := simulate_rollout(rollout, seed).curve)]
    if not curves or not found.curve:
        return found
    times = [at_s for at_s, _ in found.curve]
    all_curves = [np.array(curve) for curve in (found.curve, *curves)]
    shares = np.array([np.interp(times, curve[:, 0], curve[:, 1]) for curve in all_curves])
    spans = zip(shares.min(axis=0), shares.max(axis=0), strict=True)
    return replace(found, band=[(float(low), float(high)) for low, high in spans])


def simulate_rollout(rollout: RolloutWorld, seed: int = 0) -> RolloutForecast:
    """Raises `BadInput` for a world that cannot be simulated."""
    waves = len(rollout.waves)
    simulations = waves * (1 if rollout.at_once is None else 2)
    sample = take_sample(rollout.world, MAX_TURNS // max(simulations, 1))
    world = sample.world
    wave, weights = _waves_of(rollout, world)
    calendar = _Calendar(rollout, world)
    draw = np.random.Generator(np.random.PCG64(seed))
    delay_us = draw.integers(0, world.contact_us, world.agents)
    contact_us = np.full(world.agents, LATER_US, np.int64)
    at_once = None if rollout.at_once is None else max(rollout.at_once // sample.one_in, 1)
    opens_us: list[int | None] = [calendar.next_open_us(0)]
    result = None
    for place in range(waves):
        opened_us = opens_us[place]
        if opened_us is None:
            opens_us.append(None)
            continue
        members = np.flatnonzero(wave == place)
        contact_us[members] = calendar.contacts_us(np.full(len(members), opened_us), delay_us[members])
        result = simulate(world, seed, contact_us=contact_us)
        if at_once is not None and len(members) > at_once:
            busy_us = _busy_us(result.done_us[0][members], contact_us[members])
            contact_us[members] = _one_after_the_other(calendar, opened_us, delay_us[members], busy_us, at_once)
            result = simulate(world, seed, contact_us=contact_us)
        if place + 1 < waves:
            opens_us.append(_next_us(rollout.waves[place + 1], opened_us, result.done_us[0][members], calendar))
    if result is None:  # there is no time at which it may begin
        result = simulate(world, seed, contact_us=contact_us)
    summary = sample.scale_up(summarise(world, result))
    after_s, points = summary.all.after_s, summary.curve
    if sample.one_in > 1:
        after_s, points = _weighted(result.done_us[0], weights)
    return RolloutForecast(
        rollout.world.agents,
        sample.one_in,
        [
            WaveForecast(
                place + 1,
                each.name,
                sum(row[place] for row in rollout.counts),
                _seconds(opens_us[place]),
                _finish(result.done_us[0][wave == place]),
            )
            for place, each in enumerate(rollout.waves)
        ],
        after_s,
        points,
        summary.origin,
        summary.lines,
        summary.mirrors,
    )


def _waves_of(rollout: RolloutWorld, world: World) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The wave of each agent: within each site in the proportions of all its computers, but of each wave at least one.
    And how many computers it stands for."""
    counts = np.array(rollout.counts, np.int64)
    agents = np.array([site.agents for site in world.sites], np.int64)[:, None]
    ends = np.cumsum(counts, axis=1) * agents // np.maximum(counts.sum(axis=1, keepdims=True), 1)
    taken = np.diff(ends, axis=1, prepend=0)
    for wave in np.flatnonzero((taken.sum(axis=0) == 0) & (counts.sum(axis=0) > 0)):
        _take_one(taken, counts, int(wave))
    found = np.concatenate([np.repeat(np.arange(len(row), dtype=np.int32), row) for row in taken])
    weights = counts.sum(axis=0) / np.maximum(taken.sum(axis=0), 1)
    return found, weights[found]


def _take_one(taken: Longs, counts: Longs, wave: int) -> None:
    """Give the wave an agent of another one that keeps some, at the site that has most of its computers."""
    for site in np.argsort(-counts[:, wave], kind="stable"):
        others = np.where(taken.sum(axis=0) > 1, taken[site], 0)
        if counts[site, wave] and others.any():
            taken[site, others.argmax()] -= 1
            taken[site, wave] += 1
            return


class _Calendar:
    """The times of the week in which computers are told and waves open."""

    def __init__(self, rollout: RolloutWorld, world: World) -> None:
        minutes = range(world.begins_min, world.begins_min + WEEK_MIN)
        open_at = [any(window.holds(*_day_and_minute(at)) for window in rollout.windows) for at in minutes]
        self._open = np.array(open_at if rollout.windows else [True] * WEEK_MIN)
        self._interval_us = int(world.prolog_freq_h * HOUR_S) * SECOND_US

    def next_open_us(self, at_us: int) -> int | None:
        """The first time from then on; None: there is none."""
        minute = at_us // MINUTE_US
        ahead = np.flatnonzero(np.roll(self._open, -(minute % WEEK_MIN)))
        if not len(ahead):
            return None
        return at_us if ahead[0] == 0 else int(minute + ahead[0]) * MINUTE_US

    def contacts_us(self, assigned_us: Longs, delay_us: Longs) -> Longs:
        """The first contact of each computer after it was assigned the package at which it may be told."""
        at_us: Longs = assigned_us + delay_us
        for _ in range(MAX_CONTACTS):
            outside = ~self._open[at_us // MINUTE_US % WEEK_MIN]
            if not outside.any():
                return at_us
            at_us = np.where(outside, at_us + self._interval_us, at_us)
        return np.where(self._open[at_us // MINUTE_US % WEEK_MIN], at_us, LATER_US)


def _day_and_minute(at_min: int) -> tuple[int, int]:
    return divmod(at_min % WEEK_MIN, DAY_MIN)


def _busy_us(done_us: Longs, contact_us: Longs) -> Longs:
    """How long each is busy from the contact on; one that never ends gives its place to nobody."""
    return np.where(done_us == NEVER, LATER_US, done_us - contact_us)


def _one_after_the_other(calendar: _Calendar, opened_us: int, delay_us: Longs, busy_us: Longs, at_once: int) -> Longs:
    """The contacts of computers of which so many at once have the package assigned: the next one gets it when one has
    ended."""
    free_us = [opened_us] * at_once
    contacts = np.empty_like(delay_us)
    for place in range(len(delay_us)):
        begun_us = calendar.next_open_us(heapq.heappop(free_us))
        if begun_us is None:
            contacts[place:] = LATER_US
            break
        contact_us = int(calendar.contacts_us(np.array([begun_us]), delay_us[place : place + 1])[0])
        contacts[place] = min(contact_us, LATER_US)
        heapq.heappush(free_us, min(contact_us + int(busy_us[place]), LATER_US))
    return contacts


def _next_us(following: SimulatedWave, opened_us: int, done_us: Longs, calendar: _Calendar) -> int | None:
    """When the next wave opens; None: not within the horizon."""
    rank = -(-len(done_us) * following.success_percent // 100)
    done = np.sort(done_us[done_us != NEVER])
    if rank > len(done):
        return None
    reached_us = int(done[rank - 1]) if rank else opened_us
    at_us = calendar.next_open_us(max(reached_us, opened_us + round(following.after_s * SECOND_US)))
    return None if at_us is None or at_us > HORIZON_US else at_us


def _weighted(
    done_us: Longs, weights: NDArray[np.float64]
) -> tuple[dict[int, float | None], list[tuple[float, float]]]:
    """By share when so many have the package, and the curve, of agents that stand for `weights` computers each."""
    is_done = done_us != NEVER
    order = np.argsort(done_us[is_done], kind="stable")
    done, reached = done_us[is_done][order], np.cumsum(weights[is_done][order]) / weights.sum()
    ranks = {share: int(np.searchsorted(reached, share / 100 - 1e-9)) for share in SHARES}
    after_s = {share: _seconds(int(done[rank])) if rank < len(done) else None for share, rank in ranks.items()}
    if not len(done):
        return after_s, []
    times = np.linspace(0, int(done[-1]), POINTS)
    shares = np.concatenate(([0.0], reached))[np.searchsorted(done, times, "right")]
    points = [
        (round(float(at) / SECOND_US, 3), round(float(share), 6)) for at, share in zip(times, shares, strict=True)
    ]
    return after_s, points


def _finish(done_us: Longs) -> dict[int, float | None]:
    done = np.sort(done_us[done_us != NEVER])
    ranks = {share: -(-len(done_us) * share // 100) for share in SHARES}
    return {share: _seconds(int(done[rank - 1])) if 0 < rank <= len(done) else None for share, rank in ranks.items()}


def _seconds(at_us: int | None) -> float | None:
    return None if at_us is None else round(at_us / SECOND_US, 3)
