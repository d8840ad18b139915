"""The origin, the mirrors, and the lines between them and the agents."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from distd.simulation.event_queue import NO_AGENTS
from distd.simulation.queues import WORK_PER_BYTE, FifoLines, PerTransferLines, RequestServers, SharedLine
from distd.simulation.traffic import TrafficCounter
from distd.simulation.world import HORIZON_US, SECOND_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from distd.simulation.queues import Capacity
    from distd.simulation.world import Line, Mirror, World

    Longs = NDArray[np.int64]

ORIGIN: Final = 0
NO_MIRROR: Final = -1


class LineGroup:
    """Lines of one kind: their limits that transfers share, those of each transfer, and the bytes that go through."""

    def __init__(self, lines: Sequence[Line], begins_min: int) -> None:
        self.shared = FifoLines(lines, begins_min)
        self.per_transfer = PerTransferLines(lines, begins_min)
        self.traffic = TrafficCounter(len(lines))
        self._has_per_transfer = bool(self.per_transfer.capacity.limited.any())

    def pass_shared(self, line: NDArray[Any], at_us: Longs, length: Longs, until_us: Longs | None = None) -> Longs:
        """When each transfer has passed the shared limits. Sorted by time. `until_us`: when each is cut off."""
        start_us, end_us = self.shared.serve(line, at_us, length)
        which = ~self.per_transfer.capacity.limited[line] if self._has_per_transfer else None
        self._record(self.shared.capacity, which, line, start_us, end_us, length, until_us)
        return end_us

    def pass_per_transfer(
        self, line: NDArray[Any], end_us: Longs, length: Longs, until_us: Longs | None = None
    ) -> Longs:
        """When each transfer has also passed its own limits."""
        if not self._has_per_transfer:
            return end_us
        arrived_us = self.per_transfer.serve(line, end_us, length)
        which = self.per_transfer.capacity.limited[line]
        self._record(self.per_transfer.capacity, which, line, end_us, arrived_us, length, until_us)
        return arrived_us

    def _record(
        self,
        capacity: Capacity,
        which: NDArray[np.bool_] | None,
        line: NDArray[Any],
        start_us: Longs,
        end_us: Longs,
        length: Longs,
        until_us: Longs | None,
    ) -> None:
        """Count the bytes of the transfers of `which`; None: of all."""
        if which is not None:
            line, start_us, end_us, length = line[which], start_us[which], end_us[which], length[which]
            until_us = None if until_us is None else until_us[which]
        if until_us is not None:
            whole = end_us <= until_us
            end_us = np.minimum(end_us, until_us)
            start_us = np.minimum(start_us, end_us)
            sent = (capacity.work_until(line, end_us) - capacity.work_until(line, start_us)) // WORK_PER_BYTE
            length = np.where(whole, length, np.minimum(sent, length))
        self.traffic.add(line, start_us, end_us, length, capacity)


class Network:
    """An agent fetches from its mirror, or else from the origin by its site's line.

    `failures_us`: when mirrors go down, in order.
    """

    def __init__(self, world: World) -> None:
        sites, begins_min = world.sites, world.begins_min
        names = list(world.mirrors)
        self.mirror_of: NDArray[np.int64] = np.array(
            [names.index(site.mirror.name or site.name) if site.mirror else NO_MIRROR for site in sites], np.int64
        )
        self.origin = LineGroup([world.origin], begins_min)
        self._has_limit = bool(world.origin.rules)
        self.lines = LineGroup([site.line for site in sites], begins_min)
        self.mirrors = LineGroup([mirror.line for mirror in world.mirrors.values()], begins_min)
        self._servers = RequestServers(world.requests_per_s, 1 + len(names))  # the origin's, and each mirror's
        self._round_trip_us = world.round_trip_us
        self._down = [_down_us(mirror) for mirror in world.mirrors.values()]
        self._coming_failures_us = [deque(begin_us for begin_us, _ in spans) for spans in self._down]
        self.failures_us = sorted(begin_us for failures in self._coming_failures_us for begin_us in failures)
        lines = self.lines.shared.capacity
        self._shared = [SharedLine(lines, number) for number in range(len(sites))] if world.shared else []
        self._limited = lines.limited
        self._finished: list[tuple[Longs, Longs]] = []
        self._interrupted: list[tuple[Longs, Longs]] = []
        self._shared_arrivals: list[tuple[Longs, Longs, NDArray[np.int32], Longs]] = []

    def report_results(self, agents: Longs, at_us: Longs) -> None:
        """Agents that report a result in this turn, and fetch nothing."""
        self._finished.append((agents, at_us + self._round_trip_us))

    def fetch(self, agents: Longs, at_us: Longs, site: NDArray[np.int32], length: Longs) -> None:
        """Agents that fetch a fragment: sorted by time, and all before or all after each of `failures_us`."""
        mirror = self.mirror_of[site]
        from_mirror = mirror != NO_MIRROR
        for number, spans in enumerate(self._down):
            for begin_us, end_us in spans:
                from_mirror &= ~((mirror == number) & (at_us >= begin_us) & (at_us < end_us))
        if from_mirror.any():
            self._fetch_from_mirrors(agents[from_mirror], at_us[from_mirror], mirror[from_mirror], length[from_mirror])
            rest = ~from_mirror
            agents, at_us, site, length = agents[rest], at_us[rest], site[rest], length[rest]
        if len(agents):
            self._fetch_from_origin(agents, at_us, site, length)

    def _fetch_from_mirrors(self, agents: Longs, at_us: Longs, mirror: Longs, length: Longs) -> None:
        failures_us = self._next_failures_us(int(at_us[0]))[mirror] if self.failures_us else None
        served_us = self._servers.answer(mirror + 1, at_us)
        end_us = self.mirrors.pass_shared(mirror, served_us, length, failures_us)
        arrived_us = self.mirrors.pass_per_transfer(mirror, end_us, length, failures_us)
        if failures_us is not None:
            cut_off = arrived_us > failures_us
            self._interrupted.append((agents[cut_off], failures_us[cut_off]))
            agents, arrived_us = agents[~cut_off], arrived_us[~cut_off]
        self._finished.append((agents, arrived_us + self._round_trip_us))

    def _next_failures_us(self, now_us: int) -> Longs:
        """When each mirror goes down next. Transfers that waited for one that has gone down are forgotten."""
        for number, failures in enumerate(self._coming_failures_us):
            while failures and failures[0] <= now_us:
                failures.popleft()
                self.mirrors.shared.clear(number)
                self._servers.clear(number + 1)
        return np.array(
            [failures[0] if failures else 2 * HORIZON_US for failures in self._coming_failures_us], np.int64
        )

    def _fetch_from_origin(self, agents: Longs, at_us: Longs, site: NDArray[np.int32], length: Longs) -> None:
        origin = np.full(len(agents), ORIGIN, np.int64)
        sent_us = self.origin.pass_shared(origin, self._servers.answer(origin, at_us), length)
        if self._shared:
            limited = self._limited[site]
            self._shared_arrivals.append((agents[limited], sent_us[limited], site[limited], length[limited]))
            agents, sent_us, site, length = agents[~limited], sent_us[~limited], site[~limited], length[~limited]
        self._pass_rest(agents, self.lines.pass_shared(site, sent_us, length), site, length)

    def _pass_rest(self, agents: Longs, end_us: Longs, site: NDArray[Any], length: Longs) -> None:
        """What remains for transfers that have passed all shared limits."""
        end_us = self.origin.pass_per_transfer(np.full(len(agents), ORIGIN, np.int64), end_us, length)
        self._finished.append((agents, self.lines.pass_per_transfer(site, end_us, length) + self._round_trip_us))

    def finished(self, until_us: int) -> tuple[Longs, Longs]:
        """Agents whose turn has ended, and when; on shared lines those up to `until_us`."""
        if self._shared:
            self._advance_shared_lines(until_us)
        finished, self._finished = self._finished, []
        return _concatenated(finished)

    def interrupted(self) -> tuple[Longs, Longs]:
        """Agents that have to fetch the same fragment again, because their mirror went down, and when."""
        interrupted, self._interrupted = self._interrupted, []
        return _concatenated(interrupted)

    def next_shared_end_us(self) -> int | None:
        """When a transfer on a shared line may end next."""
        ends_us = [line.next_end_us() for line in self._shared if line.is_busy]
        return min(ends_us) if ends_us else None

    def _advance_shared_lines(self, until_us: int) -> None:
        arrivals, self._shared_arrivals = self._shared_arrivals, []
        found: list[tuple[int, int, int, int]] = []
        for columns in arrivals:
            for agent, at_us, number, length in zip(*(column.tolist() for column in columns), strict=True):
                line = self._shared[number]
                found += ((number, *transfer) for transfer in line.pop_finished(at_us))
                line.arrive(at_us, length, agent)
        for number, line in enumerate(self._shared):
            if line.is_busy:
                found += ((number, *transfer) for transfer in line.pop_finished(until_us))
        if found:
            site, end_us, agents, lengths = (np.array(column, np.int64) for column in zip(*found, strict=True))
            self._pass_rest(agents, end_us, site, lengths)

    def traffic(self) -> tuple[Longs, Longs, Longs]:
        """Bytes by minute: of the lines, the mirrors, the origin."""
        per_transfer = self.lines.per_transfer.capacity.limited
        periods = [
            (number, *period)
            for number, line in enumerate(self._shared)
            if not per_transfer[number]
            for period in line.busy_periods(HORIZON_US)
        ]
        if periods:
            line, start_us, end_us, length = np.array(periods, np.int64).T
            self.lines.traffic.add(line, start_us, end_us, length, self.lines.shared.capacity)
        lines = self.lines.traffic.table()
        # Without a limit of its own the origin sends what the lines take, when they take it.
        origin = self.origin.traffic.table() if self._has_limit else lines.sum(axis=0, keepdims=True)
        return lines, self.mirrors.traffic.table(), origin


def _concatenated(parts: Sequence[tuple[Longs, Longs]]) -> tuple[Longs, Longs]:
    if not parts:
        return NO_AGENTS, NO_AGENTS
    return np.concatenate([agents for agents, _ in parts]), np.concatenate([at_us for _, at_us in parts])


def _down_us(mirror: Mirror) -> list[tuple[int, int]]:
    """(from, to) in order, those that overlap spans."""
    spans: list[tuple[int, int]] = []
    for begin_s, end_s in sorted(mirror.down):
        begin_us, end_us = round(begin_s * SECOND_US), round(end_s * SECOND_US)
        if spans and begin_us <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], end_us)
        else:
            spans.append((begin_us, end_us))
    return spans
