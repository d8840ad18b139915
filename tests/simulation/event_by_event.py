"""The same simulation event by event, with a heap and whole numbers: slow, and easy to check."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from functools import cache
from typing import Any

import numpy as np

from distd.simulation.agents import Agents
from distd.simulation.world import HORIZON_US, MINUTE_US, NEVER, SECOND_US, Line

# A transfer that ends on a shared line comes before one that begins there at the same time.
END, LINE, TURN = 0, 1, 2


@cache
def by_minute(line: Any) -> Any:
    return [line.kilobytes_per_s(minute) for minute in range(7 * 1440)]


class Rate:
    """What a line can carry, by whole minutes."""

    def __init__(self, line: Any, begins_min: Any) -> None:
        self.limited = bool(line.rules)
        self.week = by_minute(line)
        self.constant = len(set(self.week)) == 1
        self.begins_min = begins_min
        self.done = [0]

    def rate(self, minute: Any) -> Any:
        return self.week[(minute + self.begins_min) % len(self.week)]

    def work_until(self, at_us: Any) -> Any:
        if self.constant:
            return at_us * self.rate(0)
        minute, rest = divmod(at_us, MINUTE_US)
        self.extend(minute)
        return self.done[minute] + rest * self.rate(minute)

    def extend(self, minute: Any) -> None:
        while len(self.done) <= minute:
            self.done.append(self.done[-1] + MINUTE_US * self.rate(len(self.done) - 1))

    def time_when_done(self, work: Any) -> Any:
        if self.constant:
            return -(-work // self.rate(0))
        while self.done[-1] < work:
            self.extend(len(self.done))
        minute = max(bisect_right(self.done, work - 1) - 1, 0)
        return minute * MINUTE_US - (self.done[minute] - work) // self.rate(minute)


class FifoLine:
    """First arrive, first served."""

    def __init__(self, rate: Any) -> None:
        self.rate, self.free = rate, 0

    def serve(self, at_us: Any, length: Any) -> Any:
        if not self.rate.limited:
            return at_us
        self.free = max(self.free, self.rate.work_until(at_us)) + length * 1000
        return self.rate.time_when_done(self.free)


def unqueued(rate: Any, at_us: Any, length: Any) -> Any:
    """When a transfer ends that waits for no other one."""
    return rate.time_when_done(rate.work_until(at_us) + length * 1000) if rate.limited else at_us


class SharedLine:
    """All transfers at once, in equal parts."""

    def __init__(self, rate: Any) -> None:
        self.rate, self.virtual, self.at_us = rate, 0.0, 0
        self.jobs: list[Any] = []

    def arrive(self, at_us: Any, length: Any, agent: Any) -> None:
        if self.jobs:
            self.virtual += (self.rate.work_until(at_us) - self.rate.work_until(self.at_us)) / len(self.jobs)
        self.at_us = at_us
        self.jobs.append((self.virtual + length * 1000, agent))

    def next(self) -> Any:
        virtual, agent = min(self.jobs)
        work = self.rate.work_until(self.at_us) + round((virtual - self.virtual) * len(self.jobs))
        return max(self.rate.time_when_done(work), self.at_us), agent, virtual

    def end(self, at_us: Any, agent: Any, virtual: Any) -> None:
        self.jobs.remove((virtual, agent))
        self.at_us, self.virtual = at_us, virtual


class Simulation:
    """Events are (when, kind, agent, what, virtual): of an END `what` is its line's version, of a LINE the length."""

    def __init__(self, world: Any, seed: Any) -> None:
        self.world = world
        self.agents = agents = Agents(world, seed)  # their random draws
        self.tables = [
            list(zip(*(column.tolist() for column in columns), strict=True))
            for columns in (
                (table.package, table.number, table.length, table.pause_us, table.since_period_us, table.contact)
                for table in agents.tables
            )
        ]
        self.origin = FifoLine(self.rate(world.origin.shared))
        self.lines = [FifoLine(self.rate(site.line.shared)) for site in world.sites]
        self.shared = [SharedLine(line.rate) for line in self.lines]
        self.version = [0] * len(self.lines)
        server = Line.of(world.requests_per_s * 1000) if world.requests_per_s else Line()  # as lines of kilobytes
        self.server = FifoLine(Rate(server, 0))
        self.mirrors = {name: Mirror(self, mirror, server) for name, mirror in world.mirrors.items()}
        self.transfer_limits = [
            [self.rate(line.per_transfer) for line in (world.origin, site.line)] for site in world.sites
        ]
        self.done = np.full((len(world.packages), world.agents), NEVER, np.int64)
        self.turn = [0] * world.agents
        self.told_us = [0] * world.agents
        self.min_gap_us = agents.min_gap_us
        self.events: list[Any] = []

    def rate(self, line: Any) -> Any:
        return Rate(line, self.world.begins_min)

    def run(self) -> Any:
        self.start_contacts()
        while self.events and self.events[0][0] <= HORIZON_US:
            at_us, kind, agent, what, virtual = heapq.heappop(self.events)
            site_number = int(self.agents.site[agent])
            if kind == TURN:
                self.take_turn(agent, site_number, at_us)
            elif kind == LINE:
                self.shared[site_number].arrive(at_us, what, agent)
                self.schedule_end(site_number)
            elif what == self.version[site_number]:
                self.shared[site_number].end(at_us, agent, virtual)
                self.pass_transfer_limits(agent, at_us)
                self.schedule_end(site_number)
        return self.done

    def start_contacts(self) -> None:
        """Contacts are answered one after the other."""
        world, agents = self.world, self.agents
        server = FifoLine(Rate(Line.of(world.contacts_per_s * 1000) if world.contacts_per_s else Line(), 0))
        for contact_us, agent in sorted(zip(agents.contact_us.tolist(), range(world.agents), strict=True)):
            self.told_us[agent] = server.serve(contact_us, 1000) + world.first_turn_delay_us
            table = self.tables[agents.dialect[agent]]
            if table:
                self.push(self.told_us[agent] + table[0][3], TURN, agent)

    def take_turn(self, agent: Any, site_number: Any, at_us: Any) -> None:
        package, number, length, _, since_us, _ = self.tables[self.agents.dialect[agent]][self.turn[agent]]
        period_us = at_us - since_us  # its period
        if since_us != NEVER and period_us - self.told_us[agent] > self.world.config.timeout_days * 86_400 * SECOND_US:
            return
        site = self.world.sites[site_number]
        mirror = self.mirrors[site.mirror.name or site.name] if site.mirror else None
        if not number:
            self.done[package, agent] = at_us
            self.end_turn(agent, at_us)
        elif mirror and mirror.is_up(at_us):
            end_us, failure_us = mirror.serve(at_us, length)
            if end_us > failure_us:
                self.push(failure_us, TURN, agent)
            else:
                self.end_turn(agent, end_us)
        else:
            sent_us = self.origin.serve(self.server.serve(at_us, 1000), length)
            if self.world.shared and self.lines[site_number].rate.limited:
                self.push(sent_us, LINE, agent, length)
            else:
                self.pass_transfer_limits(agent, self.lines[site_number].serve(sent_us, length))

    def pass_transfer_limits(self, agent: Any, at_us: Any) -> None:
        length = self.tables[self.agents.dialect[agent]][self.turn[agent]][2]
        for rate in self.transfer_limits[int(self.agents.site[agent])]:
            at_us = unqueued(rate, at_us, length)
        self.end_turn(agent, at_us)

    def end_turn(self, agent: Any, at_us: Any) -> None:
        at_us += self.world.round_trip_us
        self.turn[agent] += 1
        table = self.tables[self.agents.dialect[agent]]
        if self.turn[agent] < len(table):
            if table[self.turn[agent]][5]:
                at_us = self.told_us[agent] = self.contact(agent, at_us)
            self.push(at_us + table[self.turn[agent]][3], TURN, agent)

    def contact(self, agent: Any, at_us: Any) -> Any:
        """The next contact that is not too soon."""
        contact_us = int(self.agents.contact_us[agent])
        while contact_us < at_us + self.min_gap_us:
            contact_us += self.world.prolog_freq_h * 3600 * SECOND_US
        return contact_us + self.world.first_turn_delay_us

    def schedule_end(self, site_number: Any) -> None:
        self.version[site_number] += 1
        if self.shared[site_number].jobs:
            at_us, agent, virtual = self.shared[site_number].next()
            self.push(at_us, END, agent, self.version[site_number], virtual)

    def push(self, at_us: Any, kind: Any, agent: Any, what: Any = 0, virtual: Any = 0.0) -> None:
        heapq.heappush(self.events, (at_us, kind, agent, what, virtual))


class Mirror:
    """A mirror."""

    def __init__(self, simulation: Any, mirror: Any, server: Any) -> None:
        self.down = [(round(a * SECOND_US), round(b * SECOND_US)) for a, b in sorted(mirror.down)]
        self.per_transfer = simulation.rate(mirror.line.per_transfer)
        self.limits = Rate(server, 0), simulation.rate(mirror.line.shared)
        self.queues = [FifoLine(rate) for rate in self.limits]
        self.used_us = 0

    def is_up(self, at_us: Any) -> Any:
        return not any(a <= at_us < b for a, b in self.down)

    def serve(self, at_us: Any, length: Any) -> Any:
        """When the transfer ends, and when the mirror goes down next. When it went down its queues were emptied."""
        if any(self.used_us < a <= at_us for a, _ in self.down):
            self.queues = [FifoLine(rate) for rate in self.limits]
        self.used_us = at_us
        server, line = self.queues
        failure_us = min((a for a, _ in self.down if a > at_us), default=HORIZON_US * 2)
        return unqueued(self.per_transfer, line.serve(server.serve(at_us, 1000), length), length), failure_us
