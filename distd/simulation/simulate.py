"""The simulation: all agents of a world from their first contact to their last package, in exact batches.

An agent's next request comes at least `min_gap_us` after its present one: the shortest pause and a round trip. So of
all requests within a slice of time of that length none depends on the answer to another, and the slice can be computed
at once; only the queues connect them, and these are sums and running maxima. It is exact: an event-by-event simulation
gives the same to the microsecond, as the tests check.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3

from distd.simulation.agents import Agents
from distd.simulation.event_queue import EventQueue
from distd.simulation.network import Network
from distd.simulation.world import HORIZON_US, check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from distd.simulation.world import World

    Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What happened, in µs from the beginning and in bytes.

    - `done_us`: by package and agent, when the package was assembled; `NEVER`.
    - `contact_us`, `contact_wait_us`, `site`: of each agent, its first contact, how long it waited for the origin's
      answer, and where it is.
    - `line_bytes`: by site and minute; `mirror_bytes`: by mirror (as in `World.mirrors`) and minute; `origin_bytes`: by
      minute.
    """

    done_us: Longs
    contact_us: Longs
    contact_wait_us: Longs
    site: NDArray[np.int32]
    line_bytes: Longs
    mirror_bytes: Longs
    origin_bytes: Longs

    def digest(self) -> str:
        """The same where all agents have assembled all packages at the same times."""
        return blake3(np.ascontiguousarray(self.done_us).tobytes()).hexdigest()


def simulate(
    world: World, seed: int = 0, on_progress: Callable[[float], None] | None = None, contact_us: Longs | None = None
) -> SimulationResult:
    """Raises `BadInput` for a world that cannot be simulated.

    `on_progress` gets the share that is done, 0 to 1, once a slice. `contact_us`: each agent's first contact, µs from
    the beginning; None: drawn at random by `seed`.
    """
    check(world)
    agents = Agents(world, seed, contact_us)
    network = Network(world)
    events = EventQueue(agents.min_gap_us, network.failures_us)
    events.add(np.arange(world.agents, dtype=np.int64), agents.first_turn_us)
    turns_all, turns_done = int(agents.turn_counts[agents.dialect].sum()), 0
    while (slice_ := events.next(network.next_shared_end_us())) is not None:
        start_us, end_us, due, at_us = slice_
        if start_us > HORIZON_US:
            break
        turns_done += len(due)
        assembling, fetching, site, length = agents.start_turns(due, at_us)
        network.report_results(*assembling)
        network.fetch(*fetching, site, length)
        events.add(*agents.next_turns(*network.finished(end_us - 1)))
        events.add(*network.interrupted())
        if on_progress is not None:
            on_progress(turns_done / max(turns_all, 1))
    lines, mirrors, origin = network.traffic()
    return SimulationResult(
        agents.done_us, agents.contact_us, agents.contact_wait_us, agents.site, lines, mirrors, origin[0]
    )


def split(world: World, parts: int) -> list[World]:
    """At most `parts` worlds with some of its sites each, and about as many agents; `join` joins their results.

    A world is not split where its sites share an origin that has a limit.
    """
    if world.origin.shared.rules or world.contacts_per_s or world.requests_per_s or parts < 2:
        return [world]
    groups: dict[str | int, list[int]] = {}  # sites with the same mirror stay together
    for number, site in enumerate(world.sites):
        groups.setdefault((site.mirror.name or site.name) if site.mirror else number, []).append(number)
    bins: list[list[int]] = [[] for _ in range(parts)]
    loads = [0] * parts
    sized = ((sum(world.sites[number].agents for number in group), group) for group in groups.values())
    for size, group in sorted(sized, reverse=True):
        least = loads.index(min(loads)) if size else 0
        bins[least] += group
        loads[least] += size
    return [replace(world, sites=tuple(world.sites[number] for number in sorted(part))) for part in bins if part]


def join(world: World, parts: Sequence[tuple[World, SimulationResult]]) -> SimulationResult:
    """The result of `world` from those of the worlds into which it was `split`."""
    if len(parts) == 1:
        return parts[0][1]
    names = {site.name: number for number, site in enumerate(world.sites)}
    offsets = np.cumsum([0] + [site.agents for site in world.sites])
    done = np.empty((len(world.packages), world.agents), np.int64)
    contact = np.empty(world.agents, np.int64)
    lines = np.zeros((len(world.sites), max(result.line_bytes.shape[1] for _, result in parts)), np.int64)
    mirror_names = list(world.mirrors)
    mirrors = np.zeros((len(mirror_names), max(result.mirror_bytes.shape[1] for _, result in parts)), np.int64)
    origin = np.zeros(max(len(result.origin_bytes) for _, result in parts), np.int64)
    for part, result in parts:
        first = 0
        origin[: len(result.origin_bytes)] += result.origin_bytes
        for row, site in enumerate(part.sites):
            number = names[site.name]
            where, here = slice(offsets[number], offsets[number + 1]), slice(first, first + site.agents)
            done[:, where], contact[where] = result.done_us[:, here], result.contact_us[here]
            lines[number, : result.line_bytes.shape[1]] = result.line_bytes[row]
            first += site.agents
        for row, name in enumerate(part.mirrors):
            mirrors[mirror_names.index(name), : result.mirror_bytes.shape[1]] = result.mirror_bytes[row]
    site_of = np.repeat(np.arange(len(world.sites), dtype=np.int32), [site.agents for site in world.sites])
    return SimulationResult(done, contact, np.zeros_like(contact), site_of, lines, mirrors, origin)
