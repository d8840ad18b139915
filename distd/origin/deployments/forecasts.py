"""The forecast of a deployment: the computers of a package as the catalogue has them, and their simulation.

`forecast` is some seconds of work with very many agents: a server runs it in a child process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from distd.catalogue import dialect
from distd.catalogue.schema import assignments, computers
from distd.domain import bandwidth
from distd.domain.errors import BadInput
from distd.domain.mirror_rules import Via
from distd.domain.records import Dialect
from distd.origin.deployments.rollout_choice import find_matching
from distd.origin.mirrors import directory
from distd.origin.packages import packages
from distd.simulation.records import Answer, Forecast, Goal  # noqa: TC001 - the API looks at the fields
from distd.simulation.world import MAX_KB_PER_S, Line, Mirror, Package, Site, World, check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.assignment_terms import AssignmentOrigin
    from distd.domain.settings import Settings

QUICK_TURNS: Final = 2_000_000  # of all simulated agents, where an answer is waited for
OTHER: Final = "elsewhere"  # computers of which no subnet is known
COLUMNS: Final = (computers.c.id, computers.c.user_agent, *(computers.c[name] for name in directory.COLUMNS))


@dataclass(frozen=True, slots=True)
class Question:
    """What a forecast is made for. `sites` replace those of the computers in the catalogue, each of which has `line`.
    `goal`: what to find settings for; None: only a forecast. `begins_min`: minutes after Monday 0:00. `is_quick`:
    within about a second, from a sample of many computers."""

    package_id: str
    settings: Settings
    line: Line = field(default_factory=Line)
    sites: tuple[Site, ...] = ()
    goal: Goal | None = None
    begins_min: int = 0
    seed: int = 0
    is_quick: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`forecast` is by the present settings; `is_met`: whether they meet the goal; `answer`: what to set for it."""

    package_id: str
    name: str
    agents: int
    forecast: Forecast
    is_met: bool | None
    answer: Answer | None


def world_of(conn: Connection, question: Question, now_s: float) -> World:
    """The computers that have an assignment of the package without a result (if there are none, all computers), by
    subnet and by the mirror that they would get now. The origin's line has those `bandwidth.rules` that are for all.

    Raises `NotFound`, and `BadInput` where there are no computers.
    """
    rows = _rows(conn, question.package_id)
    return world_of_rows(
        conn, question, rows, question.sites or _sites(places_of(conn, rows, question, now_s), question)
    )


def world_of_rows(conn: Connection, question: Question, rows: Sequence[Any], sites: tuple[Site, ...]) -> World:
    """The same, of computers that were read with `COLUMNS`, at these sites."""
    package, settings = packages.show(conn, question.package_id), question.settings
    if not sites:
        raise BadInput("sites", "computers that the server knows, or sites such as NAME=AGENTS", "neither")
    count = max(package.fragments, 1)
    length, rest = divmod(package.size_bytes, count)
    lengths = tuple(length + (number < rest) for number in range(package.fragments))
    world = World(
        packages=(Package(package.id, package.priority, lengths),),
        sites=sites,
        config=settings.download,
        prolog_freq_h=settings.agents.prolog_freq_h,
        origin=_origin(settings),
        dialects=_dialects(rows),
        begins_min=question.begins_min,
    )
    check(world)
    return world


def world_for(conn: Connection, question: Question, who: AssignmentOrigin, now_s: float) -> World:
    """The same, of the computers that `who` stands for, whether they have the package assigned or not."""
    rows: list[Row[Any]] = []
    for ids in dialect.chunks(find_matching(conn, who, now_s)):
        rows += conn.execute(select(*COLUMNS).where(computers.c.id.in_(ids))).all()
    return world_of_rows(conn, question, rows, _sites(places_of(conn, rows, question, now_s), question))


def _rows(conn: Connection, package_id: str) -> Sequence[Row[Any]]:
    waiting = select(assignments.c.computer_id).filter_by(package_id=package_id, result=None)
    return (
        conn.execute(select(*COLUMNS).where(computers.c.id.in_(waiting))).all() or conn.execute(select(*COLUMNS)).all()
    )


def places_of(conn: Connection, rows: Sequence[Any], question: Question, now_s: float) -> list[tuple[str, str]]:
    """Of each of these computers its subnet, and the mirror that it would get now; "": none."""
    default = Via(question.settings.mirrors.via)
    mirrors = directory.load(conn, default, now_s)
    via = mirrors.via.get(question.package_id, default)
    elsewhere = packages.show(conn, question.package_id).fragment_server is not None
    uses_mirrors = not elsewhere and via is not Via.ORIGIN
    found = []
    for row in rows:
        choices = mirrors.choices(directory.computer_of(row), question.package_id) if uses_mirrors else []
        subnet = next(iter((row.subnets or "").split()), OTHER)
        found.append((subnet, choices[0].mirror.name if choices else ""))
    return found


def site_of(place: tuple[str, str], agents: int, line: Line) -> Site:
    """The site of a subnet and a mirror."""
    subnet, mirror = place
    name = f"{subnet} by {mirror}" if mirror else subnet
    return Site(name, agents, line, Mirror(name=mirror) if mirror else None)


def _sites(places: Sequence[tuple[str, str]], question: Question) -> tuple[Site, ...]:
    counted = Counter(places)
    return tuple(site_of(place, agents, question.line) for place, agents in sorted(counted.items()))


def _origin(settings: Settings) -> Line:
    """Rules for networks are left out: which computers they are for is not known here."""
    rules = bandwidth.parse(settings.bandwidth.rules, "bandwidth.rules")
    return Line(tuple(rule for rule in rules if rule.network is None and rule.bytes_per_s <= MAX_KB_PER_S * 1000))


def _dialects(rows: Sequence[Row[Any]]) -> dict[Dialect, float]:
    counted = Counter(Dialect.of_user_agent(row.user_agent or "") for row in rows)
    return {dialect: float(count) for dialect, count in sorted(counted.items())} or {Dialect.UNIX: 1.0}


def forecast(world: World, question: Question, name: str) -> Plan:
    """Simulate the deployment of the package called `name`, and find settings for the goal. Raises `BadInput`."""
    # Here, because they need numpy: a server, whose forecasts a child process makes, does without.
    from distd.simulation.forecast import MAX_TURNS, make_forecast
    from distd.simulation.goals import is_goal_met, solve

    (package,) = world.packages
    goal = question.goal
    is_met, answer = None, None
    if goal is not None:
        is_met = is_goal_met(world, goal, question.seed)
        answer = solve(world, sum(package.lengths), package.priority, goal, question.seed)
    made = make_forecast(world, question.seed, QUICK_TURNS if question.is_quick else MAX_TURNS)
    return Plan(question.package_id, name, world.agents, made, is_met, answer)
