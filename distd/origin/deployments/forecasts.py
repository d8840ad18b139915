"""What a package will do to the site: the world of its computers, as the catalogue knows them, and what the model says.

The model is heavy work, so it runs in a process of its own, beside the lane.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import trio
from sqlalchemy import select

from distd.catalogue.schema import assignments, computers
from distd.domain import bandwidth
from distd.domain.errors import BadInput, Unavailable
from distd.domain.mirror_rules import Via
from distd.domain.records import Dialect
from distd.origin.mirrors import directory as nearest
from distd.origin.packages import packages as use_cases
from distd.simulation.forecast import Forecast, foresee  # noqa: TC001 - the API looks at the fields
from distd.simulation.goals import Answer, Goal, holds, solve  # noqa: TC001 - the API looks at the fields
from distd.simulation.world import MOST_KB_PER_S, Line, Mirror, Package, Site, World, check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.settings import Settings

OTHER: Final = "elsewhere"  # computers of which no subnet is known
TIMEOUT_S: Final = 120.0
NICENESS: Final = 10


@dataclass(frozen=True, slots=True)
class Question:
    """`sites`: instead of those of the computers that the catalogue knows. `line`: of each of those. `goal`: what to
    find settings for; None: only a forecast is wanted. `begins_min`: minutes after Monday 0:00."""

    package_id: str
    settings: Settings
    line: Line = field(default_factory=Line)
    sites: tuple[Site, ...] = ()
    goal: Goal | None = None
    begins_min: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """`forecast`: as things stand; `is_met`: whether they meet the goal as they are. `answer`: what to set for it."""

    package_id: str
    name: str
    agents: int
    forecast: Forecast
    is_met: bool | None
    answer: Answer | None


def world_of(conn: Connection, question: Question, now_s: float) -> World:
    """The computers to which the package is assigned and that have no result yet (else all that are known), by subnet
    and by the mirror they would get now; the origin's line is what `bandwidth.rules` leave to everybody. Raises
    `NotFound`, and `BadInput` where there are no computers."""
    package, settings = use_cases.show(conn, question.package_id), question.settings
    rows = _rows(conn, question.package_id)
    sites = question.sites or _sites(conn, rows, question, package.fragment_server is not None, now_s)
    if not sites:
        raise BadInput("--site", "computers of which the server knows, or --site NAME=AGENTS", "neither")
    count = max(package.fragments, 1)
    length, rest = divmod(package.size_bytes, count)
    lengths = tuple(length + (number < rest) for number in range(package.fragments))
    world = World(
        packages=(Package(package.id, package.priority, lengths),),
        sites=sites,
        config=settings.download,
        prolog_freq_h=settings["agents.prolog_freq_h"],
        origin=_origin(settings),
        dialects=_dialects(rows),
        begins_min=question.begins_min,
    )
    check(world)
    return world


def _rows(conn: Connection, package_id: str) -> Sequence[Row[Any]]:
    columns = (computers.c.id, computers.c.user_agent, *(computers.c[name] for name in nearest.COLUMNS))
    waiting = select(assignments.c.computer_id).filter_by(package_id=package_id, result=None)
    return (
        conn.execute(select(*columns).where(computers.c.id.in_(waiting))).all() or conn.execute(select(*columns)).all()
    )


def _sites(
    conn: Connection, rows: Sequence[Row[Any]], question: Question, elsewhere: bool, now_s: float
) -> tuple[Site, ...]:
    directory = nearest.load(conn, Via(question.settings["mirrors.via"]), now_s)
    via = directory.via.get(question.package_id, Via(question.settings["mirrors.via"]))
    uses_mirrors = not elsewhere and via is not Via.ORIGIN
    counted: Counter[tuple[str, str]] = Counter()
    for row in rows:
        choices = directory.choices(nearest.computer_of(row), question.package_id) if uses_mirrors else []
        subnet = next(iter((row.subnets or "").split()), OTHER)
        counted[subnet, choices[0].mirror.name if choices else ""] += 1
    return tuple(
        Site(
            f"{subnet} by {mirror}" if mirror else subnet,
            agents,
            question.line,
            Mirror(name=mirror) if mirror else None,
        )
        for (subnet, mirror), agents in sorted(counted.items())
    )


def _origin(settings: Settings) -> Line:
    """Rules for networks are left out: whom they are for is not known here."""
    rules = bandwidth.parse(settings["bandwidth.rules"], "bandwidth.rules")
    return Line(tuple(rule for rule in rules if rule.network is None and rule.bytes_per_s <= MOST_KB_PER_S * 1000))


def _dialects(rows: Sequence[Row[Any]]) -> dict[Dialect, float]:
    counted = Counter(_dialect(row.user_agent or "") for row in rows)
    return {dialect: float(count) for dialect, count in sorted(counted.items())} or {Dialect.UNIX: 1.0}


def _dialect(user_agent: str) -> Dialect:
    if "WINDOWS" in user_agent.upper():
        return Dialect.WINDOWS
    return Dialect.NATIVE if user_agent.startswith("distd-agent") else Dialect.UNIX


def plan(world: World, question: Question, name: str) -> Plan:
    """Raises `BadInput`. Some seconds of work with very many agents."""
    (package,) = world.packages
    goal = question.goal
    is_met, answer = None, None
    if goal is not None:
        is_met = holds(world, goal, question.seed)
        answer = solve(world, sum(package.lengths), package.priority, goal, question.seed)
    return Plan(question.package_id, name, world.agents, foresee(world, question.seed), is_met, answer)


async def plan_apart(world: World, question: Question, name: str) -> Plan:
    """`plan` in a process of its own. Raises `BadInput`, and `Unavailable` when it takes too long."""
    command = [sys.executable, "-c", f"from {__name__} import answer_parent; answer_parent()"]
    request = pickle.dumps((world, question, name))
    done = None
    with trio.move_on_after(TIMEOUT_S):
        done = await trio.run_process(command, stdin=request, capture_stdout=True)
    if done is None:
        raise Unavailable("plan", f"no answer within {TIMEOUT_S:.0f} s; `distd plan` has no such limit")
    found = pickle.loads(done.stdout)  # noqa: S301 - our own child's
    if isinstance(found, BadInput):
        raise found
    assert isinstance(found, Plan)
    return found


def answer_parent() -> None:
    """The life of that process."""
    os.nice(NICENESS)
    world, question, name = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    try:
        found: Plan | BadInput = plan(world, question, name)
    except BadInput as error:
        found = error
    sys.stdout.buffer.write(pickle.dumps(found))
