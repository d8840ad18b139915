"""What is typed on the page of a forecast."""

from __future__ import annotations

import pytest

from distd.domain.errors import BadInput
from distd.domain.settings import DownloadConfig
from distd.simulation.world import Package, Site, World
from distd.web.console.forecast_form import ForecastForm

WORLD = World((Package.from_sizes("17", 5, 3_000_000, 1 << 20),), (Site("a", 3),), DownloadConfig(frag_latency_s=300))


def test_sliders_begin_as_it_is_set_and_change_the_world() -> None:
    form = ForecastForm({})
    sliders = form.sliders(WORLD)
    assert [(each.name, each.low, each.high, each.value) for each in sliders] == [
        ("frag_latency_s", 0, 300, 300),
        ("cycle_latency_s", 0, 120, 15),
        ("period_latency_s", 0, 120, 15),
        ("period_length", 1, 30, 10),
        ("priority", 0, 10, 5),
        ("size", 14, 24, 20),
    ]
    assert form.changed(WORLD, sliders) == WORLD
    form = ForecastForm({"frag_latency_s": "7", "priority": "2", "size": "21"})
    changed = form.changed(WORLD, form.sliders(WORLD))
    assert changed.config == DownloadConfig(frag_latency_s=7)
    assert changed.packages == (Package("17", 2, (1 << 21, 3_000_000 - (1 << 21))),)


def test_a_command_has_no_fragments_and_a_large_package_no_small_ones() -> None:
    def names(package: Package) -> list[tuple[str, int]]:
        world = World((package,), (Site("a", 1),))
        return [(each.name, each.low) for each in ForecastForm({}).sliders(world)][5:]

    assert names(Package("17", 5, ())) == []
    assert names(Package.from_sizes("17", 5, 1 << 33, 1 << 22)) == [("size", 21)]
    assert names(Package.from_sizes("17", 5, 1 << 40, 1 << 28)) == [("size", 28)]


@pytest.mark.parametrize("values", [{"priority": "11"}, {"size": "-1"}, {"cycle_latency_s": "9" * 9}])
def test_what_no_slider_can_say(values: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        ForecastForm(values).sliders(WORLD)
