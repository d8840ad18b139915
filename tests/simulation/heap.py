"""The same simulation one event after the other, with a heap and whole numbers: slow, and plain to see."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from typing import Any

import numpy as np

from distd.simulation.agents import Crowd
from distd.simulation.world import HORIZON_US, MINUTE_US, NEVER, SECOND_US, Line

# What ends on a shared line comes before what begins there at the same moment.
END, LINE, TURN = 0, 1, 2


class Rate:
    """What a line can do, by whole minutes."""

    def __init__(self, line: Any, begins_min: Any) -> None:
        self.limited = bool(line.rules)
        self.constant = len({line.kilobytes_per_s(minute) for minute in range(7 * 1440)}) == 1
        self.line, self.begins_min = line, begins_min
        self.done = [0]

    def rate(self, minute: Any) -> Any:
        return self.line.kilobytes_per_s(minute + self.begins_min)

    def work_by(self, at_us: Any) -> Any:
        if self.constant:
            return at_us * self.rate(0)
        minute, rest = divmod(at_us, MINUTE_US)
        self.extend(minute)
        return self.done[minute] + rest * self.rate(minute)

    def extend(self, minute: Any) -> None:
        while len(self.done) <= minute:
            self.done.append(self.done[-1] + MINUTE_US * self.rate(len(self.done) - 1))

    def time_of(self, work: Any) -> Any:
        if self.constant:
            return -(-work // self.rate(0))
        while self.done[-1] < work:
            self.extend(len(self.done))
        minute = max(bisect_right(self.done, work - 1) - 1, 0)
        return minute * MINUTE_US - (self.done[minute] - work) // self.rate(minute)


class Queue:
    """First come, first served."""

    def __init__(self, rate: Any) -> None:
        self.rate, self.free = rate, 0

    def leave(self, at_us: Any, length: Any) -> Any:
        if not self.rate.limited:
            return at_us
        self.free = max(self.free, self.rate.work_by(at_us)) + length * 1000
        return self.rate.time_of(self.free)


def alone(rate: Any, at_us: Any, length: Any) -> Any:
    """When a transfer is through that nobody is in the way of."""
    return rate.time_of(rate.work_by(at_us) + length * 1000) if rate.limited else at_us


class Sharing:
    """All at once, in equal parts: of every transfer, what is left of it."""

    def __init__(self, rate: Any) -> None:
        self.rate, self.mark, self.at_us, self.jobs = rate, 0.0, 0, []

    def come(self, at_us: Any, length: Any, agent: Any) -> None:
        if self.jobs:
            self.mark += (self.rate.work_by(at_us) - self.rate.work_by(self.at_us)) / len(self.jobs)
        self.at_us = at_us
        self.jobs.append((self.mark + length * 1000, agent))

    def next(self) -> Any:
        mark, agent = min(self.jobs)
        work = self.rate.work_by(self.at_us) + round((mark - self.mark) * len(self.jobs))
        return max(self.rate.time_of(work), self.at_us), agent, mark

    def end(self, at_us: Any, agent: Any, mark: Any) -> None:
        self.jobs.remove((mark, agent))
        self.at_us, self.mark = at_us, mark


class Simulation:
    """Events are (when, kind, agent, what, mark): of an END `what` is its line's version, of a LINE the length."""

    def __init__(self, world: Any, seed: Any) -> None:
        self.world = world
        self.crowd = crowd = Crowd(world, seed)  # who they are is drawn there
        self.tables = [
            list(zip(*(column.tolist() for column in columns), strict=True))
            for columns in (
                (one.package, one.number, one.length, one.pause_us, one.into_period_us, one.contact)
                for one in crowd.tables
            )
        ]
        self.origin = Queue(self.rate(world.origin.shared))
        self.lines = [Queue(self.rate(site.line.shared)) for site in world.sites]
        self.shared = [Sharing(line.rate) for line in self.lines]
        self.version = [0] * len(self.lines)
        desk = Line.of(world.requests_per_s * 1000) if world.requests_per_s else Line()  # as lines of kilobytes
        self.desk = Queue(Rate(desk, 0))
        self.mirrors = {name: Near(self, one, desk) for name, one in world.mirrors.items()}
        self.own_way = [[self.rate(line.own) for line in (world.origin, site.line)] for site in world.sites]
        self.done = np.full((len(world.packages), world.agents), NEVER, np.int64)
        self.turn = [0] * world.agents
        self.since = [0] * world.agents
        self.shortest = crowd.width_us
        self.events = []

    def rate(self, line: Any) -> Any:
        return Rate(line, self.world.begins_min)

    def run(self) -> Any:
        self.greet()
        while self.events and self.events[0][0] <= HORIZON_US:
            at_us, kind, agent, what, mark = heapq.heappop(self.events)
            where = int(self.crowd.site[agent])
            if kind == TURN:
                self.take_turn(agent, where, at_us)
            elif kind == LINE:
                self.shared[where].come(at_us, what, agent)
                self.watch(where)
            elif what == self.version[where]:
                self.shared[where].end(at_us, agent, mark)
                self.end_way(agent, at_us)
                self.watch(where)
        return self.done

    def greet(self) -> None:
        """Contacts are answered one after the other."""
        world, crowd = self.world, self.crowd
        desk = Queue(Rate(Line.of(world.contacts_per_s * 1000) if world.contacts_per_s else Line(), 0))
        for contact_us, agent in sorted(zip(crowd.contact_us.tolist(), range(world.agents), strict=True)):
            self.since[agent] = desk.leave(contact_us, 1000) + world.greeting_us
            table = self.tables[crowd.dialect[agent]]
            if table:
                self.push(self.since[agent] + table[0][3], TURN, agent)

    def take_turn(self, agent: Any, where: Any, at_us: Any) -> None:
        package, number, length, _, into_us, _ = self.tables[self.crowd.dialect[agent]][self.turn[agent]]
        begun_us = at_us - into_us  # its period
        if into_us != NEVER and begun_us - self.since[agent] > self.world.config.timeout_days * 86_400 * SECOND_US:
            return
        site = self.world.sites[where]
        mirror = self.mirrors[site.mirror.name or site.name] if site.mirror else None
        if not number:
            self.done[package, agent] = at_us
            self.end_turn(agent, at_us)
        elif mirror and mirror.is_up(at_us):
            left_us, falls_us = mirror.leave(at_us, length)
            if left_us > falls_us:
                self.push(falls_us, TURN, agent)
            else:
                self.end_turn(agent, left_us)
        else:
            sent_us = self.origin.leave(self.desk.leave(at_us, 1000), length)
            if self.world.shared and self.lines[where].rate.limited:
                self.push(sent_us, LINE, agent, length)
            else:
                self.end_way(agent, self.lines[where].leave(sent_us, length))

    def end_way(self, agent: Any, at_us: Any) -> None:
        length = self.tables[self.crowd.dialect[agent]][self.turn[agent]][2]
        for rate in self.own_way[int(self.crowd.site[agent])]:
            at_us = alone(rate, at_us, length)
        self.end_turn(agent, at_us)

    def end_turn(self, agent: Any, at_us: Any) -> None:
        at_us += self.world.round_trip_us
        self.turn[agent] += 1
        table = self.tables[self.crowd.dialect[agent]]
        if self.turn[agent] < len(table):
            if table[self.turn[agent]][5]:
                at_us = self.since[agent] = self.contact(agent, at_us)
            self.push(at_us + table[self.turn[agent]][3], TURN, agent)

    def contact(self, agent: Any, at_us: Any) -> Any:
        """The next one that is not too soon."""
        contact_us = int(self.crowd.contact_us[agent])
        while contact_us < at_us + self.shortest:
            contact_us += self.world.prolog_freq_h * 3600 * SECOND_US
        return contact_us + self.world.greeting_us

    def watch(self, where: Any) -> None:
        self.version[where] += 1
        if self.shared[where].jobs:
            at_us, agent, mark = self.shared[where].next()
            self.push(at_us, END, agent, self.version[where], mark)

    def push(self, at_us: Any, kind: Any, agent: Any, what: Any = 0, mark: Any = 0.0) -> None:
        heapq.heappush(self.events, (at_us, kind, agent, what, mark))


class Near:
    """A mirror."""

    def __init__(self, simulation: Any, mirror: Any, desk: Any) -> None:
        self.down = [(round(a * SECOND_US), round(b * SECOND_US)) for a, b in sorted(mirror.down)]
        self.own = simulation.rate(mirror.line.own)
        self.make = lambda: (Queue(Rate(desk, 0)), Queue(simulation.rate(mirror.line.shared)))
        self.queues = self.make()
        self.used_us = 0

    def is_up(self, at_us: Any) -> Any:
        return not any(a <= at_us < b for a, b in self.down)

    def leave(self, at_us: Any, length: Any) -> Any:
        """When it is through, and when the mirror falls next. Who waited when it fell before has gone."""
        if any(self.used_us < a <= at_us for a, _ in self.down):
            self.queues = self.make()
        self.used_us = at_us
        desk, line = self.queues
        falls_us = min((a for a, _ in self.down if a > at_us), default=HORIZON_US * 2)
        return alone(self.own, line.leave(desk.leave(at_us, 1000), length), length), falls_us
