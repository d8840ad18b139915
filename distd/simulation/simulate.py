"""The simulation: all agents of a world from their first contact to their last package, in exact batches.

An agent's next request comes at least `gap` after its present one: so long are the shortest pause and the round trip.
So of all requests within a slice of time of that width none depends on another's answer, and the slice can be computed
at once; only the queues join them, and those are sums and running maxima. It is exact: an event-by-event simulation
gives the same to the microsecond, which the tests hold it to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3

from distd.simulation.agents import Crowd
from distd.simulation.event_queue import Agenda
from distd.simulation.network import Network
from distd.simulation.world import HORIZON_US, check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from distd.simulation.world import World

    Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`done_us`: by package and agent, when it was assembled (µs from the beginning; `NEVER`). `contact_us`,
    `waited_us`, `site`: each agent's first contact, how long it waited for the origin to answer, and where it is.
    `line_bytes`: by site and minute; `mirror_bytes`: by mirror (as in `World.mirrors`) and minute; `origin_bytes`: by
    minute."""

    done_us: Longs
    contact_us: Longs
    waited_us: Longs
    site: NDArray[np.int32]
    line_bytes: Longs
    mirror_bytes: Longs
    origin_bytes: Longs

    def digest(self) -> str:
        """The same for the same course of events."""
        return blake3(np.ascontiguousarray(self.done_us).tobytes()).hexdigest()


def simulate(
    world: World, seed: int = 0, told: Callable[[float], None] | None = None, contact_us: Longs | None = None
) -> Outcome:
    """Raises `BadInput`. `told` gets the share that is done, now and then. `contact_us`: each agent's first contact, µs
    from the beginning; without, it is drawn."""
    check(world)
    crowd = Crowd(world, seed, contact_us)
    network = Network(world)
    agenda = Agenda(crowd.width_us, network.falls_us)
    agenda.add(np.arange(world.agents, dtype=np.int64), crowd.first_us)
    turns_all, turns_done = int(crowd.last[crowd.dialect].sum()), 0
    while (slice_ := agenda.next(network.busy_until())) is not None:
        begin_us, end_us, agents, at_us = slice_
        if begin_us > HORIZON_US:
            break
        turns_done += len(agents)
        done, fetching, site, length = crowd.take_turns(agents, at_us)
        network.stand_by(*done)
        network.fetch(*fetching, site, length)
        agenda.add(*crowd.goes_on(*network.ended(end_us - 1)))
        agenda.add(*network.again())
        if told is not None:
            told(turns_done / max(turns_all, 1))
    lines, mirrors, origin = network.meters()
    return Outcome(crowd.done_us, crowd.contact_us, crowd.waited_us, crowd.site, lines, mirrors, origin[0])


def split(world: World, parts: int) -> list[World]:
    """Worlds of some of its sites each, of about as many agents, whose outcomes joined are its own: `join`. It is not
    split where sites meet at an origin that has a limit."""
    if world.origin.shared.rules or world.contacts_per_s or world.requests_per_s or parts < 2:
        return [world]
    groups: dict[str | int, list[int]] = {}  # sites with the same mirror stay together
    for number, site in enumerate(world.sites):
        groups.setdefault((site.mirror.name or site.name) if site.mirror else number, []).append(number)
    bins: list[list[int]] = [[] for _ in range(parts)]
    loads = [0] * parts
    for size, group in sorted(
        ((sum(world.sites[one].agents for one in group), group) for group in groups.values()), reverse=True
    ):
        least = loads.index(min(loads)) if size else 0
        bins[least] += group
        loads[least] += size
    return [replace(world, sites=tuple(world.sites[number] for number in sorted(one))) for one in bins if one]


def join(world: World, parts: Sequence[tuple[World, Outcome]]) -> Outcome:
    """The outcome of `world` from those of the worlds into which it was `split`."""
    if len(parts) == 1:
        return parts[0][1]
    names = {site.name: number for number, site in enumerate(world.sites)}
    offsets = np.cumsum([0] + [site.agents for site in world.sites])
    done = np.empty((len(world.packages), world.agents), np.int64)
    contact = np.empty(world.agents, np.int64)
    lines = np.zeros((len(world.sites), max(outcome.line_bytes.shape[1] for _, outcome in parts)), np.int64)
    mirror_names = list(world.mirrors)
    mirrors = np.zeros((len(mirror_names), max(outcome.mirror_bytes.shape[1] for _, outcome in parts)), np.int64)
    origin = np.zeros(max(len(outcome.origin_bytes) for _, outcome in parts), np.int64)
    for part, outcome in parts:
        at = 0
        origin[: len(outcome.origin_bytes)] += outcome.origin_bytes
        for row, site in enumerate(part.sites):
            number = names[site.name]
            where, here = slice(offsets[number], offsets[number + 1]), slice(at, at + site.agents)
            done[:, where], contact[where] = outcome.done_us[:, here], outcome.contact_us[here]
            lines[number, : outcome.line_bytes.shape[1]] = outcome.line_bytes[row]
            at += site.agents
        for row, name in enumerate(part.mirrors):
            mirrors[mirror_names.index(name), : outcome.mirror_bytes.shape[1]] = outcome.mirror_bytes[row]
    site_of = np.repeat(np.arange(len(world.sites), dtype=np.int32), [one.agents for one in world.sites])
    return Outcome(done, contact, np.zeros_like(contact), site_of, lines, mirrors, origin)
