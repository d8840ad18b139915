"""The simulation: all agents of a world from their first contact to their last package, in exact batches.

An agent's next request comes at least `gap` after its present one: so long are the shortest pause and the round trip.
So of all requests within a slice of time of that width none depends on another's answer, and the slice can be computed
at once; only the queues join them, and those are sums and running maxima. It is exact: an event-by-event simulation
gives the same to the microsecond, which the tests hold it to.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import numpy as np
from blake3 import blake3

from distd.core.errors import BadInput
from distd.model.queues import Capacities, Desk, Fifo, Own, Shared
from distd.model.turns import ASSEMBLY, list_turns
from distd.model.world import LAST_DAY, MINUTE_US, SECOND_US, check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from distd.model.turns import Turns
    from distd.model.world import Mirror, World

    Longs = NDArray[np.int64]

ORIGIN: Final = 0
NEVER: Final = -1
HORIZON_US: Final = LAST_DAY * 86_400 * SECOND_US


@dataclass(frozen=True, slots=True)
class Outcome:
    """`done_us`: by package and agent, when it was assembled (µs from the beginning; `NEVER`). `contact_us`,
    `waited_us`, `site`: each agent's first contact, how long it waited for the origin to answer, and where it is.
    `line_bytes` and `mirror_bytes`: by site and minute; `origin_bytes`: by minute."""

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
    agenda = Agenda(_width_us(world, crowd.tables))
    agenda.add(np.arange(world.agents, dtype=np.int64), crowd.first_us)
    turns_all, turns_done = int(crowd.last[crowd.dialect].sum()), 0
    while (slice_ := agenda.next(network.busy_until())) is not None:
        begin_us, agents, at_us = slice_
        if begin_us > HORIZON_US:
            break
        turns_done += len(agents)
        crowd.take_turns(agents, at_us, network)
        ended, ended_us = network.ended(begin_us + agenda.width_us - 1)
        agenda.add(*crowd.goes_on(ended, ended_us))
        if told is not None:
            told(turns_done / max(turns_all, 1))
    return Outcome(
        crowd.done_us,
        crowd.contact_us,
        crowd.waited_us,
        crowd.site,
        network.lines.table(),
        network.mirrors.table(),
        network.origin.table()[0],
    )


def split(world: World, parts: int) -> list[World]:
    """Worlds of some of its sites each, of about as many agents, whose outcomes joined are its own: `join`. It is not
    split where sites meet at an origin that has a limit."""
    if world.origin.shared.rules or world.contacts_per_s or world.requests_per_s or parts < 2:
        return [world]
    bins: list[list[int]] = [[] for _ in range(min(parts, len(world.sites)))]
    sizes = [0] * len(bins)
    for number in sorted(range(len(world.sites)), key=lambda one: -world.sites[one].agents):
        least = sizes.index(min(sizes))
        bins[least].append(number)
        sizes[least] += world.sites[number].agents
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
    mirrors = np.zeros((len(world.sites), max(outcome.mirror_bytes.shape[1] for _, outcome in parts)), np.int64)
    origin = np.zeros(max(len(outcome.origin_bytes) for _, outcome in parts), np.int64)
    for part, outcome in parts:
        at = 0
        origin[: len(outcome.origin_bytes)] += outcome.origin_bytes
        for row, site in enumerate(part.sites):
            number = names[site.name]
            where, here = slice(offsets[number], offsets[number + 1]), slice(at, at + site.agents)
            done[:, where], contact[where] = outcome.done_us[:, here], outcome.contact_us[here]
            lines[number, : outcome.line_bytes.shape[1]] = outcome.line_bytes[row]
            mirrors[number, : outcome.mirror_bytes.shape[1]] = outcome.mirror_bytes[row]
            at += site.agents
    site_of = np.repeat(np.arange(len(world.sites), dtype=np.int32), [one.agents for one in world.sites])
    return Outcome(done, contact, np.zeros_like(contact), site_of, lines, mirrors, origin)


class Agenda:
    """Who has a turn when, by slices of `width_us`."""

    def __init__(self, width_us: int) -> None:
        self.width_us = width_us
        self._slices: dict[int, list[tuple[Longs, Longs]]] = {}
        self._order: list[int] = []

    def add(self, agents: Longs, at_us: Longs) -> None:
        number = at_us // self.width_us
        if not len(agents):
            return
        order = np.argsort(number, kind="stable")
        agents, at_us, number = agents[order], at_us[order], number[order]
        first = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]))
        bounds = [*first.tolist(), len(number)]
        for low, high, key in zip(bounds, bounds[1:], number[first].tolist(), strict=False):
            if key not in self._slices:
                self._slices[key] = []
                heapq.heappush(self._order, key)
            self._slices[key].append((agents[low:high], at_us[low:high]))

    def next(self, busy_us: int | None) -> tuple[int, Longs, Longs] | None:
        """The next slice in which anything happens: its beginning, and the turns in it by time, then by agent.

        `busy_us`: when a transfer may end next.
        """
        busy = None if busy_us is None else busy_us // self.width_us
        if not self._order and busy is None:
            return None
        if busy is not None and (not self._order or busy < self._order[0]):
            return busy * self.width_us, _NOBODY, _NOBODY
        key = heapq.heappop(self._order)
        parts = self._slices.pop(key)
        agents = np.concatenate([part[0] for part in parts])
        at_us = np.concatenate([part[1] for part in parts])
        order = np.lexsort((agents, at_us))
        return key * self.width_us, agents[order], at_us[order]


_NOBODY: Final = np.zeros(0, np.int64)


class Crowd:
    """The agents: which turn each has next."""

    def __init__(self, world: World, seed: int, contact_us: Longs | None = None) -> None:
        count = world.agents
        # Each site draws for itself, so that it makes no difference which sites are simulated together.
        draws = [np.random.Generator(np.random.PCG64([seed, crc32(one.name.encode())])) for one in world.sites]
        sizes = [one.agents for one in world.sites]
        self.tables = [list_turns(dialect, world.config, world.packages) for dialect in world.dialects]
        shares = np.cumsum(list(world.dialects.values()))
        drawn_us = [draw.integers(0, world.contact_us, size) for draw, size in zip(draws, sizes, strict=True)]
        self.contact_us: Longs = np.concatenate(drawn_us) if contact_us is None else contact_us
        self.waited_us = _waits_us(world.contacts_per_s, self.contact_us)
        drawn = np.searchsorted(
            shares,
            np.concatenate([draw.random(size) for draw, size in zip(draws, sizes, strict=True)]) * shares[-1],
            "right",
        )
        self.dialect: NDArray[np.uint8] = drawn.astype(np.uint8)
        self.site: NDArray[np.int32] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        self.last: Longs = np.array([len(table) for table in self.tables], np.int64)
        self.done_us: Longs = np.full((len(world.packages), count), NEVER, np.int64)
        self._turn: NDArray[np.int32] = np.zeros(count, np.int32)
        self._package = _padded([table.package for table in self.tables], 0)
        self._number = _padded([table.number for table in self.tables], ASSEMBLY)
        self._length = _padded([table.length for table in self.tables], 0)
        # Beyond the last turn there is none.
        self._pause_us = _padded([table.pause_us for table in self.tables], NEVER)
        first = self._pause_us[self.dialect, 0]
        greeted_us = self.contact_us + self.waited_us + world.greeting_us
        self.first_us: Longs = np.where(first == NEVER, HORIZON_US * 2, greeted_us + first)

    def take_turns(self, agents: Longs, at_us: Longs, network: Network) -> None:
        dialect, turn = self.dialect[agents], self._turn[agents]
        assembles = self._number[dialect, turn] == ASSEMBLY
        if assembles.any():
            which = agents[assembles]
            self.done_us[self._package[dialect[assembles], turn[assembles]], which] = at_us[assembles]
            network.stand_by(which, at_us[assembles])
            rest = ~assembles
            agents, at_us, dialect, turn = agents[rest], at_us[rest], dialect[rest], turn[rest]
        network.fetch(agents, at_us, self.site[agents], self._length[dialect, turn])

    def goes_on(self, agents: Longs, ended_us: Longs) -> tuple[Longs, Longs]:
        """Those whose turn has ended, and when the next one begins."""
        turn = self._turn[agents] + 1
        self._turn[agents] = turn
        pause_us = self._pause_us[self.dialect[agents], turn]
        more = pause_us != NEVER
        return agents[more], ended_us[more] + pause_us[more]


def _waits_us(per_s: int, contact_us: Longs) -> Longs:
    """How long each contact waits for its answer; who comes at the same time comes in order of number."""
    order = np.argsort(contact_us, kind="stable")
    waits = np.zeros_like(contact_us)
    sorted_us = contact_us[order]
    waits[order] = Desk(per_s, 1).answer(np.zeros_like(sorted_us), sorted_us) - sorted_us
    return waits


class Network:
    """The origin, the sites' lines, the mirrors. What an agent fetches comes from its mirror, or else from the origin
    by its site's line."""

    def __init__(self, world: World) -> None:
        sites = world.sites
        self.origin, self.lines, self.mirrors = Meter(1), Meter(len(sites)), Meter(len(sites))
        self._round_trip_us = world.round_trip_us
        self._has_mirror = np.array([one.mirror is not None for one in sites], bool)
        self._down = [(number, *span) for number, one in enumerate(sites) for span in _down_us(one.mirror)]
        begins_min = world.begins_min
        mirror_lines = [one.mirror.line if one.mirror else one.line for one in sites]
        lines = Capacities([one.line.shared for one in sites], begins_min)
        self._origin = Fifo(Capacities([world.origin.shared], begins_min))
        self._mirror = Fifo(Capacities([line.shared for line in mirror_lines], begins_min))
        self._line = Fifo(lines)
        self._own_mirror = Own(mirror_lines, begins_min)
        self._own_ways = (Own([world.origin] * len(sites), begins_min), Own([one.line for one in sites], begins_min))
        self._desk = Desk(world.requests_per_s, 1 + len(sites))  # the origin's, and each mirror's
        self._shared = [Shared(lines, number) for number in range(len(sites))] if world.shared else []
        self._limited = lines.limited
        self._ended: list[tuple[Longs, Longs]] = []
        self._came: list[tuple[Longs, Longs, NDArray[np.int32], Longs]] = []

    def stand_by(self, agents: Longs, at_us: Longs) -> None:
        """They fetch nothing in this turn: they report a result."""
        self._ended.append((agents, at_us + self._round_trip_us))

    def fetch(self, agents: Longs, at_us: Longs, site: NDArray[np.int32], length: Longs) -> None:
        """Sorted by time."""
        near = self._has_mirror[site]
        for number, begin_us, end_us in self._down:
            near &= ~((site == number) & (at_us >= begin_us) & (at_us < end_us))
        if near.any():
            where, size = site[near], length[near]
            served_us = self._desk.answer(where.astype(np.int64) + 1, at_us[near])
            left_us = self._mirror.leave(where.astype(np.int64), served_us, size)
            self.mirrors.add(where, left_us, size)
            self._ended.append((agents[near], self._own_mirror.leave(where, left_us, size) + self._round_trip_us))
            far = ~near
            agents, at_us, site, length = agents[far], at_us[far], site[far], length[far]
        if not len(agents):
            return
        origin = np.full(len(agents), ORIGIN, np.int64)
        sent_us = self._origin.leave(origin, self._desk.answer(origin, at_us), length)
        self.origin.add(np.zeros(len(agents), np.int32), sent_us, length)
        if self._shared:
            thin = self._limited[site]
            self._came.append((agents[thin], sent_us[thin], site[thin], length[thin]))
            agents, sent_us, site, length = agents[~thin], sent_us[~thin], site[~thin], length[~thin]
        left_us = self._line.leave(site.astype(np.int64), sent_us, length)
        self._leave(agents, left_us, site, length)

    def _leave(self, agents: Longs, left_us: Longs, site: NDArray[Any], length: Longs) -> None:
        """They have come through what they share with others."""
        self.lines.add(site, left_us, length)
        for own in self._own_ways:
            left_us = own.leave(site, left_us, length)
        self._ended.append((agents, left_us + self._round_trip_us))

    def ended(self, until_us: int) -> tuple[Longs, Longs]:
        """Agents whose turn has come to its end, and when; on shared lines those up to `until_us`."""
        if self._shared:
            self._share(until_us)
        ended, self._ended = self._ended, []
        if not ended:
            return _NOBODY, _NOBODY
        return np.concatenate([one[0] for one in ended]), np.concatenate([one[1] for one in ended])

    def busy_until(self) -> int | None:
        """When a transfer on a shared line may end next."""
        due = [shared.next_us() for shared in self._shared if shared.is_busy]
        return min(due) if due else None

    def _share(self, until_us: int) -> None:
        came, self._came = self._came, []
        found: list[tuple[int, int, int, int]] = []
        for columns in came:
            for agent, when_us, where, length in zip(*(column.tolist() for column in columns), strict=True):
                line = self._shared[where]
                found += ((where, *one) for one in line.ended(when_us))
                line.come(when_us, length, agent)
        for where, line in enumerate(self._shared):
            if line.is_busy:
                found += ((where, *one) for one in line.ended(until_us))
        if found:
            site, left_us, agents, lengths = (np.array(column, np.int64) for column in zip(*found, strict=True))
            self._leave(agents, left_us, site, lengths)


