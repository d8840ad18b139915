"""Batches against events: the same to the microsecond, whatever the world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distd.domain.errors import BadInput
from distd.domain.records import Dialect
from distd.domain.schedule import start_s
from distd.domain.settings import DownloadConfig
from distd.simulation.simulate import join, simulate, split
from distd.simulation.summary import summarise
from distd.simulation.world import HORIZON_DAYS, Line, Mirror, Package, Site, World
from tests.simulation.event_by_event import Simulation

CONFIG = DownloadConfig(frag_latency_s=15, cycle_latency_s=15, period_latency_s=15, period_length=10)
NO_PAUSES = DownloadConfig(frag_latency_s=0, cycle_latency_s=0, period_latency_s=0)
PACKAGE = Package.from_sizes("p", 5, 20 * 65_536 - 100, 65_536)
SLOW = Line.read("300kB/s")
OFFICE = Line.read("2MB/s; 200kB/s mon-fri 8-18; 100kB/s wed 12-13")
OWN = Line.read("300kB/s; 20kB/s each; 5kB/s each mon-fri 8-18")
MIXED = {Dialect.UNIX: 2.0, Dialect.WINDOWS: 5.0, Dialect.NATIVE: 1.0}


def sites(
    agents: Any,
    count: Any = 7,
    line: Any = SLOW,
    mirrors: Any = 2,
    down: Any = (),
    near: Any = "10MB/s; 2MB/s each",
    name: Any = "",
) -> Any:
    near = Mirror(Line.read(near), down, name)
    return tuple(Site(f"s{n}", agents // count, line, near if n < mirrors else None) for n in range(count))


# As few agents as still wait for each other, most of them told within some hours: the CPU goes by agents and by hours.
WORLDS = {
    "one line": World((PACKAGE,), (Site("s", 500, SLOW),), CONFIG),
    "mirrors, one of them down": World(
        (PACKAGE,), sites(700, down=((2000, 2360), (5000, 5001)), near="1MB/s; 200kB/s each"), CONFIG, contact_s=8640
    ),
    "a slow origin": World((PACKAGE,), sites(700), CONFIG, origin=Line.read("400kB/s"), contact_s=28_800),
    "rates by the hour": World(
        (PACKAGE,), sites(500, line=OFFICE), CONFIG, origin=OFFICE, contact_s=21_600, begins_min=400
    ),
    "three packages": World(
        (PACKAGE, Package.from_sizes("q", 1, 100_000, 10_000), Package.from_sizes("r", 3, 1_000_000, 30_000)),
        sites(350), CONFIG, dialects=MIXED, contact_s=14_400,
    ),
    "priority 0": World(
        (Package.from_sizes("p", 0, 500_000, 10_000), PACKAGE), sites(210), CONFIG, dialects=MIXED, prolog_freq_h=3
    ),
    "no pauses": World((PACKAGE,), sites(100, 3), NO_PAUSES, contact_s=3600),
    "all at once": World((PACKAGE,), sites(1000), CONFIG, contact_s=0),
    "shared lines": World((PACKAGE,), sites(700), CONFIG, shared=True, dialects=MIXED, contact_s=21_600),
    "shared lines, rates by the hour": World((PACKAGE,), sites(420, line=OFFICE), CONFIG, shared=True, contact_s=600),
    "a slow origin and slow mirrors": World((PACKAGE,), sites(1000), CONFIG, requests_per_s=2, contact_s=60),
    "a storm of contacts": World((PACKAGE,), sites(1000), CONFIG, contacts_per_s=7, contact_s=60, dialects=MIXED),
    "each a line of its own": World(
        (PACKAGE,), sites(280, line=OWN), CONFIG, origin=Line.read("15kB/s each"), contact_s=28_800
    ),
    "slow in every way": World(
        (PACKAGE,), sites(420, line=OWN, down=((900, 2000),)), CONFIG, begins_min=470,
        shared=True, contacts_per_s=3, requests_per_s=1, contact_s=60, origin=Line.read("800kB/s; 30kB/s each"),
    ),
    "mirrors that go down under load": World(
        (PACKAGE,), sites(700, mirrors=5, down=((600, 900), (800, 1200), (1500.5, 1501)), near="20kB/s; 10kB/s each"),
        CONFIG, contact_s=1200, requests_per_s=14,
    ),
    "mirrors that go down while requests wait": World(
        (PACKAGE,), sites(40, 2, down=((10, 10.5), (300, 300.5))), NO_PAUSES, contact_s=5, requests_per_s=1
    ),
    "one mirror for several sites": World(
        (PACKAGE,), sites(700, near="300kB/s", down=((1000, 4000),), name="near"), CONFIG, contact_s=2400,
    ),
    "two packages of priority 0 beside others": World(
        tuple(Package.from_sizes(name, n, 200_000, 40_000) for name, n in {"p": 5, "q": 0, "r": 0, "s": 1}.items()),
        sites(350), CONFIG, dialects=MIXED, prolog_freq_h=2,
    ),
    "timed out": World(
        (Package.from_sizes("p", 1, 60_000, 1000), PACKAGE),
        sites(280),
        DownloadConfig(frag_latency_s=3000, timeout_days=1),
        dialects=MIXED,
    ),
    "nothing but a command": World((Package("p", 5, ()),), sites(100), CONFIG),
    "a priority without a turn": World((Package.from_sizes("p", 11, 1000, 100), PACKAGE), sites(100), CONFIG),
}  # fmt: skip


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_batches_and_events_agree(world: Any) -> None:
    assert (simulate(world, 3).done_us == Simulation(world, 3).run()).all()


def test_five_thousand_agents_have_the_same_hash() -> None:
    world = World((PACKAGE,), sites(5000, 50, Line.read("250kB/s"), 5, ((40_000, 43_600),), "1MB/s"), CONFIG)
    expected = blake3(np.ascontiguousarray(Simulation(world, 1).run()).tobytes()).hexdigest()
    assert simulate(world, 1).digest() == expected


def test_the_seed_decides() -> None:
    world = WORLDS["one line"]
    assert simulate(world, 1).digest() == simulate(world, 1).digest() != simulate(world, 2).digest()


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("priority", [0, 1, 3, 10])
def test_one_agent_follows_the_closed_form(dialect: Any, priority: Any) -> None:
    """On a line of its own: the scheduler's formula, with what a fetch takes."""
    package = Package.from_sizes("p", priority, 30 * 3000, 3000)
    world = World((package,), (Site("s", 1, Line.read("300kB/s")),), CONFIG, dialects={dialect: 1.0}, round_trip_s=0.25)
    result = simulate(world, 5)
    started_us = result.contact_us[0] + 2 * 250_000
    expected_s = start_s(dialect, CONFIG, priority, 31, 0)
    fetches_us = 30 * (250_000 + 10_000)
    assert result.done_us[0, 0] - started_us == expected_s * 1_000_000 + fetches_us


