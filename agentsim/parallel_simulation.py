"""Simulations on as many cores as there are sites to share out."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from distd.simulation import world as worlds
from distd.simulation.simulate import join, simulate, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.simulation.simulate import Outcome
    from distd.simulation.world import World


def run(world: World, seed: int, processes: int, told: Callable[[float], None] | None = None) -> Outcome:
    """Raises `BadInput`. The outcome is the same for any number of processes; `told` hears of it only with one."""
    worlds.check(world)
    parts = split(world, processes)
    if len(parts) == 1:
        return simulate(world, seed, told)
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(len(parts), mp_context=context) as pool:
        outcomes = list(pool.map(simulate, parts, [seed] * len(parts)))
    return join(world, list(zip(parts, outcomes, strict=True)))
