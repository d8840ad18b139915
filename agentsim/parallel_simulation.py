"""Simulations on several cores, which share the sites out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from agentsim.error_groups import unwrapped
from distd.lane.child_process import run_in_child
from distd.simulation import world as worlds
from distd.simulation.simulate import join, simulate, split

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.simulation.simulate import SimulationResult
    from distd.simulation.world import World


async def run(
    world: World, seed: int, processes: int, progress: Callable[[float], None] | None = None
) -> SimulationResult:
    """Raises `BadInput`, and `ChildExited`. The outcome is the same for any number of processes.

    `progress` is told the share that is done, from 0 to 1; only with one process.
    """
    worlds.check(world)
    parts = split(world, processes)
    if len(parts) == 1:
        return simulate(world, seed, progress)
    outcomes: dict[int, SimulationResult] = {}

    async def simulate_part(number: int, part: World) -> None:
        outcomes[number] = await run_in_child(simulate, part, seed, name=f"simulation {number + 1}")

    try:
        async with trio.open_nursery() as nursery:
            for number, part in enumerate(parts):
                nursery.start_soon(simulate_part, number, part)
    except BaseExceptionGroup as group:
        raise unwrapped(group) from None
    return join(world, [(part, outcomes[number]) for number, part in enumerate(parts)])
