"""The origin, the mirrors, and the lines between them and the agents."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from distd.simulation.event_queue import NOBODY
from distd.simulation.queues import UNIT, Desk, Fifo, Own, Shared
from distd.simulation.traffic import Meter
from distd.simulation.world import HORIZON_US, SECOND_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from distd.simulation.queues import Capacities
    from distd.simulation.world import Line, Mirror, World

    Longs = NDArray[np.int64]

ORIGIN: Final = 0
NO_MIRROR: Final = -1


class Ways:
    """Lines of one kind: what their users share, what each has for itself, and what goes through."""

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self.fifo = Fifo(lines, begins_min)
        self.own = Own(lines, begins_min)
        self.meter = Meter(len(lines))
        self._has_own = bool(self.own.capacities.limited.any())

    def leave(self, line: NDArray[Any], at_us: Longs, length: Longs, until_us: Longs | None = None) -> Longs:
        """When each transfer has left what they share. Sorted by time. `until_us`: when each is cut off."""
        begun_us, left_us = self.fifo.leave(line, at_us, length)
        which = ~self.own.capacities.limited[line] if self._has_own else None
        self._book(self.fifo.capacities, which, line, begun_us, left_us, length, until_us)
        return left_us

    def arrive(self, line: NDArray[Any], left_us: Longs, length: Longs, until_us: Longs | None = None) -> Longs:
        """When it has come through what each has for itself."""
        if not self._has_own:
            return left_us
        come_us = self.own.leave(line, left_us, length)
        which = self.own.capacities.limited[line]
        self._book(self.own.capacities, which, line, left_us, come_us, length, until_us)
        return come_us

    def _book(
        self,
        capacities: Capacities,
        which: NDArray[np.bool_] | None,
        line: NDArray[Any],
        begun_us: Longs,
        left_us: Longs,
        length: Longs,
        until_us: Longs | None,
    ) -> None:
        """Into the meter, those of `which`; None: all."""
        if which is not None:
            line, begun_us, left_us, length = line[which], begun_us[which], left_us[which], length[which]
            until_us = None if until_us is None else until_us[which]
        if until_us is not None:
            whole = left_us <= until_us
            left_us = np.minimum(left_us, until_us)
            begun_us = np.minimum(begun_us, left_us)
            sent = (capacities.work_by(line, left_us) - capacities.work_by(line, begun_us)) // UNIT
            length = np.where(whole, length, np.minimum(sent, length))
        self.meter.add(line, begun_us, left_us, length, capacities)


class Network:
    """What an agent fetches comes from its mirror, or else from the origin by its site's line."""

    def __init__(self, world: World) -> None:
        sites, begins_min = world.sites, world.begins_min
        names = list(world.mirrors)
        self.mirror_of: NDArray[np.int64] = np.array(
            [names.index(one.mirror.name or one.name) if one.mirror else NO_MIRROR for one in sites], np.int64
        )
        self.origin = Ways([world.origin], begins_min)
        self._has_limit = bool(world.origin.rules)
        self.lines = Ways([one.line for one in sites], begins_min)
        self.mirrors = Ways([one.line for one in world.mirrors.values()], begins_min)
        self._desk = Desk(world.requests_per_s, 1 + len(names))  # the origin's, and each mirror's
        self._round_trip_us = world.round_trip_us
        self._down = [_down_us(one) for one in world.mirrors.values()]
        self._falls = [deque(begin_us for begin_us, _ in spans) for spans in self._down]  # yet to come
        self.falls_us = sorted(begin_us for falls in self._falls for begin_us in falls)
        lines = self.lines.fifo.capacities
        self._shared = [Shared(lines, number) for number in range(len(sites))] if world.shared else []
        self._thin = lines.limited
        self._ended: list[tuple[Longs, Longs]] = []
        self._again: list[tuple[Longs, Longs]] = []
        self._came: list[tuple[Longs, Longs, NDArray[np.int32], Longs]] = []

    def stand_by(self, agents: Longs, at_us: Longs) -> None:
        """They fetch nothing in this turn: they report a result."""
        self._ended.append((agents, at_us + self._round_trip_us))

    def fetch(self, agents: Longs, at_us: Longs, site: NDArray[np.int32], length: Longs) -> None:
        """Sorted by time, and all before or all after each of `falls_us`."""
        mirror = self.mirror_of[site]
        near = mirror != NO_MIRROR
        for number, spans in enumerate(self._down):
            for begin_us, end_us in spans:
                near &= ~((mirror == number) & (at_us >= begin_us) & (at_us < end_us))
        if near.any():
            self._fetch_near(agents[near], at_us[near], mirror[near], length[near])
            far = ~near
            agents, at_us, site, length = agents[far], at_us[far], site[far], length[far]
        if len(agents):
            self._fetch_far(agents, at_us, site, length)

    def _fetch_near(self, agents: Longs, at_us: Longs, mirror: Longs, length: Longs) -> None:
        falls_us = self._falls_us(int(at_us[0]))[mirror] if self.falls_us else None
        served_us = self._desk.answer(mirror + 1, at_us)
        left_us = self.mirrors.leave(mirror, served_us, length, falls_us)
        come_us = self.mirrors.arrive(mirror, left_us, length, falls_us)
        if falls_us is not None:
            cut_off = come_us > falls_us
            self._again.append((agents[cut_off], falls_us[cut_off]))
            agents, come_us = agents[~cut_off], come_us[~cut_off]
        self._ended.append((agents, come_us + self._round_trip_us))

    def _falls_us(self, now_us: int) -> Longs:
        """When each mirror falls next. Who waits at one that has fallen is sent away."""
        for number, falls in enumerate(self._falls):
            while falls and falls[0] <= now_us:
                falls.popleft()
                self.mirrors.fifo.drop(number)
                self._desk.drop(number + 1)
        return np.array([falls[0] if falls else 2 * HORIZON_US for falls in self._falls], np.int64)

    def _fetch_far(self, agents: Longs, at_us: Longs, site: NDArray[np.int32], length: Longs) -> None:
        origin = np.full(len(agents), ORIGIN, np.int64)
        sent_us = self.origin.leave(origin, self._desk.answer(origin, at_us), length)
        if self._shared:
            thin = self._thin[site]
            self._came.append((agents[thin], sent_us[thin], site[thin], length[thin]))
            agents, sent_us, site, length = agents[~thin], sent_us[~thin], site[~thin], length[~thin]
        self._arrive(agents, self.lines.leave(site, sent_us, length), site, length)

    def _arrive(self, agents: Longs, left_us: Longs, site: NDArray[Any], length: Longs) -> None:
        """They have come through what they share with others."""
        left_us = self.origin.arrive(np.full(len(agents), ORIGIN, np.int64), left_us, length)
        self._ended.append((agents, self.lines.arrive(site, left_us, length) + self._round_trip_us))

    def ended(self, until_us: int) -> tuple[Longs, Longs]:
        """Agents whose turn has come to its end, and when; on shared lines those up to `until_us`."""
        if self._shared:
            self._share(until_us)
        ended, self._ended = self._ended, []
        return _joined(ended)

    def again(self) -> tuple[Longs, Longs]:
        """Agents that have to fetch the same once more, because their mirror fell, and when."""
        again, self._again = self._again, []
        return _joined(again)

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
            self._arrive(agents, left_us, site, lengths)

    def meters(self) -> tuple[Longs, Longs, Longs]:
        """Bytes by minute: of the lines, the mirrors, the origin."""
        own = self.lines.own.capacities.limited
        spells = [
            (number, *spell)
            for number, line in enumerate(self._shared)
            if not own[number]
            for spell in line.all_spells(HORIZON_US)
        ]
        if spells:
            line, begun_us, left_us, length = np.array(spells, np.int64).T
            self.lines.meter.add(line, begun_us, left_us, length, self.lines.fifo.capacities)
        lines = self.lines.meter.table()
        # Without a limit of its own the origin sends what the lines take, when they take it.
        origin = self.origin.meter.table() if self._has_limit else lines.sum(axis=0, keepdims=True)
        return lines, self.mirrors.meter.table(), origin


def _joined(parts: Sequence[tuple[Longs, Longs]]) -> tuple[Longs, Longs]:
    if not parts:
        return NOBODY, NOBODY
    return np.concatenate([one[0] for one in parts]), np.concatenate([one[1] for one in parts])


def _down_us(mirror: Mirror) -> list[tuple[int, int]]:
    """In order, and apart from each other."""
    joined: list[tuple[int, int]] = []
    for begin_s, end_s in sorted(mirror.down):
        begin_us, end_us = round(begin_s * SECOND_US), round(end_s * SECOND_US)
        if joined and begin_us <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end_us)
        else:
            joined.append((begin_us, end_us))
    return joined
