"""A server that is killed at random moments under a load of contacts, reports and notifications, and what must be true
all the same.

Emulated agents ask, and report what they are told to deploy, again and again until it is acknowledged, as agents do.
Beside them somebody follows the event log by number, in another process than the server's.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from sqlalchemy import func, insert, select

from distd.catalogue import event_log, schema
from distd.catalogue.event_log import Kind
from distd.catalogue.event_watch import EventWatch
from distd.catalogue.reader import Reader
from distd.domain.actor import Actor, ActorKind
from distd.domain.errors import Unavailable
from distd.domain.records import DownloadRequest, PrologRequest
from distd.lane.client.http_client import open_client
from distd.origin.deployments import assignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.installation import open_installation
from distd.origin.packages import packages
from distd.wire import ocs
from tests.programs.processes import distd_serve
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue
    from distd.lane.client.http_client import Client

AGENTS: Final = 8  # that ask at the same time
COMPUTERS_OF_AGENT: Final = 12
OF_ROUND: Final = 16  # computers that get a package: as many as report soon, also on a busy machine
SERVED_S: Final = (0.05, 0.8)  # so long a server serves until it is killed
SETTINGS: Final = {"download.frag_latency_s": 0, "download.cycle_latency_s": 0, "download.period_latency_s": 0}
HEADERS: Final = (("User-Agent", "OCS-NG_unified_unix_agent_v2.10.0"), ("Content-Type", "application/x-compress"))
ADMIN: Final = Actor(ActorKind.OPERATOR, "admin")
PAUSE_S: Final = 0.02
LAST_LIMIT_S: Final = 300.0
SUCCESS: Final = "SUCCESS"
MAX_EVENTS: Final = 10_000


@dataclass
class KillResult:
    """What happened. `faults` are sentences; there should be none."""

    kills: int = 0
    contacts: int = 0
    reports: int = 0
    failed: int = 0  # requests that were not acknowledged
    events: int = 0
    notified: int = 0
    faults: list[str] = field(default_factory=list)


class _Load:
    """Agents, what they were told and what was acknowledged. `url` is the server's address; "": it is down."""

    def __init__(self) -> None:
        self.url = ""
        self.result = KillResult()
        self.acknowledged: set[tuple[str, str]] = set()
        self.told: set[tuple[str, str]] = set()
        self.waiting: dict[str, set[str]] = {}  # by computer: packages whose report was not acknowledged yet

    async def run(self, client: Client, computers: Sequence[str]) -> None:
        """One agent process after the other, for ever."""
        while True:
            for device_id in computers:
                with contextlib.suppress(Unavailable):
                    await self._contact(client, device_id)
                await trio.sleep(PAUSE_S if not self.url else 0)

    async def _contact(self, client: Client, device_id: str) -> None:
        waiting = self.waiting.setdefault(device_id, set())
        for package_id in sorted(waiting):
            await self._post(client, DownloadRequest(device_id, package_id, SUCCESS))
            waiting.discard(package_id)
            self.acknowledged.add((device_id, package_id))
            self.result.reports += 1
        done_before = set(self.acknowledged)
        reply = ocs.read_prolog_reply(await self._post(client, PrologRequest(device_id)))
        self.result.contacts += 1
        for pack in reply.packs:
            if (device_id, pack.id) in done_before:
                self.result.faults.append(f"{device_id} is notified of {pack.id} again, whose SUCCESS was acknowledged")
            self.told.add((device_id, pack.id))
            waiting.add(pack.id)

    async def _post(self, client: Client, request: DownloadRequest | PrologRequest) -> bytes:
        if not self.url:
            raise Unavailable("server", "it is down")
        try:
            response = await client.request("POST", self.url, headers=HEADERS, body=ocs.write_request(request))
        except Unavailable:
            self.result.failed += 1
            raise
        if response.status != 200:
            self.result.failed += 1
            raise Unavailable("server", f"status {response.status}")
        return response.body


