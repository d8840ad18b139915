"""What the simulation predicts for a run: the same contacts, packages and latencies, in virtual time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from distd.domain.bandwidth import Rule
from distd.domain.schedule import start_s
from distd.domain.settings import DownloadConfig
from distd.simulation.simulate import simulate
from distd.simulation.summary import summarise
from distd.simulation.world import Line, Package, Site, World

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

    from agentsim.fleet.messages import PackageCounters
    from agentsim.fleet.options import FleetOptions
    from agentsim.fleet.totals import FleetTotals
    from distd.domain.records import Dialect, Info
    from distd.simulation.records import Summary


def world_of(options: FleetOptions, totals: FleetTotals) -> World | None:
    """The world of the run, in the machines' time. Its contacts are as they were due: how late they then were is in the
    latency of PROLOG, which is part of the greeting. None where agents were given different packages, or none: then it
    is not known which agent was given which. Slow agents have lines of their own in it; sleep is not in it."""
    contacts = len(totals.contacts_s)
    packages = {name: package for name, package in totals.packages.items() if package.listed}
    if not packages or not contacts or any(package.listed != contacts for package in packages.values()):
        return None
    settings = totals.settings
    config = DownloadConfig(
        frag_latency_s=settings["frag_latency_s"],
        cycle_latency_s=settings["cycle_latency_s"],
        period_latency_s=settings["period_latency_s"],
        period_length=settings["period_length"],
    )
    latency_s = {kind: _typical_s(options, latency) for kind, latency in totals.latency.items()}
    first_turn_delay_s = latency_s["prolog"] + latency_s["inventory"] + latency_s["info"] * len(packages)
    return World(
        packages=tuple(
            Package(name, package.priority, (_fragment_bytes(package, options.time_scale),) * package.count)
            for name, package in sorted(packages.items())
        ),
        sites=_sites(options, contacts),
        config=config,
        dialects=options.dialects,
        round_trip_s=latency_s["fragment"] * options.time_scale,
        first_turn_delay_s=first_turn_delay_s * options.time_scale,
    )


def _fragment_bytes(package: PackageCounters, time_scale: float) -> int:
    """The network is not sped up: in the machines' time as many bytes take so much longer."""
    return round(package.bytes / max(package.fragments, 1) * time_scale)


def _typical_s(options: FleetOptions, latency: HdrHistogram) -> float:
    """The mean; where some agents are slow the median, for the simulation adds what slow lines take itself."""
    if not latency.get_total_count():
        return 0.0
    micros = latency.get_value_at_percentile(50) if options.shares.slow else latency.get_mean_value()
    return float(micros) / 1e6


def _sites(options: FleetOptions, contacts: int) -> tuple[Site, ...]:
    slow = round(contacts * options.shares.slow)
    own = Line((Rule("slow", options.shares.slow_bytes_per_s, each=True),))
    return Site("all", contacts - slow), Site("slow", slow, own)


def forecast(options: FleetOptions, totals: FleetTotals) -> Summary | None:
    """Times in it are the machines': `time_scale` times as long as those of the run."""
    world = world_of(options, totals)
    if world is None:
        return None
    # Which agents are slow is chance, and does not depend on when they came.
    contacts_s = np.random.default_rng(options.seed).permutation(totals.contacts_s)
    contact_us = (contacts_s * 1e6 * options.time_scale).astype(np.int64)
    return summarise(world, simulate(world, options.seed, contact_us=contact_us))


@lru_cache(maxsize=1024)
def time_needed_s(dialect: Dialect, config: DownloadConfig, info: Info) -> float:
    """By the latencies alone, for an agent that has no other package."""
    needed_s = float(start_s(dialect, config, info.priority, info.fragments + 1, 0))
    return min(needed_s, config.timeout_days * 86_400.0)
