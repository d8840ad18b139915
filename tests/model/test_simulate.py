"""Batches against events: the same to the microsecond, whatever the world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blake3 import blake3

from distd.core.errors import BadInput
from distd.core.records import Dialect, DownloadConfig
from distd.core.schedule import start_s
from distd.model.simulate import simulate
from distd.model.summary import summarise
from distd.model.world import Line, Mirror, Package, Site, World
from tests.model.heap import Simulation

CONFIG = DownloadConfig(frag_latency_s=15, cycle_latency_s=15, period_latency_s=15, period_length=10)
NO_PAUSES = DownloadConfig(frag_latency_s=0, cycle_latency_s=0, period_latency_s=0)
PACKAGE = Package.cut("p", 5, 20 * 65_536 - 100, 65_536)
THIN = Line.read("300kB/s")
OFFICE = Line.read("2MB/s; 200kB/s mon-fri 8-18; 100kB/s wed 12-13")
OWN = Line.read("300kB/s; 20kB/s each; 5kB/s each mon-fri 8-18")
MIXED = {Dialect.UNIX: 2.0, Dialect.WINDOWS: 5.0, Dialect.NATIVE: 1.0}


def sites(agents, count=7, line=THIN, mirrors=2, down=()):
    near = Mirror(Line.read("10MB/s; 2MB/s each"), down)
    return tuple(Site(f"s{n}", agents // count, line, near if n < mirrors else None) for n in range(count))


WORLDS = {
    "one line": World((PACKAGE,), (Site("s", 500, THIN),), CONFIG),
    "mirrors, one of them down": World((PACKAGE,), sites(3000, down=((20_000, 23_600), (50_000, 50_001))), CONFIG),
    "a thin origin": World((PACKAGE,), sites(2000), CONFIG, origin=Line.read("400kB/s")),
    "by the hours": World((PACKAGE,), sites(2000, line=OFFICE), CONFIG, origin=OFFICE, begins_min=400),
    "three packages": World(
        (PACKAGE, Package.cut("q", 1, 100_000, 10_000), Package.cut("r", 3, 1_000_000, 30_000)),
        sites(1500), CONFIG, dialects=MIXED,
    ),
    "priority 0": World((Package.cut("p", 0, 500_000, 10_000), PACKAGE), sites(700), CONFIG, dialects=MIXED),
    "no pauses": World((PACKAGE,), sites(300), NO_PAUSES),
    "all at once": World((PACKAGE,), sites(3000), CONFIG, contact_s=0),
    "shared lines": World((PACKAGE,), sites(3000), CONFIG, shared=True, dialects=MIXED),
    "shared by the hours": World((PACKAGE,), sites(1000, line=OFFICE), CONFIG, shared=True, contact_s=600),
    "a slow origin and slow mirrors": World((PACKAGE,), sites(3000), CONFIG, requests_per_s=2, contact_s=60),
    "a storm of contacts": World((PACKAGE,), sites(3000), CONFIG, contacts_per_s=7, contact_s=60, dialects=MIXED),
    "each a line of its own": World((PACKAGE,), sites(700, line=OWN), CONFIG, origin=Line.read("15kB/s each")),
    "slow in every way": World(
        (PACKAGE,), sites(1000, line=OWN, down=((900, 2000),)), CONFIG, begins_min=470,
        shared=True, contacts_per_s=3, requests_per_s=1, contact_s=60, origin=Line.read("800kB/s; 30kB/s each"),
    ),
    "nothing but a command": World((Package("p", 5, ()),), sites(100), CONFIG),
    "no turn at all": World((Package.cut("p", 11, 1000, 100), PACKAGE), sites(100), CONFIG),
}  # fmt: skip


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_batches_and_events_agree(world):
    assert (simulate(world, 3).done_us == Simulation(world, 3).run()).all()


def test_twenty_thousand_agents_have_the_same_hash():
    world = World((PACKAGE,), sites(20_000, 50, Line.read("1MB/s"), 5, ((40_000, 43_600),)), CONFIG)
    expected = blake3(np.ascontiguousarray(Simulation(world, 1).run()).tobytes()).hexdigest()
    assert simulate(world, 1).digest() == expected


def test_the_seed_decides():
    world = WORLDS["one line"]
    assert simulate(world, 1).digest() == simulate(world, 1).digest() != simulate(world, 2).digest()


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("priority", [0, 1, 3, 10])
def test_one_agent_follows_the_closed_form(dialect, priority):
    """On a line of its own: the scheduler's formula, with what a fetch takes."""
    package = Package.cut("p", priority, 30 * 3000, 3000)
    world = World((package,), (Site("s", 1, Line.read("300kB/s")),), CONFIG, dialects={dialect: 1.0}, round_trip_s=0.25)
    outcome = simulate(world, 5)
    started_us = outcome.contact_us[0] + 2 * 250_000
    expected_s = start_s(dialect, CONFIG, priority, 31, 0)
    fetches_us = 30 * (250_000 + 10_000)
    assert outcome.done_us[0, 0] - started_us == expected_s * 1_000_000 + fetches_us