def test_contacts_wait_for_their_answer() -> None:
    """A hundred at once, ten a second: the last is answered after ten seconds, and all begin as much later."""
    world = World((PACKAGE,), (Site("s", 100),), CONFIG, contact_s=0)
    slow = replace(world, contacts_per_s=10)
    result, waits = simulate(slow, 1), summarise(slow, simulate(slow, 1)).contact_wait_s
    assert waits == {50: 5.0, 90: 9.0, 95: 9.5, 99: 9.9, 100: 10.0}
    assert (result.done_us - result.contact_wait_us == simulate(world, 1).done_us).all()
    assert not any(summarise(world, simulate(world, 1)).contact_wait_s.values())


def test_a_limit_for_each_transfer_makes_no_queue() -> None:
    """A hundred at once, each at 1 kB/s: ten fragments of 2 kB take everyone twenty seconds."""
    package = Package.from_sizes("p", 1, 20_000, 2000)
    world = World((package,), (Site("s", 100, Line.read("1kB/s each")),), NO_PAUSES, contact_s=0, round_trip_s=0)
    assert {round(done_us / 1e6, 2) for done_us in simulate(world, 1).done_us[0].tolist()} == {20.0}


def test_a_server_answers_no_more_requests_than_its_limit() -> None:
    """Twenty fragments for each of 100 agents that come at once, fifty a second, take 40 s at least."""
    world = World(
        (Package.from_sizes("p", 1, 20_000, 1000),), (Site("s", 100),), NO_PAUSES, contact_s=0, requests_per_s=50
    )
    assert 40 <= simulate(world, 1).done_us.max() / 1e6 < 40.2


def test_bytes_are_counted_on_their_lines_and_mirrors() -> None:
    world = WORLDS["mirrors, one of them down"]
    result = simulate(world, 1)
    size = sum(PACKAGE.lengths)
    by_line = result.line_bytes.sum(axis=1)
    by_mirror = np.zeros_like(by_line)
    by_mirror[:2] = result.mirror_bytes.sum(axis=1)
    through = by_mirror + by_line - [site.agents * size for site in world.sites]
    assert (through[2:] == 0).all()
    assert (through >= 0).all()
    assert (through <= 10 * PACKAGE.lengths[0]).all()  # what a mirror had sent of fragments when it went down
    assert (by_line[:2] > 0).all()
    assert result.origin_bytes.sum() == by_line.sum()


