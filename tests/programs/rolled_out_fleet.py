"""A roll-out in four waves to emulated agents, while the server and agents are killed at random moments, and what must
be true all the same.

So many agents of the second wave fail that it halts by itself; the package is superseded, the roll-out is resumed, goes
on with the successor from its first wave, and ends. Agents keep on their disks what they have fetched and what they
have to report: one that is killed goes on from there when it comes again.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio
from sqlalchemy import func, select

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.catalogue.rollouts_schema import rollout_members
from distd.domain.actor import Actor, ActorKind
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import Unavailable
from distd.domain.records import DownloadRequest, PrologRequest
from distd.domain.results import OPEN
from distd.domain.rollout_plan import RolloutHalts, RolloutLimits, RolloutPlan, WaveBy, WavePlan
from distd.domain.rollout_state import Phase, RolloutAct
from distd.domain.settings import DownloadConfig
from distd.lane.client.http_client import open_client
from distd.origin.deployments import rollout_advance, rollouts
from distd.origin.deployments.rollouts import NewRollout
from distd.origin.installation import open_installation
from distd.origin.packages import counters
from distd.wire import ocs
from tests.programs import commands
from tests.programs.processes import distd_serve, free_port
from tests.programs.waiting import await_until

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from distd.catalogue.engine import Catalogue
    from distd.lane.client.http_client import Client
    from distd.origin.deployments.rollouts import Rollout

SETTINGS: Final = {
    **{f"download.{name}_latency_s": 0 for name in ("frag", "cycle", "period")},
    "agents.inventory_freq_days": -1,
    "rollouts.step_s": 1,
}
HEADERS: Final = (("User-Agent", "OCS-NG_unified_unix_agent_v2.10.0"), ("Content-Type", "application/x-compress"))
ADMIN: Final = Actor(ActorKind.OPERATOR, "admin")
NAME: Final = "roll-out"
FRAGMENTS: Final = 2
ERROR_PERCENT: Final = 5
SUCCESS: Final = "SUCCESS"
FAILURE: Final = "ERR_EXECUTE"
VISITORS: Final = 8  # agents that are at work at the same time
PAUSE_S: Final = 0.02  # after each of them
STEP_S: Final = 0.1  # this process looks at the roll-out too, as a second server on the same database does
SERVED_S: Final = (0.2, 2.5)  # so long a server serves until it is killed
KILLED_AGENTS: Final = 2  # for each kill of a server
LIMIT_S: Final = 1800.0


@dataclass
class RolledOut:
    """What happened. `faults` are sentences; there should be none. `decisions`: kinds of the roll-out's events that
    change where it is, each with its wave, in their order."""

    server_kills: int = 0
    agent_kills: int = 0
    kills_before_end: int = 0
    contacts: int = 0
    fetched: int = 0
    reports: int = 0
    failed_requests: int = 0
    unproven: int = 0
    took_s: float = 0.0
    halted: dict[str, Any] = field(default_factory=dict)
    decisions: list[tuple[str, int | None]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass
class _Agent:
    """What is on the disk of an agent: where packages come from, fragments it has, results it has to report."""

    device_id: str
    told: dict[str, str] = field(default_factory=dict)
    fragments: dict[str, set[int]] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    had: set[str] = field(default_factory=set)


class _Fleet:
    """Agents that come one after the other, again and again. `url` is the server's; "": it is down."""

    def __init__(self, agents: int) -> None:
        self.agents = [_Agent(f"pc-{number:05}") for number in range(agents)]
        self.url = ""
        self.seen: set[str] = set()
        self.to_fail: set[tuple[str, str]] = set()
        self.content: dict[str, list[bytes]] = {}
        self.acknowledged: dict[tuple[str, str], str] = {}
        self.told: set[tuple[str, str]] = set()
        self.result = RolledOut()
        self.visits: set[trio.CancelScope] = set()
        self._next = 0

    async def run(self, client: Client) -> None:
        """A visitor: one agent after the other, for ever."""
        while True:
            if not self.url:
                await trio.sleep(0.01)
                continue
            agent = self.agents[self._next % len(self.agents)]
            self._next += 1
            with trio.CancelScope() as visit, contextlib.suppress(Unavailable):
                self.visits.add(visit)
                try:
                    await self._visit(client, agent)
                finally:
                    self.visits.discard(visit)
            await trio.sleep(PAUSE_S)

    async def kill_one(self, draw: random.Random) -> None:
        """An agent that is at work."""
        while not self.visits:
            await trio.sleep(0.001)
        draw.choice(sorted(self.visits, key=id)).cancel()
        self.result.agent_kills += 1

    async def _visit(self, client: Client, agent: _Agent) -> None:
        for package_id, code in sorted(agent.results.items()):
            await self._post(client, DownloadRequest(agent.device_id, package_id, code))
            self.acknowledged[agent.device_id, package_id] = code
            self.result.reports += 1
            del agent.results[package_id]
        reply = ocs.read_prolog_reply(await self._post(client, PrologRequest(agent.device_id)))
        self.seen.add(agent.device_id)
        self.result.contacts += 1
        for pack in reply.packs:
            if (agent.device_id, pack.id) in self.acknowledged:
                self.result.faults.append(f"{agent.device_id} is told of {pack.id} again, whose end was acknowledged")
            elif pack.id not in agent.had:
                agent.told[pack.id] = pack.pack_loc
            self.told.add((agent.device_id, pack.id))
        for package_id, place in sorted(agent.told.items()):
            await self._fetch(client, agent, package_id, place)

    async def _fetch(self, client: Client, agent: _Agent, package_id: str, place: str) -> None:
        has = agent.fragments.setdefault(package_id, set())
        for number in range(1, FRAGMENTS + 1):
            if number in has:
                continue
            body = await self._get(client, f"http://{place}/{package_id}/{package_id}-{number}")
            if body != self.content[package_id][number - 1]:
                self.result.faults.append(f"{agent.device_id}: fragment {number} of {package_id} is not what it was")
            has.add(number)
            self.result.fetched += 1
        # From here to the end nothing waits, so no kill comes between: an agent renames a file.
        agent.results[package_id] = FAILURE if (agent.device_id, package_id) in self.to_fail else SUCCESS
        agent.had.add(package_id)
        del agent.told[package_id]

    async def _post(self, client: Client, request: DownloadRequest | PrologRequest) -> bytes:
        return await self._ask(client, "POST", self.url, ocs.write_request(request))

    async def _get(self, client: Client, url: str) -> bytes:
        return await self._ask(client, "GET", url, b"")

    async def _ask(self, client: Client, method: str, url: str, body: bytes) -> bytes:
        if not self.url:
            raise Unavailable("server", "it is down")
        try:
            response = await client.request(method, url, headers=HEADERS, body=body)
        except Unavailable:
            self.result.failed_requests += 1
            raise
        if response.status != 200:
            self.result.failed_requests += 1
            raise Unavailable("server", f"status {response.status}")
        return response.body


