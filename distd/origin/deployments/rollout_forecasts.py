"""The forecast of a whole roll-out: what is simulated of it, what is kept when it begins, and what is measured then."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, update

from distd.catalogue.rollouts_schema import rollout_members as members
from distd.catalogue.rollouts_schema import rollouts
from distd.catalogue.schema import assignments, computers, micros, package_progress
from distd.domain.rollout_state import Phase
from distd.domain.units import DAY_MIN
from distd.domain.weekly_windows import parse_windows
from distd.origin.deployments import forecasts
from distd.origin.deployments.forecasts import Question
from distd.origin.deployments.rollout_rows import count_waves, each_bytes_per_s, find_row, load, moment_of
from distd.origin.packages.counters import is_latest
from distd.simulation.records import Load, RolloutForecast, RolloutWorld, SimulatedWave, WaveForecast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from distd.domain.settings import Settings
    from distd.origin.deployments.rollout_record import RunningRollout
    from distd.simulation.world import Line

MAX_POINTS: Final = 100  # of the measured curve
NOT_BEGUN: Final = (Phase.DRAFT, Phase.AWAITING_APPROVAL)
TO_FORECAST: Final = (Phase.SCHEDULED, Phase.RUNNING)


@dataclass(frozen=True, slots=True)
class RolloutQuestion:
    """What is simulated, and when it begins: `begins_at_s`. `rollout_id`, `package_id`: of what it is."""

    rollout_id: int
    package_id: str
    begins_at_s: float
    world: RolloutWorld


@dataclass(frozen=True, slots=True)
class MeasuredRollout:
    """How it has gone, beside its forecast. `success`: computers that have the package, `expected`: that were to have
    it by now; None: nothing was forecast. `opened_s`: by wave, seconds after the beginning; None: not open. `curve`:
    (seconds, share of all that have the package). `sent_bytes`: of the package, to all computers."""

    at_s: float
    success: int
    expected: int | None
    opened_s: list[float | None]
    curve: list[tuple[float, float]]
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class RolloutPlanShown:
    """The plan of a roll-out of a package. `is_kept`: it was made when it began, at `begins_at_s`; else now. `why`: why
    there is no `forecast`. `measured` None: it has not begun."""

    rollout: str
    package_id: str
    phase: str
    computers: int
    begins_at_s: float
    is_kept: bool
    forecast: RolloutForecast | None
    why: str
    measured: MeasuredRollout | None


def question_of(
    conn: Connection, found: RunningRollout, settings: Settings, line: Line, now_s: float
) -> RolloutQuestion:
    """What to simulate of a roll-out; what has happened of it meanwhile is not looked at. Raises `BadInput` where it
    has no computers."""
    opened = found.state.waves[0].opened_at_s
    begins_at_s = opened if opened is not None else max(now_s, found.plan.start_at_s or 0.0)
    begun = moment_of(begins_at_s)
    question = Question(found.package_id, settings, line, begins_min=begun.day * DAY_MIN + begun.minute)
    query = select(*forecasts.COLUMNS, members.c.wave).join(members, members.c.computer_id == computers.c.id)
    mine = members.c.rollout_id == found.id, members.c.passed_over.is_(False)
    rows = conn.execute(query.where(*mine)).all()
    places = forecasts.places_of(conn, rows, question, now_s)
    counted = Counter((place, row.wave) for place, row in zip(places, rows, strict=True))
    known, waves = sorted(set(places)), range(len(found.plan.waves))
    counts = tuple(tuple(counted[place, wave] for wave in waves) for place in known)
    sites = tuple(forecasts.site_of(place, sum(row), line) for place, row in zip(known, counts, strict=True))
    each = each_bytes_per_s(conn, found.package_id, settings.download)
    world = RolloutWorld(
        forecasts.world_of_rows(conn, question, rows, sites),
        counts,
        tuple(SimulatedWave(wave.name, wave.success_percent, wave.after_s) for wave in found.plan.waves),
        found.plan.limits.capacity(each),
        parse_windows(found.plan.windows, "windows"),
    )
    return RolloutQuestion(found.id, found.package_id, begins_at_s, world)


def make_rollout_forecast(question: RolloutQuestion) -> RolloutForecast:
    """Simulate it: some seconds. Raises `BadInput`."""
    from distd.simulation.rollout import forecast_rollout  # here: it needs numpy, which a server does without

    return forecast_rollout(question.world)


def find_unforecast(conn: Connection) -> list[int]:
    """The ids of roll-outs that are started, and whose forecast was not made."""
    query = select(rollouts.c.id).where(rollouts.c.phase.in_(TO_FORECAST), rollouts.c.forecast.is_(None))
    return list(conn.scalars(query.order_by(rollouts.c.id)))


def keep(conn: Connection, question: RolloutQuestion, made: RolloutForecast | str) -> bool:
    """Keep the forecast of a roll-out, or why there is none; gives whether it still has that package, and none."""
    kept: dict[str, Any] = {"begins_at_s": question.begins_at_s}
    kept |= {"why": made} if isinstance(made, str) else {"forecast": asdict(made)}
    mine = rollouts.c.id == question.rollout_id, rollouts.c.package_id == question.package_id
    values = {"forecast": json.dumps(kept)}
    return bool(conn.execute(update(rollouts).where(*mine, rollouts.c.forecast.is_(None)).values(**values)).rowcount)


def show_kept(
    conn: Connection, name: str, now_s: float, counted: tuple[int, int] | None = None
) -> RolloutPlanShown | None:
    """The plan that was kept, and what is measured; None: there is none yet. `counted`: how many of its computers have
    the package, and how many there are, where that was counted just now. Raises `NotFound`."""
    row = find_row(conn, name)
    if row.forecast is None:
        return None
    kept, found = json.loads(row.forecast), load(conn, row)
    forecast = _read_forecast(kept["forecast"]) if "forecast" in kept else None
    measured = _measure(conn, found, forecast, kept["begins_at_s"], now_s, counted)
    plan = _shown(conn, found, forecast, kept["begins_at_s"], measured)
    return replace(plan, why=kept.get("why", ""), is_kept=True)


def shown(
    conn: Connection, found: RunningRollout, forecast: RolloutForecast | None, begins_at_s: float, now_s: float
) -> RolloutPlanShown:
    """A plan that is made now, and what is measured where it has begun."""
    return _shown(conn, found, forecast, begins_at_s, _measure(conn, found, forecast, begins_at_s, now_s))


def _shown(
    conn: Connection,
    found: RunningRollout,
    forecast: RolloutForecast | None,
    begins_at_s: float,
    measured: MeasuredRollout | None,
) -> RolloutPlanShown:
    computers_in_all = conn.scalar(select(func.count()).select_from(members).where(members.c.rollout_id == found.id))
    return RolloutPlanShown(
        rollout=found.name,
        package_id=found.package_id,
        phase=str(found.state.phase),
        computers=computers_in_all or 0,
        begins_at_s=begins_at_s,
        is_kept=False,
        forecast=forecast,
        why="",
        measured=measured,
    )


def _measure(
    conn: Connection,
    found: RunningRollout,
    forecast: RolloutForecast | None,
    begins_at_s: float,
    now_s: float,
    counted: tuple[int, int] | None = None,
) -> MeasuredRollout | None:
    """None: it has not begun. `counted` as of `show_kept`."""
    opened = [wave.opened_at_s for wave in found.state.waves]
    if opened[0] is None:
        return None
    if counted is None:
        waves = count_waves(conn, found, now_s)
        counted = sum(wave.success for wave in waves), sum(wave.members for wave in waves)
    success, of_all = counted
    sent = conn.scalar(select(package_progress.c.sent_bytes).where(package_progress.c.package_id == found.package_id))
    return MeasuredRollout(
        now_s,
        success,
        None if forecast is None else round(forecast.agents * _share_at(forecast, now_s - begins_at_s)),
        [None if at_s is None else round(at_s - begins_at_s, 3) for at_s in opened],
        _curve(conn, found, begins_at_s, max(of_all, 1)),
        sent or 0,
    )


def _share_at(forecast: RolloutForecast, after_s: float) -> float:
    """The share that was to have the package so long after the beginning."""
    before = (0.0, 0.0)
    for at_s, share in forecast.curve:
        if at_s >= after_s:
            span_s = at_s - before[0]
            return before[1] + (share - before[1]) * ((after_s - before[0]) / span_s if span_s > 0 else 1.0)
        before = at_s, share
    return before[1]


def _curve(conn: Connection, found: RunningRollout, begins_at_s: float, of_all: int) -> list[tuple[float, float]]:
    """By the times of the results of its computers that have the package; those that had it before it began, at 0."""
    joined = members.join(assignments, assignments.c.computer_id == members.c.computer_id)
    mine = members.c.rollout_id == found.id, assignments.c.package_id == found.package_id, is_latest()
    deployed = *mine, assignments.c.result.like("SUCCESS%"), assignments.c.result_at_us.is_not(None)
    first = micros(begins_at_s)
    is_before = assignments.c.result_at_us < first
    before = conn.scalar(select(func.count()).select_from(joined).where(*deployed, is_before)) or 0
    points = [(0.0, round(before / of_all, 6))] if before else []
    later = *deployed, assignments.c.result_at_us >= first
    last = conn.scalar(select(func.max(assignments.c.result_at_us)).select_from(joined).where(*later))
    if last is None:
        return points
    step = (last - first) // (MAX_POINTS - 1) + 1
    place = ((assignments.c.result_at_us - first) // step).label("place")
    query = select(place, func.count().label("computers")).select_from(joined).where(*later)
    counted = {row.place: row.computers for row in conn.execute(query.group_by(place.name))}
    so_far = before
    for at, more in sorted(counted.items()):
        so_far += more
        at_us = min(first + (at + 1) * step, last)
        points.append((round((at_us - first) / 1e6, 3), round(so_far / of_all, 6)))
    return points


def _read_forecast(found: Mapping[str, Any]) -> RolloutForecast:
    """Of JSON, whose names of shares are texts."""
    values = dict(found)
    values["waves"] = [WaveForecast(**wave | {"finish_s": _shares(wave["finish_s"])}) for wave in found["waves"]]
    values["finish_s"] = _shares(found["finish_s"])
    values["curve"] = [(at_s, share) for at_s, share in found["curve"]]
    values["band"] = [(low, high) for low, high in found.get("band", ())]
    values["origin"] = Load(**found["origin"])
    values |= {name: [Load(**load) for load in found[name]] for name in ("lines", "mirrors")}
    return RolloutForecast(**values)


def _shares(found: Mapping[str, float | None]) -> dict[int, float | None]:
    return {int(share): at_s for share, at_s in found.items()}