async def run_kills(data: Path, kills: int, seed: int) -> KillResult:
    """Serve the data directory and kill the server so many times; then let the agents finish, and look."""
    draw, load = random.Random(seed), _Load()
    names = [[f"pc-{agent}-{number}" for number in range(COMPUTERS_OF_AGENT)] for agent in range(AGENTS)]
    every = [name for of_agent in names for name in of_agent]
    with open_installation(data) as installation:
        catalogue = installation.catalogue
        follower = _Follower(catalogue)
        async with trio.open_nursery() as nursery, open_client() as client:
            nursery.start_soon(follower.run)
            for of_agent in names:
                nursery.start_soon(load.run, client, of_agent)
            await _register(data, load, every, catalogue)
            for number in range(kills):
                async with distd_serve(data, SETTINGS) as server:
                    load.url = server.agents_url
                    await trio.to_thread.run_sync(_deploy, catalogue, str(1000 + number), draw.sample(every, OF_ROUND))
                    await trio.sleep(draw.uniform(*SERVED_S))
                    load.url = ""
                    await server.kill()
                load.result.kills += 1
            pairs = kills * OF_ROUND
            async with distd_serve(data, SETTINGS) as server:
                load.url = server.agents_url
                await await_until(lambda: len(load.acknowledged) == pairs, "all is reported", LAST_LIMIT_S)
                load.url = ""
                newest = await trio.to_thread.run_sync(_newest, catalogue)
                await await_until(lambda: follower.seq >= newest, "the follower has seen all")
            nursery.cancel_scope.cancel()
        with catalogue.read() as conn:
            _judge(conn, load, follower)
    return load.result


async def _register(data: Path, load: _Load, names: Sequence[str], catalogue: Catalogue) -> None:
    """All computers make a contact."""

    def known() -> int:
        with catalogue.read() as conn:
            return conn.scalar(select(func.count()).select_from(schema.computers)) or 0

    async with distd_serve(data, SETTINGS) as server:
        load.url = server.agents_url
        await await_until(lambda: known() == len(names), "all computers are known")
        load.url = ""


def _deploy(catalogue: Catalogue, package_id: str, names: Sequence[str]) -> None:
    """A package, as far as the catalogue goes, for these computers."""
    row: dict[str, object] = {
        "id": package_id,
        "name": f"package {package_id}",
        "os": "OTHER",
        "action": "STORE",
        "target": "/x",
    }
    row |= {"priority": 5, "fragments": 1, "size_bytes": 10, "md5": "0" * 32, "plan": ""}
    with catalogue.write() as conn:
        conn.execute(insert(schema.packages).values(**row, created_at_us=0))
        packages.activate(conn, ADMIN, package_id, None, None, time.time())
        assignments.assign(conn, ADMIN, AssignmentRequest(package_id, names), time.time())


def _newest(catalogue: Catalogue) -> int:
    with catalogue.read() as conn:
        return event_log.newest(conn)


class _Follower:
    """Follows the event log by number. `seq`: it has seen all up to there."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._watch = EventWatch(Reader(catalogue), logging.getLogger("distd"), catalogue.listen)
        self.seq = 0
        self.seen: list[int] = []

    async def run(self) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch.run)
            while True:
                newest = await self._watch.beyond(self.seq)
                read = partial(event_log.since, seq=self.seq, limit=MAX_EVENTS, last=newest)
                found = await self._watch.reader.run(read)
                self.seen += [event.seq for event in found]
                self.seq = found[-1].seq if len(found) == MAX_EVENTS else newest


def _judge(conn: Connection, load: _Load, follower: _Follower) -> None:
    result, faults = load.result, load.result.faults
    there = list(conn.scalars(select(schema.events.c.seq).order_by(schema.events.c.seq)))
    result.events = len(there)
    if follower.seen != there:
        skipped, extra = sorted({*there} - {*follower.seen}), len(follower.seen) - len({*follower.seen})
        faults.append(f"the follower has skipped {len(skipped)} events ({skipped[:5]}), and had {extra} twice")
    query = select(schema.computers.c.device_id, schema.assignments.c.package_id, schema.assignments.c.result)
    rows = conn.execute(query.join(schema.computers, schema.computers.c.id == schema.assignments.c.computer_id)).all()
    recorded = {(row.device_id, row.package_id) for row in rows if row.result == SUCCESS}
    if lost := load.acknowledged - recorded:
        faults.append(f"{len(lost)} acknowledged reports are lost: {sorted(lost)[:5]}")
    per_pair = select(schema.events.c.computer_id, schema.events.c.package_id, func.count().label("times"))
    notified = per_pair.where(schema.events.c.kind == Kind.NOTIFIED).group_by(
        schema.events.c.computer_id, schema.events.c.package_id
    )
    counts = conn.execute(notified).all()
    result.notified = sum(row.times for row in counts)
    if twice := [row for row in counts if row.times > 1]:
        faults.append(f"{len(twice)} notifications are recorded twice, such as {twice[0]}")
    if len(counts) < len(load.told):
        faults.append(f"{len(load.told) - len(counts)} notifications are not recorded")
