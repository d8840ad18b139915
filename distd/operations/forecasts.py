"""How a package's deployment, or a whole roll-out, will go. The API has routes of its own for it, which make it in
another process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from distd.domain.permissions import Act
from distd.domain.units import DAY_MIN
from distd.operations.operation import Operation, Way
from distd.origin.deployments import forecasts, rollout_forecasts
from distd.origin.deployments.forecasts import Plan, Question
from distd.origin.deployments.rollout_forecasts import RolloutPlanShown
from distd.origin.deployments.rollout_rows import find_row, load
from distd.origin.packages import packages
from distd.simulation.world import Line
from distd.simulation.world_text import read_goal
from distd.wire.query import parameter

if TYPE_CHECKING:
    from distd.domain.settings import Settings
    from distd.operations.operation import Asked


@dataclass
class PlanQuery:
    """The goal, and the line, as the options of `distd plan`."""

    by: str | None = parameter("when it is to be done: fri 18:00, 2026-11-27 18:00, or 3d from now")
    share: str = parameter("of how many computers", default="95%")
    most: str | None = parameter("what the line of a site may carry at most, such as 4Mbit/s")
    line: str = parameter("rules for the line of each site, as `bandwidth.rules` has them for the server", default="")


def question_of(package_id: str, query: PlanQuery, settings: Settings, now: datetime) -> Question:
    """What is to be forecast. Raises `BadInput`. `now` is local."""
    return Question(
        package_id=package_id,
        settings=settings,
        line=Line.read(query.line, "line"),
        goal=read_goal(query.by, query.share, query.most, now),
        begins_min=now.weekday() * DAY_MIN + now.hour * 60 + now.minute,
    )


def _plan(asked: Asked, package_id: str, query: PlanQuery) -> Plan:
    now = datetime.fromtimestamp(asked.now_s)  # noqa: DTZ006 - "fri 18:00" is local
    question = question_of(package_id, query, asked.site.settings, now)
    with asked.site.catalogue.read() as conn:
        name = packages.show(conn, package_id).name
        world = forecasts.world_of(conn, question, asked.now_s)
    return forecasts.forecast(world, question, name)


PLAN: Final = Operation(
    "plan",
    "GET",
    "/packages/{package_id}/plan",
    "How a package's deployment will go; with `by`, also what to set to have it done by then.",
    Plan,
    _plan,
    Act.DEPLOYMENTS_READ,
    Way.WORK,
    query=PlanQuery,
    elsewhere=True,
)


@dataclass
class RolloutPlanQuery:
    """What the lines of sites carry."""

    line: str = parameter("rules for the line of each site, as `bandwidth.rules` has them for the server", default="")


def _plan_rollout(asked: Asked, rollout: str, query: RolloutPlanQuery) -> RolloutPlanShown:
    settings, line = asked.site.settings, Line.read(query.line, "line")
    with asked.site.catalogue.read() as conn:
        kept = rollout_forecasts.show_kept(conn, rollout, asked.now_s)
        if kept is not None:
            return kept
        found = load(conn, find_row(conn, rollout))
        question = rollout_forecasts.question_of(conn, found, settings, line, asked.now_s)
    made = rollout_forecasts.make_rollout_forecast(question)
    with asked.site.catalogue.read() as conn:
        return rollout_forecasts.shown(conn, found, made, question.begins_at_s, asked.now_s)


ROLLOUT_PLAN: Final = Operation(
    "plan_rollout",
    "GET",
    "/rollouts/{rollout}/plan",
    """How a whole roll-out will go: when its waves open, when computers are done, what each line carries.

    It is made now, where nothing fails, until the roll-out begins; from then on it is the one that was kept, beside
    what is measured.""",
    RolloutPlanShown,
    _plan_rollout,
    Act.ROLLOUTS_READ,
    Way.WORK,
    query=RolloutPlanQuery,
    elsewhere=True,
)
ALL: Final = (PLAN, ROLLOUT_PLAN)