def test_no_line_carries_more_in_a_minute_than_its_rate() -> None:
    """Fragments that take several minutes are spread over them."""
    package = Package.from_sizes("p", 1, 10_000_000, 2_500_000)
    for shared in (False, True):
        world = World((package,), (Site("s", 20, SLOW),), CONFIG, contact_s=600, shared=shared)
        result = simulate(world, 1)
        assert result.line_bytes.sum() == 20 * 10_000_000
        assert result.line_bytes.max() == 60 * 300_000
        # Nor does the origin send what no line takes.
        assert (result.origin_bytes == result.line_bytes[0]).all()
    own = World((package,), (Site("s", 1, Line.read("20kB/s each")),), CONFIG, contact_s=0)
    assert simulate(own, 1).line_bytes.max() == 60 * 20_000


def test_a_mirror_that_is_down_sends_nothing() -> None:
    """Agents that waited for it fetch the same fragment again, from the origin."""
    down_s = (600.0, 7200.0)
    site = Site("s", 200, mirror=Mirror(Line.read("100kB/s"), (down_s,)))
    world = World((Package.from_sizes("p", 1, 1_000_000, 100_000),), (site,), CONFIG, contact_s=60)
    result = simulate(world, 1)
    by_minute = result.mirror_bytes[0]
    assert by_minute[:10].max() == 60 * 100_000
    assert not by_minute[10:120].any()
    assert (result.done_us > 0).all()
    assert result.origin_bytes.sum() + by_minute.sum() >= 200 * 1_000_000


def test_a_mirror_of_several_sites_is_one() -> None:
    mirror = Mirror(Line.read("50kB/s"), name="paris")
    world = World((PACKAGE,), (Site("a", 300, mirror=mirror), Site("b", 300, mirror=mirror)), CONFIG, contact_s=600)
    result = simulate(world, 1)
    assert [load.name for load in summarise(world, result).mirrors] == ["paris"]
    assert result.mirror_bytes.shape[0] == 1
    assert result.mirror_bytes.max() == 60 * 50_000
    assert [len(part.sites) for part in split(world, 2)] == [2]


def test_a_package_of_priority_0_comes_alone() -> None:
    """The others are listed in a contact after it; it starves nobody (`origin.agents.listing`)."""
    world = World((PACKAGE, Package.from_sizes("q", 0, 50_000, 10_000)), (Site("s", 300),), CONFIG, dialects=MIXED)
    result = simulate(world, 1)
    later, first = result.done_us
    assert (first > 0).all()
    assert (later > first).all()
    day_us = 24 * 3600 * 1_000_000
    assert (later >= result.contact_us + day_us).all()


def test_the_timeout_counts_from_the_contact_that_listed_the_package() -> None:
    """What comes a day after a package of priority 0 has a day of its own."""
    config = replace(CONFIG, timeout_days=1)
    world = World((PACKAGE, Package.from_sizes("q", 0, 50_000, 10_000)), (Site("s", 50),), config)
    done_us = simulate(world, 1).done_us
    assert (done_us > 0).all()
    assert (done_us == Simulation(world, 1).run()).all()


def test_transfers_that_end_after_the_horizon_are_not_counted() -> None:
    """2,000 fragments of 53 GB, one after the other on 8 kB/s, would take four centuries: the line is full until the
    horizon, and what is kept of each minute ends there."""
    world = World(
        (Package.from_sizes("p", 5, 53 * 10**9, 53 * 10**9),), (Site("s", 2000, Line.read("64kbit/s")),), CONFIG
    )
    result = simulate(world, 1)
    assert (result.done_us < 0).all()
    assert result.line_bytes.shape[1] == HORIZON_DAYS * 1440
    assert result.line_bytes.max() == 60 * 8000
    assert not summarise(world, result).all.done


def test_stale_entries_without_a_pause_end() -> None:
    """Beside a package of priority 0 a Unix agent without latencies would take no turns for ever."""
    world = World((Package.from_sizes("p", 0, 50_000, 10_000), PACKAGE), (Site("s", 3),), NO_PAUSES)
    assert (simulate(world, 1).done_us > 0).all()


def test_a_package_that_is_not_done_by_the_timeout_never_is() -> None:
    config = DownloadConfig(
        frag_latency_s=86_400, cycle_latency_s=0, period_latency_s=0, period_length=1, timeout_days=2
    )
    result = simulate(
        World((Package.from_sizes("p", 1, 3, 1), Package.from_sizes("q", 1, 1, 1)), (Site("s", 50),), config), 1
    )
    # A fragment of each, a day each, then q is assembled with the third period, then both have given up.
    assert (result.done_us[0] < 0).all()
    assert (simulate(World((Package.from_sizes("q", 1, 1, 1),), (Site("s", 50),), config), 1).done_us > 0).all()


