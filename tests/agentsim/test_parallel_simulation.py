from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agentsim import parallel_simulation
from agentsim.parallel_simulation import run
from distd.domain.errors import BadInput
from distd.lane.child_process import ChildExited
from distd.simulation.world import Line, Package, Site, World

if TYPE_CHECKING:
    from distd.simulation.simulate import SimulationResult

LINE = Line.read("1MB/s", "--line")
WORLD = World(packages=(Package("p", 1, (4000,) * 3),), sites=tuple(Site(f"s{number}", 5, LINE) for number in range(4)))


def die(world: World, seed: int) -> SimulationResult:
    os._exit(3)


async def test_the_outcome_is_the_same_for_any_number_of_processes() -> None:
    alone, shared = await run(WORLD, 1, 1), await run(WORLD, 1, 3)
    assert alone.digest() == shared.digest()


async def test_a_process_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_simulation, "simulate", die)
    with pytest.raises(ChildExited, match=r"simulation \d: ended with status 3"):
        await run(WORLD, 1, 2)


async def test_an_invalid_world() -> None:
    with pytest.raises(BadInput):
        await run(World(packages=(), sites=()), 1, 2)
