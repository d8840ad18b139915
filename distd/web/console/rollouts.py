"""The pages of roll-outs: the list, a new one, and one with its waves, what operators do to it, and what it decided."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from quart import redirect, request

from distd.domain.errors import BadInput, Conflict
from distd.domain.page import Window
from distd.domain.permissions import Act
from distd.domain.rollout_acts import ALLOWED, DELETABLE
from distd.domain.rollout_plan import DEFAULT_SUCCESS_PERCENT, MAX_WAVES, WaveBy, WavePlan, parse_wave
from distd.domain.rollout_state import ENDED, Phase, RolloutAct
from distd.operations import rollouts as operations
from distd.operations.rollouts import (
    RolloutHaltsRequest,
    RolloutLimitsRequest,
    RolloutQuery,
    RolloutRequest,
    RolloutTarget,
    WaveRequest,
)
from distd.origin.deployments import rollout_forecasts, rollouts
from distd.origin.deployments.package_forecasts import Expected, band_of
from distd.origin.deployments.statistics import CurvePoint
from distd.origin.operators import events
from distd.origin.operators.events import Wanted, read_kinds
from distd.origin.packages import overview
from distd.origin.packages.overview import WantedPackages
from distd.origin.packages.packages import names_of
from distd.web.console.charts import curve
from distd.web.console.faults import fault_text
from distd.web.console.frame import current, is_fragment, now_s, page
from distd.web.console.links import address, of_deployment, of_forecast, of_rollout
from distd.web.console.recent import RecentAnswers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from quart_trio import QuartTrio
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as PlainResponse

    from distd.origin.deployments.rollout_forecasts import RolloutPlanShown
    from distd.origin.deployments.rollouts import Rollout
    from distd.origin.operators.events import LoggedEvent
    from distd.web.console.operations import ConsoleOperations

PATH: Final = "/rollouts"
PAGE_SIZE: Final = 50
MAX_PACKAGES: Final = 1000  # that can be chosen from, the newest
MAX_DECISIONS: Final = 30
COUNTED_KEPT_S: Final = 4.0  # a page that is open asks every five
DECIDED_KEPT_S: Final = 60.0  # decisions have another revision
MAX_SEARCHED: Final = 300  # events of roll-outs of the package, among which its own are
# What can be done, the most likely first.
ACTS: Final = (
    *(RolloutAct.START, RolloutAct.APPROVE, RolloutAct.PAUSE, RolloutAct.RESUME, RolloutAct.OPEN_WAVE),
    *(RolloutAct.STOP, RolloutAct.ROLL_BACK),
)
KINDS: Final = ("filter", "group", "tag")  # of whom it is for; "": all computers
NUMBERS: Final = ("success_percent", "error_percent", "stalled_percent", "at_once", "retries")


class RolloutPages:
    """/rollouts and what is below it."""

    def __init__(self, asked: ConsoleOperations) -> None:
        self._asked = asked
        self._shown = RecentAnswers(COUNTED_KEPT_S)
        self._planned = RecentAnswers(COUNTED_KEPT_S)
        self._decided = RecentAnswers(DECIDED_KEPT_S)

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get(PATH)
        async def list_rollouts() -> Response:
            query = RolloutQuery(PAGE_SIZE, request.args.get("cursor") or None)
            found = await self._asked.do(operations.LIST, given=query)
            ids, link = {each.package_id for each in found.items}, partial(address, PATH, {})
            return await page(
                "rollouts.html",
                found=found,
                names=await self._asked.reader.run(partial(names_of, package_ids=ids)),
                next=link(cursor=found.next) if found.next else "",
                first=link() if query.cursor else "",
                link_of=of_rollout,
            )

        @app.get(f"{PATH}/new")
        async def new_rollout() -> Response:
            self._asked.demand(Act.ROLLOUTS_WRITE)
            rest = current().language.text("rest")
            return await self._form({"waves": f"5\n10%\n{rest}"} | request.args)

        @app.post(f"{PATH}/new")
        async def create_rollout() -> Response | PlainResponse:
            return await self._create(await request.form)

        @app.get(f"{PATH}/<int:rollout_id>")
        async def rollout(rollout_id: int) -> Response:
            return await self._show(rollout_id)

        @app.post(f"{PATH}/<int:rollout_id>/<act>")
        async def act_on_rollout(rollout_id: int, act: str) -> Response | PlainResponse:
            try:
                if act == "delete":
                    await self._asked.do(operations.DELETE, str(rollout_id))
                    return redirect(PATH, 303)
                await self._asked.do(operations.ACTS[RolloutAct(act)], str(rollout_id))
            except Conflict as error:
                return await self._show(rollout_id, fault_text(error), 409)
            except ValueError:
                raise BadInput("act", f"one of {', '.join(RolloutAct)}", act) from None
            return redirect(of_rollout(rollout_id), 303)

    async def _form(
        self, values: Mapping[str, str], tried: Rollout | None = None, error: BadInput | Conflict | None = None
    ) -> Response:
        packages = await self._asked.reader.run(
            partial(overview.list_packages, wanted=WantedPackages(None, True), window=Window(MAX_PACKAGES))
        )
        status = 200 if error is None else 409 if isinstance(error, Conflict) else 400
        place = "" if error is None else "waves" if error.field.startswith("waves") else error.field
        faults = {} if error is None else {place: fault_text(error)}
        return await page(
            "rollout_new.html", status, values=values, packages=packages.items, tried=tried, faults=faults
        )

    async def _create(self, form: Mapping[str, str]) -> Response | PlainResponse:
        """Without `step` it is only tried."""
        package_id, kept = form.get("package", ""), {name: form.get(name, "").strip() for name in ("to", "who")}
        if form.get("step") == "forecast" and package_id.isdecimal():
            return redirect(f"{of_forecast(package_id)}?{urlencode(kept)}", 303)
        try:
            made = await self._asked.do(operations.CREATE, given=_request(form))
        except (BadInput, Conflict) as error:
            return await self._form(form, error=error)
        if form.get("step") != "do":
            return await self._form(form, made)
        return redirect(of_rollout(made.id), 303)

    async def _find(self, rollout_id: int) -> tuple[int, Rollout]:
        """Its revision, and itself. Who looks at the same roll-out shares for some seconds what was counted, until it
        is acted on."""
        self._asked.demand(operations.SHOW.act)
        revision = await self._asked.reader.run(partial(rollouts.revision_of, name=str(rollout_id)))
        make = partial(self._asked.do, operations.SHOW, str(rollout_id))
        found: Rollout = await self._shown.get((rollout_id, revision), current().now_s, make)
        return revision, found

    async def _show(self, rollout_id: int, fault: str = "", status: int = 200) -> Response:
        revision, found = await self._find(rollout_id)
        phase = Phase(found.phase)
        counted = sum(wave.success for wave in found.waves), sum(wave.members for wave in found.waves)
        read = partial(rollout_forecasts.show_kept, name=str(rollout_id), now_s=now_s(), counted=counted)
        key = rollout_id, revision
        planned = await self._planned.get(key, now_s(), partial(self._asked.reader.run, read))
        decided = partial(self._asked.reader.run, partial(_decisions, found=found))
        return await page(
            "rollout_live.html" if is_fragment() else "rollout.html",
            status,
            rollout=found,
            path=of_rollout(found.id),
            names=await self._asked.reader.run(partial(names_of, package_ids=_packages_of(found))),
            acts=_acts(found),
            is_deletable=phase in DELETABLE,
            is_going_on=phase not in (Phase.DRAFT, Phase.FINISHED, Phase.STOPPED),
            decisions=await self._decided.get(key, now_s(), decided),
            figures_of=figures_of,
            **_progress_values(planned),
            deployment=of_deployment(found.package_id),
            fault=fault,
        )


DECISIONS: Final = (
    *("CREATED", "APPROVED", "STARTED", "JOINED", "WAVE_OPENED", "ASSIGNED", "RETRIED", "RECALLED", "PAUSED"),
    *("RESUMED", "HALTED", "STOPPED", "FINISHED", "ROLLED_BACK", "RESTARTED", "CHANGED"),
)
_HIDDEN: Final = ("rollout", "name")


def _progress_values(planned: RolloutPlanShown | None) -> dict[str, Any]:
    """What is measured of a roll-out that has begun, beside what was kept of its plan."""
    measured = None if planned is None else planned.measured
    if planned is None or measured is None:
        return {"curve": None, "measured": None, "expected": None}
    begins_at_s, forecast, expected = planned.begins_at_s, planned.forecast, None
    if forecast is not None:
        finish_at_s = {share: at_s and begins_at_s + at_s for share, at_s in forecast.finish_s.items()}
        band = band_of(begins_at_s, forecast.agents, forecast.curve, forecast.band)
        expected = Expected(begins_at_s, forecast.agents, band, finish_at_s)
    shares = [(0.0, 0.0), *measured.curve]
    points = [
        CurvePoint(begins_at_s + at_s, planned.computers, 0, round(share * planned.computers), 0)
        for at_s, share in shares
    ]
    is_open = planned.phase not in ENDED
    end_s = measured.at_s if is_open else points[-1].at_s
    drawn = curve(points, ("success",), end_s, expected.curve if expected else (), goes_on=is_open)
    return {"curve": drawn, "measured": measured, "expected": expected}


def _packages_of(found: Rollout) -> set[str]:
    return {found.package_id, str(found.plan.get("roll_back_to") or found.package_id)}


def _acts(found: Rollout) -> list[RolloutAct]:
    """What can be done to it now."""
    impossible = set[RolloutAct]()
    if found.opened == len(found.waves):
        impossible.add(RolloutAct.OPEN_WAVE)
    if not found.plan.get("roll_back_to"):
        impossible.add(RolloutAct.ROLL_BACK)
    if not found.plan.get("approval") or found.approved_by:
        impossible.add(RolloutAct.APPROVE)
    return [act for act in ACTS if found.phase in ALLOWED[act] and act not in impossible]


def _decisions(conn: Connection, found: Rollout) -> list[LoggedEvent]:
    kinds = read_kinds(tuple(f"ROLLOUT_{each}" for each in DECISIONS), "kind")
    logged = events.latest(conn, Wanted(package_id=found.package_id, kinds=kinds), MAX_SEARCHED)
    return [each for each in logged if each.detail.get("rollout") == found.id][:MAX_DECISIONS]


def figures_of(event: LoggedEvent) -> dict[str, Any]:
    """What a decision rests on; what is 0 says nothing."""
    return {name: value for name, value in event.detail.items() if value and name not in _HIDDEN}


def _request(form: Mapping[str, str]) -> RolloutRequest:
    """Raises `BadInput`."""
    numbers = {name: _number(form, name) for name in NUMBERS}
    success = numbers["success_percent"]
    default = WavePlan(WaveBy.REST, success_percent=DEFAULT_SUCCESS_PERCENT if success is None else success)
    lines = [line.strip() for line in form.get("waves", "").splitlines() if line.strip()]
    if not 1 <= len(lines) <= MAX_WAVES:
        raise BadInput("waves", f"1 to {MAX_WAVES} waves, one in a line", f"{len(lines)}")
    waves = [parse_wave(line, "waves", default) for line in lines]
    kind, name = form.get("to", ""), form.get("who", "").strip()
    if kind and (not name or kind not in KINDS):
        raise BadInput("who", "a search, a group or a TAG", "nothing")
    package = form.get("package", "")
    if not package.isdecimal():
        raise BadInput("package", "a package", "nothing")
    return RolloutRequest(
        form.get("name", "").strip(),
        package,
        to=RolloutTarget(**{kind: name}) if kind else RolloutTarget(),
        waves=tuple(WaveRequest(**asdict(wave)) for wave in waves),
        limits=RolloutLimitsRequest(numbers["at_once"]),
        halts=RolloutHaltsRequest(numbers["error_percent"], numbers["stalled_percent"]),
        start_at=form.get("start_at", "").strip() or None,
        windows=form.get("windows", "").strip(),
        dynamic=form.get("dynamic") == "yes",
        approval=form.get("approval") == "yes",
        retries=numbers["retries"] or 0,
        roll_back_to=form.get("roll_back_to") or None,
        dry_run=form.get("step") != "do",
    )


def _number(form: Mapping[str, str], name: str) -> int | None:
    """None: nothing was given."""
    text = form.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal() or len(text) > 6:
        raise BadInput(name, "a number", text)
    return int(text)