def test_transfers_wait_while_a_line_is_almost_closed() -> None:
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
        ({"sites": (Site("a", 1, mirror=Mirror(name="m")), Site("b", 1, mirror=Mirror(SLOW, name="m")))}, "mirrors"),
        ({"round_trip_s": float("nan")}, "round trip"),
        ({"contact_s": 36 * 86_400.0}, "window"),
        ({"packages": (Package("p", 5, (10**15,)),)}, "packages"),
        ({"contacts_per_s": -1}, "contacts_per_s"),
        ({"requests_per_s": 10**9}, "requests_per_s"),
        ({"shared": True, "config": DownloadConfig(frag_latency_s=0, cycle_latency_s=0)}, "download.frag_latency_s"),
    ],
)
def test_bad_worlds_are_refused(values: Any, field: Any) -> None:
    world = World(**({"packages": (PACKAGE,), "sites": sites(70), "config": CONFIG} | values))
    with pytest.raises(BadInput) as caught:
        simulate(world)
    assert caught.value.field == field


LINES = st.lists(
    st.sampled_from(
        ["1kB/s", "20kB/s", "300kB/s", "5MB/s", "7kB/s each", "60kB/s each", "2kB/s mon-fri 8-18", "1kB/s 23-1"]
    ),
    max_size=3,
).map(lambda rules: Line.read("; ".join(rules)))
SPANS = st.tuples(st.integers(0, 90_000), st.integers(1, 40_000)).map(lambda span: (span[0], span[0] + span[1]))
NEAR = st.builds(Mirror, LINES, st.lists(SPANS, max_size=3).map(tuple))
PACKAGES = st.lists(
    st.tuples(st.integers(0, 11), st.lists(st.integers(0, 200_000), max_size=6).map(tuple)), min_size=1, max_size=3
).map(lambda rows: tuple(Package(str(number), *row) for number, row in enumerate(rows)))
LATENCY_S = st.sampled_from([0, 1, 15, 600, 20_000])
CONFIGS = st.builds(
    DownloadConfig,
    frag_latency_s=LATENCY_S,
    cycle_latency_s=LATENCY_S,
    period_latency_s=LATENCY_S,
    period_length=st.sampled_from([1, 5, 10]),
    timeout_days=st.sampled_from([1, 30]),
)


@st.composite
def random_worlds(draw: Any) -> Any:
    """Few agents, and anything else."""
    shared_mirror = draw(st.none() | NEAR.map(lambda mirror: replace(mirror, name="shared")))
    mirrors = st.none() | NEAR | st.just(shared_mirror)
    sites = tuple(Site(f"s{number}", draw(st.integers(0, 12)), draw(LINES), draw(mirrors)) for number in range(4))
    config = draw(CONFIGS)
    return World(
        packages=draw(PACKAGES),
        sites=(*sites, Site("one", 1)),
        config=config,
        prolog_freq_h=draw(st.sampled_from([1, 24])),
        dialects=draw(st.sampled_from([MIXED, {Dialect.UNIX: 1.0}])),
        contact_s=draw(st.sampled_from([None, 0.0, 600.0])),
        origin=draw(LINES),
        contacts_per_s=draw(st.sampled_from([0, 1, 50])),
        requests_per_s=draw(st.sampled_from([0, 1, 50])),
        round_trip_s=draw(st.sampled_from([0.0, 0.005, 2.0])),
        shared=config.frag_latency_s > 0 and draw(st.booleans()),
        begins_min=draw(st.integers(0, 10_079)),
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random_worlds(), st.integers(0, 3))
def test_batches_and_events_agree_on_any_world(world: Any, seed: Any) -> None:
    result = simulate(world, seed)
    assert (result.done_us == Simulation(world, seed).run()).all()
    parts = split(world, 3)
    joined = join(world, [(part, simulate(part, seed)) for part in parts])
    assert joined.digest() == result.digest()
    assert (joined.line_bytes.sum(axis=1) == result.line_bytes.sum(axis=1)).all()
    # No line, mirror or origin carries more than its rate.
    for table, lines in (
        (result.line_bytes, [site.line for site in world.sites]),
        (result.mirror_bytes, [mirror.line for mirror in world.mirrors.values()]),
        (result.origin_bytes[None], [world.origin]),
    ):
        for row, line in zip(table, lines, strict=True):
            if line.shared.rules and not line.per_transfer.rules:
                can = [60_000 * line.shared.kilobytes_per_s(minute + world.begins_min) for minute in range(len(row))]
                assert (row <= np.array(can)).all()
