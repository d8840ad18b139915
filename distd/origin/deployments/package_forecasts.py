"""What was to become of a package's deployment when it began: which packages that is to be made of, what is kept of it,
and what pages draw beside what is measured.

The deployment of a package that is in a roll-out has the roll-out's (`rollout_forecasts`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select

from distd.catalogue.forecasts_schema import package_forecasts
from distd.catalogue.rollouts_schema import rollout_members, rollouts
from distd.catalogue.schema import activations, counters, micros
from distd.domain.results import OPEN
from distd.domain.units import DAY_MIN
from distd.origin.deployments import forecasts
from distd.origin.deployments.forecasts import Question
from distd.origin.deployments.rollout_rows import moment_of
from distd.origin.packages import packages
from distd.origin.packages.counters import Counters, count_computers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from distd.domain.settings import Settings
    from distd.origin.deployments.forecasts import Plan
    from distd.simulation.world import World

MAX_FOUND: Final = 20  # packages at a time; the others the next time
GROWN: Final = 1.25  # so many times the computers of the kept one make a new one of the deployment


@dataclass(frozen=True, slots=True)
class DeploymentQuestion:
    """What is simulated of a package that `computers` have assigned, `done` of them with a result."""

    question: Question
    world: World
    name: str
    begins_at_s: float
    computers: int
    done: int


@dataclass(frozen=True, slots=True)
class Expected:
    """What was expected of a deployment from `begins_at_s` on. `curve`: (time, lowest, middle and highest number of
    computers that have the package, with those that had it before). `finish_at_s`: by share of the computers (%), when
    they were to have it; None: not within 35 days."""

    begins_at_s: float
    computers: int
    curve: list[tuple[float, float, float, float]] = field(default_factory=list)
    finish_at_s: dict[int, float | None] = field(default_factory=dict)

    def number_at(self, at_s: float) -> float:
        """How many were to have it by then, in the middle of what was expected."""
        before = (self.begins_at_s, self.curve[0][2] if self.curve else 0.0)
        for time_s, _, number, _ in self.curve:
            if time_s >= at_s:
                span_s = time_s - before[0]
                return before[1] + (number - before[1]) * (max(at_s - before[0], 0.0) / span_s if span_s > 0 else 1.0)
            before = time_s, number
        return before[1]


def find_unforecast(conn: Connection) -> list[str]:
    """The ids of active packages, in no roll-out, that computers are to get, of which nothing is kept, or something of
    far fewer computers. The newest first."""
    active = select(activations.c.package_id).where(activations.c.deactivated_at_us.is_(None))
    open_ones = counters.c.state.in_(OPEN), counters.c.computers > 0, counters.c.package_id.in_(active)
    waved = set(conn.scalars(select(rollouts.c.package_id)))
    ids = [
        each for each in conn.scalars(select(counters.c.package_id).where(*open_ones).distinct()) if each not in waved
    ]
    columns = package_forecasts.c.package_id, package_forecasts.c.computers
    kept = {row.package_id: row.computers for row in conn.execute(select(*columns))}
    counted = count_computers(conn, ids)
    found = [each for each in ids if each not in kept or _all(counted[each]) > kept[each] * GROWN]
    return sorted(found, key=int, reverse=True)[:MAX_FOUND]


def question_of(conn: Connection, package_id: str, settings: Settings, now_s: float) -> DeploymentQuestion:
    """What to simulate of it from now on. Raises `NotFound`, `BadInput`."""
    begun = moment_of(now_s)
    question = Question(package_id, settings, begins_min=begun.day * DAY_MIN + begun.minute)
    counted = count_computers(conn, [package_id]).get(package_id, Counters())
    open_ones = counted.waiting + counted.notified + counted.downloading
    world = forecasts.world_of(conn, question, now_s)
    name = packages.show(conn, package_id).name
    return DeploymentQuestion(question, world, name, now_s, _all(counted), _all(counted) - open_ones)


def keep(conn: Connection, asked: DeploymentQuestion, made: Plan | str) -> None:
    """Keep what was forecast, or why nothing was, in the place of what was kept."""
    kept: dict[str, Any] = {"why": made}
    if not isinstance(made, str):
        finish_s = {share: span[1] if span else None for share, span in made.forecast.finish_s.items()}
        kept = {"agents": made.agents, "curve": made.forecast.curve, "finish_s": finish_s}
    package_id = asked.question.package_id
    values = {"begins_at_us": micros(asked.begins_at_s), "computers": asked.computers, "done": asked.done}
    conn.execute(delete(package_forecasts).where(package_forecasts.c.package_id == package_id))
    conn.execute(insert(package_forecasts).values(package_id=package_id, forecast=json.dumps(kept), **values))


def show_kept(conn: Connection, package_id: str) -> Expected | None:
    """What was expected of a package's deployment; of one in roll-outs by the newest of them. None: nothing."""
    of_rollout = _of_rollout(conn, package_id)
    if of_rollout is not None:
        return of_rollout
    row = conn.execute(select(package_forecasts).where(package_forecasts.c.package_id == package_id)).first()
    kept = {} if row is None else json.loads(row.forecast)
    if row is None or "curve" not in kept:
        return None
    begins_at_s = row.begins_at_us / 1_000_000
    curve = [
        (begins_at_s + at_s, *(row.done + share * kept["agents"] for share in shares))
        for at_s, *shares in kept["curve"]
    ]
    return Expected(begins_at_s, row.computers, curve, _moments(begins_at_s, kept["finish_s"].items()))


def _of_rollout(conn: Connection, package_id: str) -> Expected | None:
    query = select(rollouts).where(rollouts.c.package_id == package_id, rollouts.c.forecast.is_not(None))
    row = conn.execute(query.order_by(rollouts.c.id.desc()).limit(1)).first()
    kept = {} if row is None else json.loads(row.forecast)
    if row is None or "forecast" not in kept:
        return None
    begins_at_s, forecast = kept["begins_at_s"], kept["forecast"]
    mine = rollout_members.c.rollout_id == row.id
    computers = conn.scalar(select(func.count()).select_from(rollout_members).where(mine)) or 0
    return Expected(
        begins_at_s,
        computers,
        band_of(begins_at_s, forecast["agents"], forecast["curve"], forecast.get("band", ())),
        _moments(begins_at_s, forecast["finish_s"].items()),
    )


def band_of(
    begins_at_s: float, computers: int, curve: Iterable[Any], band: Iterable[Any]
) -> list[tuple[float, float, float, float]]:
    """The curve of `Expected`, of a roll-out's: `band` has the lowest and highest share at the times of `curve`, or
    nothing."""
    spans = list(band)
    found = []
    for place, (at_s, share) in enumerate(curve):
        low, high = spans[place] if place < len(spans) else (share, share)
        found.append((begins_at_s + at_s, low * computers, share * computers, high * computers))
    return found


def _moments(begins_at_s: float, finish_s: Iterable[tuple[Any, float | None]]) -> dict[int, float | None]:
    return {int(share): None if after_s is None else begins_at_s + after_s for share, after_s in finish_s}


def _all(counted: Counters) -> int:
    return sum(
        getattr(counted, name) for name in ("waiting", "notified", "downloading", "success", "failed", "archived")
    )
