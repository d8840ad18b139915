"""/packages/{id}/forecast: how a deployment will go by other pauses, another priority or other fragments, and what to
set to have it done in time. Each answer is simulated in another process, one at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from quart import request

from distd.domain import schedule
from distd.domain.errors import BadInput, Unavailable
from distd.domain.permissions import Act
from distd.domain.units import DAY_MIN
from distd.origin.deployments import forecasts
from distd.origin.deployments.forecasts import Plan, Question
from distd.origin.deployments.statistics import CurvePoint
from distd.origin.packages import overview
from distd.simulation.world import World
from distd.web.console.charts import curve
from distd.web.console.faults import fault_text
from distd.web.console.forecast_form import LATENCIES, TEXTS, ForecastForm, values_of
from distd.web.console.frame import current, is_fragment, page
from distd.web.console.links import address
from distd.web.console.recent import RecentAnswers
from distd.web.forecast_turns import ForecastTurns

if TYPE_CHECKING:
    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.operations.operation import Asked
    from distd.origin.packages.overview import ListedPackage
    from distd.simulation.records import Load
    from distd.web.console.forecast_form import Slider
    from distd.web.console.use_cases import UseCases

MakeForecast: TypeAlias = Callable[[World, Question, str], Awaitable[Plan]]
WORLD_KEPT_S: Final = 60.0  # to find the mirror of each of very many computers takes seconds
FORECAST_KEPT_S: Final = 120.0
KEPT: Final = ("to", "who", *TEXTS)  # of the form, when settings that were found are shown
MAX_LOADS: Final = 6  # lines, and mirrors: those with the highest peaks


class ForecastPages:
    """That page. `make_forecast(world, question, name)` simulates, which takes about a second."""

    def __init__(self, use_cases: UseCases, make_forecast: MakeForecast) -> None:
        self._use_cases = use_cases
        self._make_forecast = make_forecast
        self._worlds = RecentAnswers(WORLD_KEPT_S)
        self._plans = RecentAnswers(FORECAST_KEPT_S)
        self._turns = ForecastTurns()

    def add_to(self, app: QuartTrio) -> None:
        """Add it."""

        @app.get("/packages/<package_id>/forecast")
        async def forecast(package_id: str) -> Response:
            return await self._show(package_id, ForecastForm(dict(request.args)))

    async def _show(self, package_id: str, form: ForecastForm) -> Response:
        def read(conn: Connection, _: Asked) -> ListedPackage:
            return overview.show(conn, package_id)

        package = await self._use_cases.read(Act.DEPLOYMENTS_READ, read)
        values: dict[str, Any] = {"package": package, "form": form, "plan": None, "sliders": [], "faults": {}}
        try:
            world = await self._world(package_id, form)
            values["sliders"] = sliders = form.sliders(world)
            values |= await self._answer(package, form, world, sliders)
        except (BadInput, Unavailable) as error:
            field = str(getattr(error, "field", ""))
            known = (*TEXTS, *(slider.name for slider in values["sliders"]))
            values["faults"] = {field if field in known else "": fault_text(error)}
        status = 400 if values["faults"] else 200
        template = "forecast_result.html" if is_fragment() else "forecast.html"
        return await page(template, status, **values, latencies=LATENCIES, site_name=_site_name)

    async def _world(self, package_id: str, form: ForecastForm) -> World:
        """As it is now. Whoever names computers that have not the package assigned may see roll-outs."""
        who, line = form.who, form.line()

        def read(conn: Connection, asked: Asked) -> World:
            question = Question(package_id, asked.site.settings, line, begins_min=_minute(asked.now_s))
            if who is None:
                return forecasts.world_of(conn, question, asked.now_s)
            return forecasts.world_for(conn, question, who, asked.now_s)

        async def make() -> World:
            return await self._use_cases.read(Act.DEPLOYMENTS_READ if who is None else Act.ROLLOUTS_READ, read)

        self._use_cases.operations.demand(Act.DEPLOYMENTS_READ if who is None else Act.ROLLOUTS_READ)
        found: World = await self._turns.run(partial(self._worlds.get, (package_id, who, line), current().now_s, make))
        return found

    async def _answer(
        self, package: ListedPackage, form: ForecastForm, world: World, sliders: list[Slider]
    ) -> dict[str, Any]:
        now_s = current().now_s
        changed = form.changed(world, sliders)
        goal = form.goal(datetime.fromtimestamp(now_s)) if form.values.get("solve") else None  # noqa: DTZ006 - local
        settings = self._use_cases.operations.site().settings
        question = Question(package.id, settings, goal=goal, begins_min=changed.begins_min, is_quick=True)
        (cut,) = changed.packages
        key = (package.id, form.who, form.line(), goal, changed.config, cut)
        make = partial(self._make_forecast, changed, question, package.name)
        plan: Plan = await self._turns.run(partial(self._plans.get, key, now_s, make))
        expected = [
            (now_s + at_s, low * plan.agents, middle * plan.agents, high * plan.agents)
            for at_s, low, middle, high in plan.forecast.curve
        ]
        begin = [CurvePoint(now_s, plan.agents, 0, 0, 0)]
        found: dict[str, Any] = {
            "plan": plan,
            "cut": cut,
            "curve": curve(begin, (), now_s, expected) if expected else None,
            "loads": [("origin", plan.forecast.origin), *_most("line", plan.forecast.lines)],
            "goal": goal,
            "package_hours": changed.prolog_freq_h,
            "config": changed.config,
            "no_turn": schedule.gets_no_turn(cut.priority, changed.config),
        }
        found["loads"] += _most("mirror", plan.forecast.mirrors)
        if plan.answer is not None:
            kept = {name: text for name, text in form.values.items() if name in KEPT}
            found["use_link"] = address(request.path, kept | values_of(plan.answer.config, plan.answer))
        return found


def _site_name(name: str) -> str:
    """A site of a forecast, in the language of the request: a subnet, and the server that its computers get."""
    text = current().language.text
    subnet, _, mirror = name.partition(" by ")
    place = text("elsewhere") if subnet == forecasts.OTHER else subnet
    return text("{place}, by {mirror}", place=place, mirror=mirror) if mirror else place


def _most(kind: str, loads: list[Load]) -> list[tuple[str, Load]]:
    """Those that carry something, by their peaks."""
    return [(kind, load) for load in sorted(loads, key=lambda load: -load.peak_bytes_per_s)[:MAX_LOADS] if load.bytes]


def _minute(now_s: float) -> int:
    local = datetime.fromtimestamp(now_s)  # noqa: DTZ006 - as rules for lines are
    return local.weekday() * DAY_MIN + local.hour * 60 + local.minute