async def run_rolled_out_fleet(data: Path, agents: int, kills: int, seed: int) -> RolledOut:
    """Roll out to so many agents from a new data directory; of `kills` a third are of the server."""
    begun_s = trio.current_time()
    draw, fleet = random.Random(seed), _Fleet(agents)
    http, https = (f"127.0.0.1:{free_port()}" for _ in range(2))  # the same ones after a kill: agents keep paths
    serve = partial(distd_serve, data, SETTINGS, http=http, https=https)
    first = _publish(data, fleet, "first")
    with open_installation(data) as installation:
        catalogue = installation.catalogue
        async with trio.open_nursery() as nursery, open_client() as client:
            for _ in range(VISITORS):
                nursery.start_soon(fleet.run, client)
            async with serve() as server:
                fleet.url = server.agents_url
                await await_until(lambda: len(fleet.seen) == agents, "all agents are known", LIMIT_S)
                fleet.url = ""
            await trio.to_thread.run_sync(_begin, catalogue, fleet, first)
            nursery.start_soon(_step, catalogue)
            ended = trio.Event()
            nursery.start_soon(_operate, data, catalogue, fleet, first, ended)
            for _ in range(kills // (1 + KILLED_AGENTS)):
                async with serve() as server:
                    fleet.url = server.agents_url
                    await _serve_a_while(fleet, draw)
                    fleet.url = ""
                    await server.kill()
                fleet.result.server_kills += 1
                fleet.result.kills_before_end += 0 if ended.is_set() else 1 + KILLED_AGENTS
            async with serve() as server:
                fleet.url = server.agents_url
                with trio.fail_after(LIMIT_S):
                    await ended.wait()
                await await_until(lambda: not _left(fleet), "all is reported", LIMIT_S)
                fleet.url = ""
            nursery.cancel_scope.cancel()
        with catalogue.write() as conn:
            _judge(conn, fleet)
    fleet.result.took_s = trio.current_time() - begun_s
    return fleet.result


async def _serve_a_while(fleet: _Fleet, draw: random.Random) -> None:
    """With kills of agents in it, at random moments."""
    length_s = draw.uniform(*SERVED_S)
    moments = sorted(draw.uniform(0, length_s) for _ in range(KILLED_AGENTS))
    for at_s, before_s in zip([*moments, length_s], [0.0, *moments], strict=True):
        await trio.sleep(at_s - before_s)
        if at_s is not length_s:
            await fleet.kill_one(draw)


def _left(fleet: _Fleet) -> bool:
    return any(agent.told or agent.results for agent in fleet.agents)


def _publish(data: Path, fleet: _Fleet, name: str, supersedes: str = "") -> str:
    """Build and activate a package; its id."""
    source = data.with_name(f"{name}.bin")
    source.write_bytes(random.Random(name).randbytes(3000))
    options = ("--name", name, "--os", "OTHER", "--action", "STORE", "--path", "/tmp/x", "--fragments", FRAGMENTS)
    if supersedes:
        package_id = commands.distd(data, "package", "supersede", supersedes, source, "--name", name)["id"]
    else:
        package_id = commands.distd(data, "package", "build", source, *options)["id"]
    folder = data / "download" / package_id
    fleet.content[package_id] = [(folder / f"{package_id}-{number}").read_bytes() for number in (1, 2)]
    commands.distd(data, "package", "activate", package_id)
    return str(package_id)


def _begin(catalogue: Catalogue, fleet: _Fleet, package_id: str) -> None:
    """Make the roll-out and start it; choose who fails: more than so many percent of the second wave."""
    waves = (
        WavePlan(WaveBy.SHARE, "1", "pilot"),
        WavePlan(WaveBy.SHARE, "39" if len(fleet.agents) < 500 else "10", success_percent=95),
        WavePlan(WaveBy.SHARE, "30", success_percent=95),
        WavePlan(WaveBy.REST, success_percent=95),
    )
    plan = RolloutPlan(waves, RolloutLimits(max(len(fleet.agents) // 8, 20)), RolloutHalts(ERROR_PERCENT))
    new = NewRollout(NAME, package_id, AssignmentOrigin(OriginKind.FILTER), plan)
    with catalogue.write() as conn:
        rollouts.create(conn, ADMIN, new, time.time())
        rollouts.act(conn, ADMIN, NAME, RolloutAct.START, time.time(), DownloadConfig())
        query = select(schema.computers.c.device_id).join(
            rollout_members, rollout_members.c.computer_id == schema.computers.c.id
        )
        second = list(conn.scalars(query.where(rollout_members.c.wave == 1).order_by(schema.computers.c.id)))
    planted = len(second) * ERROR_PERCENT // 100 + 1
    fleet.to_fail = {(device_id, package_id) for device_id in second[:planted]}


async def _step(catalogue: Catalogue) -> None:
    """Another server that looks at the roll-out, for ever."""
    config = DownloadConfig()

    def step() -> None:
        with catalogue.read() as conn:
            found = [
                rollout_advance.find_due(conn, each, time.time(), config) for each in rollout_advance.list_active(conn)
            ]
        for due in filter(None, found):
            with catalogue.write() as conn:
                rollout_advance.advance_due(conn, due, time.time(), config)

    while True:
        await trio.to_thread.run_sync(step)
        await trio.sleep(STEP_S)


async def _operate(data: Path, catalogue: Catalogue, fleet: _Fleet, first: str, ended: trio.Event) -> None:
    """When it has halted, supersede the package and resume it; wait for its end."""

    def read() -> Rollout:
        with catalogue.read() as conn:
            return rollouts.show(conn, NAME, time.time())

    async def wait_for(phase: Phase) -> None:
        while (await trio.to_thread.run_sync(read)).phase != phase:
            await trio.sleep(STEP_S)

    await wait_for(Phase.HALTED)
    await trio.to_thread.run_sync(partial(_publish, data, fleet, "second", first))

    def resume() -> None:
        with catalogue.write() as conn:
            rollouts.act(conn, ADMIN, NAME, RolloutAct.RESUME, time.time(), DownloadConfig())

    await trio.to_thread.run_sync(resume)
    await wait_for(Phase.FINISHED)
    ended.set()


_TURNS: Final = (
    *(Kind.ROLLOUT_STARTED, Kind.ROLLOUT_WAVE_OPENED, Kind.ROLLOUT_HALTED, Kind.ROLLOUT_RESTARTED),
    *(Kind.ROLLOUT_RESUMED, Kind.ROLLOUT_FINISHED),
)


def _judge(conn: Connection, fleet: _Fleet) -> None:
    """Compare counters, events and what the agents know."""
    result, faults, events = fleet.result, fleet.result.faults, schema.events
    columns = (events.c.seq, events.c.kind, events.c.package_id, events.c.detail, schema.computers.c.device_id)
    joined = events.outerjoin(schema.computers, schema.computers.c.id == events.c.computer_id)
    log = conn.execute(select(*columns).select_from(joined).order_by(events.c.seq)).all()
    turns = [row for row in log if row.kind in _TURNS]
    result.decisions = [(row.kind.removeprefix("ROLLOUT_"), row.detail.get("wave")) for row in turns]
    result.halted = next(row.detail for row in turns if row.kind == Kind.ROLLOUT_HALTED)
    reported = [
        (row.device_id, row.package_id, row.detail["code"])
        for row in log
        if row.kind == Kind.RESULT and "ignored" not in row.detail
    ]
    mine = {(*pair, code) for pair, code in fleet.acknowledged.items()}
    if len(reported) != len(set(reported)) or set(reported) != mine:
        faults.append(f"events have {len(reported)} results, agents {len(mine)}: {sorted({*reported} ^ mine)[:5]}")
    notified = Counter((row.device_id, row.package_id) for row in log if row.kind == Kind.NOTIFIED)
    if notified.keys() < fleet.told or max(notified.values()) > 1:
        faults.append(f"{len(fleet.told)} were told, {notified.total()} notifications are recorded")
    _judge_counters(conn, fleet, Counter((package_id, code) for _, package_id, code in mine))


def _judge_counters(conn: Connection, fleet: _Fleet, mine: Counter[tuple[str, str]]) -> None:
    result, faults = fleet.result, fleet.result.faults
    kept = counters.count_kept(conn, list(fleet.content))
    by_code: Counter[tuple[str, str]] = Counter()
    for position, computers in kept.items():
        by_code[position.package_id, position.code] += computers
        result.unproven += computers if position.unproven else 0
    if by_code != mine:
        faults.append(f"counters have {dict(by_code)}, agents {dict(mine)}")
    if wrong := counters.recount_all(conn):
        faults.append(f"counters are wrong: {wrong}")
    still = conn.scalar(
        select(func.count()).select_from(schema.assignments).where(schema.assignments.c.state.in_(list(OPEN)))
    )
    if still:
        faults.append(f"{still} assignments have no result")
    shown = rollouts.show(conn, NAME, time.time())
    success = sum(wave.success for wave in shown.waves)
    if success != len(fleet.agents) or mine[shown.package_id, SUCCESS] != len(fleet.agents):
        faults.append(f"the roll-out has {success} successes")
