from __future__ import annotations

import pytest

from distd.simulation.sampling import take_sample
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import Line, Site
from tests.simulation.worlds import small_world


def test_a_sample_behaves_like_the_whole_world() -> None:
    """A tenth of a line with a tenth of the agents is as busy; times and peaks are a little too high."""
    chosen = small_world(sites=(Site("large", 4000, Line.read("400kB/s")), Site("small", 7)))
    sample = take_sample(chosen, 6000)
    assert (sample.one_in, sample.world.agents, sample.weights) == (9, 445, (4000 / 444, 7.0))
    whole, some = (summarise(world, simulate(world, 2)) for world in (chosen, sample.world))
    some = sample.scale_up(some)
    for share in (50, 95):
        assert some.all.after_s[share] == pytest.approx(whole.all.after_s[share], rel=0.05)
    assert [load.bytes for load in some.lines] == [load.bytes for load in whole.lines]
    assert whole.lines[0].peak_bytes_per_s <= some.lines[0].peak_bytes_per_s * 1.05
    assert take_sample(chosen, 10**6).world is chosen
