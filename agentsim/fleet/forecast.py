"""What the simulation says of a run: the same contacts, packages and latencies, in virtual time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from distd.domain.bandwidth import Rule
from distd.domain.records import DownloadConfig
from distd.domain.schedule import start_s
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import Line, Package, Site, World

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

    from agentsim.fleet.options import Order
    from agentsim.fleet.totals import Picture
    from distd.domain.records import Dialect, Info
    from distd.simulation.summary import Summary


def world_of(order: Order, picture: Picture) -> World | None:
    """The world of the run, in the machines' time. Its contacts are as they were due: how late they then were is in the
    latency of PROLOG, which is part of the greeting. None where agents were given different packages, or none: then
    there is no saying who was given which. Slow agents have lines of their own in it; sleep is not in it."""
    contacts = len(picture.contacts_s)
    packages = {name: one for name, one in picture.packages.items() if one.listed}
    if not packages or not contacts or any(one.listed != contacts for one in packages.values()):
        return None
    told = picture.told
    config = DownloadConfig(
        frag_latency_s=told["frag_latency_s"],
        cycle_latency_s=told["cycle_latency_s"],
        period_latency_s=told["period_latency_s"],
        period_length=told["period_length"],
    )
    late_s = {kind: _typical_s(order, late) for kind, late in picture.late.items()}
    greeting_s = late_s["prolog"] + late_s["inventory"] + late_s["info"] * len(packages)
    return World(
        packages=tuple(
            # The network is not sped up: in the machines' time as many bytes take so much longer.
            Package(name, one.priority, (round(one.bytes / max(one.fragments, 1) * order.time_scale),) * one.count)
            for name, one in sorted(packages.items())
        ),
        sites=_sites(order, contacts),
        config=config,
        dialects=order.dialects,
        round_trip_s=late_s["fragment"] * order.time_scale,
        greeting_s=greeting_s * order.time_scale,
    )


def _typical_s(order: Order, late: HdrHistogram) -> float:
    """What slow lines add is in the simulation already: then the middle is what the others have."""
    if not late.get_total_count():
        return 0.0
    micros = late.get_value_at_percentile(50) if order.shares.slow else late.get_mean_value()
    return float(micros) / 1e6


def _sites(order: Order, contacts: int) -> tuple[Site, ...]:
    slow = round(contacts * order.shares.slow)
    own = Line((Rule("slow", order.shares.slow_bytes_per_s, each=True),))
    return Site("all", contacts - slow), Site("slow", slow, own)


def forecast(order: Order, picture: Picture) -> Summary | None:
    """Times in it are the machines': `time_scale` times as long as those of the run."""
    world = world_of(order, picture)
    if world is None:
        return None
    # Who is slow is chance, and no matter of when they came.
    contacts_s = np.random.default_rng(order.seed).permutation(picture.contacts_s)
    contact_us = (contacts_s * 1e6 * order.time_scale).astype(np.int64)
    return summarise(world, simulate(world, order.seed, contact_us=contact_us))


@lru_cache(maxsize=1024)
def time_needed_s(dialect: Dialect, config: DownloadConfig, info: Info) -> float:
    """By the latencies alone, for a package that is alone."""
    needed_s = float(start_s(dialect, config, info.priority, info.fragments + 1, 0))
    return min(needed_s, config.timeout_days * 86_400.0)
