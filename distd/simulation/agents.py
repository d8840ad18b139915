"""The agents of a simulation: who they are, and which turn each has next and when."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from distd.domain.errors import BadInput
from distd.domain.units import DAY_S, HOUR_S
from distd.simulation.queues import RequestServers
from distd.simulation.turns import ASSEMBLY, list_turns
from distd.simulation.world import HORIZON_US, NEVER, SECOND_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from distd.simulation.turns import TurnTable
    from distd.simulation.world import World

    Longs = NDArray[np.int64]
    Batch = tuple[Longs, Longs]  # agents, times


class Agents:
    """All agents of a world, as arrays by agent: who they are, and where each stands in the turns of its dialect.

    Drawn by `seed`: the dialects, and the first contacts unless `contact_us` gives them (µs from the beginning).
    """

    def __init__(self, world: World, seed: int, contact_us: Longs | None = None) -> None:
        sizes = [site.agents for site in world.sites]
        # Each site draws for itself, so that it makes no difference which sites are simulated together.
        draws = [np.random.Generator(np.random.PCG64([seed, crc32(site.name.encode())])) for site in world.sites]
        drawn_us = [draw.integers(0, world.contact_us, size) for draw, size in zip(draws, sizes, strict=True)]
        self.contact_us: Longs = np.concatenate(drawn_us) if contact_us is None else contact_us
        self.contact_wait_us = _contact_waits_us(world.contacts_per_s, self.contact_us)
        shares = np.cumsum(list(world.dialects.values()))
        points = np.concatenate([draw.random(size) for draw, size in zip(draws, sizes, strict=True)]) * shares[-1]
        self.dialect: NDArray[np.uint8] = np.searchsorted(shares, points, "right").astype(np.uint8)
        self.site: NDArray[np.int32] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        self.tables = [list_turns(dialect, world.config, world.packages) for dialect in world.dialects]
        self.turn_counts: Longs = np.array([len(table) for table in self.tables], np.int64)
        self.done_us: Longs = np.full((len(world.packages), world.agents), NEVER, np.int64)
        self.min_gap_us = _min_gap_us(world, self.tables)
        self._turn: NDArray[np.int32] = np.zeros(world.agents, np.int32)
        self._package = _padded([table.package for table in self.tables], 0)
        self._number = _padded([table.number for table in self.tables], ASSEMBLY)
        self._length = _padded([table.length for table in self.tables], 0)
        # Beyond the last turn there is none.
        self._pause_us = _padded([table.pause_us for table in self.tables], NEVER)
        self._since_period_us = _padded([table.since_period_us for table in self.tables], NEVER)
        self._contact = _padded([table.contact for table in self.tables], 0).astype(np.bool_)
        self._has_contacts = bool(self._contact.any())
        self._contact_interval_us = world.prolog_freq_h * HOUR_S * SECOND_US
        self._timeout_us = world.config.timeout_days * DAY_S * SECOND_US
        self._first_turn_delay_us = world.first_turn_delay_us
        # When each was told of the packages that it has now.
        self._told_us: Longs = self.contact_us + self.contact_wait_us + world.first_turn_delay_us
        pause_us = self._pause_us[self.dialect, 0]
        self.first_turn_us: Longs = np.where(pause_us == NEVER, HORIZON_US * 2, self._told_us + pause_us)

    def start_turns(self, agents: Longs, at_us: Longs) -> tuple[Batch, Batch, NDArray[np.int32], Longs]:
        """Agents have a turn, sorted by time: which of them assemble a package, which fetch a fragment, and for these
        the site and the bytes."""
        if len(at_us) and at_us[-1] > self._timeout_us:
            agents, at_us = self._expire(agents, at_us)
        dialect, turn = self.dialect[agents], self._turn[agents]
        assembles = self._number[dialect, turn] == ASSEMBLY
        done, done_us = agents[assembles], at_us[assembles]
        self.done_us[self._package[dialect[assembles], turn[assembles]], done] = done_us
        rest = ~assembles
        agents, at_us, dialect, turn = agents[rest], at_us[rest], dialect[rest], turn[rest]
        return (done, done_us), (agents, at_us), self.site[agents], self._length[dialect, turn]

    def _expire(self, agents: Longs, at_us: Longs) -> Batch:
        """The agents that go on. At the beginning of a period the others have given up all that they had."""
        since_us = self._since_period_us[self.dialect[agents], self._turn[agents]]
        goes_on = (since_us == NEVER) | (at_us - since_us - self._told_us[agents] <= self._timeout_us)
        return agents[goes_on], at_us[goes_on]

    def next_turns(self, agents: Longs, ended_us: Longs) -> Batch:
        """Agents' turns have ended: those that have another one, and when it begins."""
        turn = self._turn[agents] + 1
        self._turn[agents] = turn
        dialect = self.dialect[agents]
        pause_us = self._pause_us[dialect, turn]
        more = pause_us != NEVER
        if self._has_contacts:
            waits = more & self._contact[dialect, turn]
            ended_us = ended_us.copy()
            ended_us[waits] = self._next_contact_us(agents[waits], ended_us[waits])
        return agents[more], ended_us[more] + pause_us[more]

    def _next_contact_us(self, agents: Longs, ended_us: Longs) -> Longs:
        """When they have been told, in their next contact, of the packages that come next.

        A contact that falls due within the shortest pause is too soon: an agent goes on to the end of its period.
        """
        first_us = self.contact_us[agents]
        times = -(-(ended_us + self.min_gap_us - first_us) // self._contact_interval_us)
        self._told_us[agents] = told_us = first_us + times * self._contact_interval_us + self._first_turn_delay_us
        return told_us


def _contact_waits_us(per_s: int, contact_us: Longs) -> Longs:
    """How long each contact waits for its answer; those at the same time are answered in the order of the agents."""
    order = np.argsort(contact_us, kind="stable")
    waits = np.zeros_like(contact_us)
    sorted_us = contact_us[order]
    waits[order] = RequestServers(per_s, 1).answer(np.zeros_like(sorted_us), sorted_us) - sorted_us
    return waits


def _min_gap_us(world: World, tables: Sequence[TurnTable]) -> int:
    """The shortest time between two turns of an agent."""
    pauses = [pause_us for table in tables for pause_us in table.pause_us[1:][~table.contact[1:]].tolist()]
    shortest_us = min(pauses, default=SECOND_US)
    if world.shared and shortest_us == 0:
        # A transfer that ends might begin the next one within the same slice.
        raise BadInput("download.frag_latency_s", "1 or more for lines that are shared", 0)
    return int(shortest_us) + world.round_trip_us


def _padded(rows: Sequence[NDArray[np.generic]], fill: int) -> Longs:
    table = np.full((len(rows), max(map(len, rows), default=0) + 1), fill, np.int64)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table