class Meter:
    """Bytes of each of several lines by the minute in which they were through."""

    def __init__(self, count: int) -> None:
        self._bytes: Longs = np.zeros((count, 1440), np.int64)
        self._minutes = 0

    def add(self, line: NDArray[Any], at_us: Longs, length: Longs) -> None:
        if not len(line):
            return
        minute = at_us // MINUTE_US
        first, last = int(minute.min()), int(minute.max())
        self._minutes = max(self._minutes, last + 1)
        while last >= self._bytes.shape[1]:
            self._bytes = np.concatenate([self._bytes, np.zeros_like(self._bytes)], axis=1)
        count, span = len(self._bytes), last - first + 1
        if count * span > 4 * len(line):
            np.add.at(self._bytes, (line, minute), length)
        else:
            sums = np.bincount(line * span + (minute - first), length, count * span)
            self._bytes[:, first : last + 1] += sums.reshape(count, span).astype(np.int64)

    def table(self) -> Longs:
        return self._bytes[:, : self._minutes]


def _width_us(world: World, tables: Sequence[Turns]) -> int:
    """The shortest time between two turns of an agent."""
    pauses = [int(table.pause_us[1:].min()) for table in tables if len(table) > 1]
    shortest_us = min(pauses, default=SECOND_US)
    if world.shared and shortest_us == 0:
        # A transfer that ends may begin the next one at once, within the slice.
        raise BadInput("download.frag_latency_s", "1 or more for lines that are shared", 0)
    return shortest_us + world.round_trip_us


def _padded(rows: Sequence[NDArray[np.generic]], fill: int) -> Longs:
    table = np.full((len(rows), max(map(len, rows), default=0) + 1), fill, np.int64)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table


def _down_us(mirror: Mirror | None) -> list[tuple[int, int]]:
    if mirror is None:
        return []
    return [(round(begin_s * SECOND_US), round(end_s * SECOND_US)) for begin_s, end_s in mirror.down]
