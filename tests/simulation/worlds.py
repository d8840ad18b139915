"""Worlds that several tests simulate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from distd.simulation.world import Line, Package, Site, World

MB = 1_000_000


def small_world(agents: int = 500, sites: tuple[Site, ...] = (), **values: Any) -> World:
    """A package of 3 MB for a site with a line of 4 Mbit/s and a small one beside it."""
    package = Package.from_sizes("p", 5, 3 * MB, 262_144)
    sites = sites or (Site("large", agents, Line.read("4Mbit/s")), Site("small", 20))
    return replace(World((package,), sites), **values)