def test_contacts_wait_for_their_answer():
    """A hundred at once, ten a second: the last is answered after ten seconds, and all begin as much later."""
    world = World((PACKAGE,), (Site("s", 100),), CONFIG, contact_s=0)
    slow = replace(world, contacts_per_s=10)
    outcome, waits = simulate(slow, 1), summarise(slow, simulate(slow, 1)).contact_wait_s
    assert waits == {50: 5.0, 90: 9.0, 95: 9.5, 99: 9.9, 100: 10.0}
    assert (outcome.done_us - outcome.waited_us == simulate(world, 1).done_us).all()
    assert not any(summarise(world, simulate(world, 1)).contact_wait_s.values())


def test_a_line_for_each_is_nobodys_queue():
    """A hundred at once, each at 1 kB/s: ten fragments of 2 kB take everyone twenty seconds."""
    package = Package.cut("p", 1, 20_000, 2000)
    world = World((package,), (Site("s", 100, Line.read("1kB/s each")),), NO_PAUSES, contact_s=0, round_trip_s=0)
    assert {round(done_us / 1e6, 2) for done_us in simulate(world, 1).done_us[0].tolist()} == {20.0}


def test_a_server_answers_no_more_than_it_can():
    """Twenty fragments for each of 1,000 agents that come at once, fifty a second, take 400 s at least."""
    world = World((Package.cut("p", 1, 20_000, 1000),), (Site("s", 1000),), NO_PAUSES, contact_s=0, requests_per_s=50)
    assert 400 <= simulate(world, 1).done_us.max() / 1e6 < 402


def test_bytes_are_where_they_went():
    world = WORLDS["mirrors, one of them down"]
    outcome = simulate(world, 1)
    size = sum(PACKAGE.lengths)
    by_mirror = outcome.mirror_bytes.sum(axis=1)
    by_line = outcome.line_bytes.sum(axis=1)
    assert (by_mirror + by_line == [site.agents * size for site in world.sites]).all()
    assert (by_mirror[2:] == 0).all()
    assert (by_line[:2] > 0).all()
    assert outcome.origin_bytes.sum() == by_line.sum()
    # No line carries more in a minute than it can.
    assert outcome.line_bytes.max() <= 60 * 300_000 + 65_536


def test_what_waits_for_a_dead_line_waits():
    """Nothing goes through a line of 1 kB/s in the office hours, and all comes afterwards."""
    line = Line.read("10MB/s; 1kB/s mon-sun 8-18")
    world = World((PACKAGE,), (Site("s", 50, line),), CONFIG, contact_s=0, begins_min=8 * 60)
    done_h = simulate(world, 1).done_us / 3.6e9
    assert done_h.min() > 10


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"sites": ()}, "agents"),
        ({"packages": ()}, "packages"),
        ({"dialects": {}}, "dialects"),
        ({"contacts_per_s": -1}, "contacts_per_s"),
        ({"requests_per_s": 10**9}, "requests_per_s"),
        ({"shared": True, "config": DownloadConfig(frag_latency_s=0, cycle_latency_s=0)}, "download.frag_latency_s"),
    ],
)
def test_what_cannot_be_simulated(values, field):
    world = World(**({"packages": (PACKAGE,), "sites": sites(70), "config": CONFIG} | values))
    with pytest.raises(BadInput) as caught:
        simulate(world)
    assert caught.value.field == field
