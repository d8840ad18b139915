"""What a package will do to the site: the world of its computers, as the catalogue knows them, and what the model says.

The model is heavy work, so it runs in a process of its own, beside the lane.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import trio
from sqlalchemy import select

from distd.core.errors import BadInput
from distd.core.records import Dialect
from distd.model.plan import Answer, Forecast, Goal, foresee, solve  # noqa: TC001 - the API looks at the fields
from distd.model.world import Line, Mirror, Package, Site, World, check
from distd.origin import nearest
from distd.origin import packages as use_cases
from distd.store.tables import assignments, computers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from distd.core.mirrors import Via
    from distd.core.records import DownloadConfig

OTHER: Final = "elsewhere"  # computers of which no subnet is known
TIMEOUT_S: Final = 120.0
NICENESS: Final = 10


@dataclass(frozen=True, slots=True)
class Question:
    """`sites`: instead of those of the computers that the catalogue knows. `line`: of each of those. `goal`: what to
    find settings for; None: only a forecast is wanted."""

    package_id: str
    config: DownloadConfig
    prolog_freq_h: int
    line: Line = field(default_factory=Line)
    sites: tuple[Site, ...] = ()
    goal: Goal | None = None
    begins_min: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """`forecast`: as things stand. `answer`: what to set for the goal."""

    package_id: str
    name: str
    agents: int
    forecast: Forecast
    answer: Answer | None


def world_of(conn: Connection, question: Question, via: Via, now_s: float) -> World:
    """The computers to which the package is assigned and that have no result yet (else all that are known), by subnet
    and by the mirror they would get now. Raises `NotFound`, and `BadInput` where there are no computers."""
    package = use_cases.show(conn, question.package_id)
    rows = _rows(conn, question.package_id)
    sites = question.sites or _sites(conn, rows, question, via, now_s)
    if not sites:
        raise BadInput("--site", "computers of which the server knows, or --site NAME=AGENTS", "neither")
    count = max(package.fragments, 1)
    length, rest = divmod(package.size_bytes, count)
    lengths = tuple(length + (number < rest) for number in range(package.fragments))
    world = World(
        packages=(Package(package.id, package.priority, lengths),),
        sites=sites,
        config=question.config,
        prolog_freq_h=question.prolog_freq_h,
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


def _sites(conn: Connection, rows: Sequence[Row[Any]], question: Question, via: Via, now_s: float) -> tuple[Site, ...]:
    directory = nearest.load(conn, via, now_s)
    counted: Counter[tuple[str, str]] = Counter()
    for row in rows:
        choices = directory.choices(nearest.computer_of(row), question.package_id)
        subnet = next(iter((row.subnets or "").split()), OTHER)
        counted[subnet, choices[0].mirror.name if choices else ""] += 1
    return tuple(
        Site(
            f"{subnet} by {mirror}" if mirror else subnet,
            agents,
            question.line,
            Mirror() if mirror else None,
        )
        for (subnet, mirror), agents in sorted(counted.items())
    )


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
    size_bytes = sum(package.lengths)
    answer = None
    if question.goal is not None and size_bytes:
        # A mirror takes the site's line's load; what is asked is whether the lines bear it.
        lines = replace(world, sites=tuple(one for one in world.sites if one.mirror is None) or world.sites)
        answer = solve(lines, size_bytes, package.priority, question.goal, question.seed)
    return Plan(question.package_id, name, world.agents, foresee(world, question.seed), answer)


async def plan_apart(world: World, question: Question, name: str) -> Plan:
    """`plan` in a process of its own. Raises `BadInput`."""
    with trio.fail_after(TIMEOUT_S):
        done = await trio.run_process(
            [sys.executable, "-c", f"from {__name__} import answer_parent; answer_parent()"],
            stdin=pickle.dumps((world, question, name)),
            capture_stdout=True,
        )
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
