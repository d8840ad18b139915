"""The page of a package's deployment, live: how many computers are where, since when, and what keeps the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from quart import Response, request

from distd.domain.diagnosis.causes import CauseKind
from distd.domain.diagnosis.wording import DIAGNOSIS_LANGUAGES
from distd.domain.filters.patterns import escape
from distd.domain.filters.render import quote as quote_text
from distd.domain.page import read_window
from distd.domain.permissions import Act
from distd.domain.results import class_of
from distd.origin.deployments import diagnoses, live_progress, package_forecasts, result_list
from distd.origin.deployments.diagnosis_facts import read_context
from distd.origin.deployments.statistics import COUNTS, KINDS, OTHERS, show_statistics
from distd.origin.packages import overview
from distd.web.console.charts import curve, ring
from distd.web.console.frame import current, page
from distd.web.console.links import address, of_computer, of_deployment
from distd.web.console.recent import RecentAnswers

if TYPE_CHECKING:
    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.domain.page import Page
    from distd.operations.operation import Asked
    from distd.origin.deployments.diagnoses import CauseGroup, ToldCause
    from distd.origin.deployments.live_progress import LiveProgress, ServerRate
    from distd.origin.deployments.package_forecasts import Expected
    from distd.origin.deployments.result_list import Result
    from distd.origin.deployments.statistics import PackageStatistics
    from distd.origin.packages.overview import ListedPackage
    from distd.web.console.use_cases import UseCases

PAGE_SIZE: Final = 50
AT_ONCE: Final = 2000  # computers up to which a page comes whole; of more its slow parts come afterwards
COUNTERS_KEPT_S: Final = 2.0  # pages that are open ask every five
NUMBERS_KEPT_S: Final = 15.0
CAUSES_KEPT_S: Final = 60.0
FRESH: Final = 4  # intervals of events about progress, after which the last one says nothing of now
MAX_JUDGED: Final = 1000  # computers without a result of which the causes are looked for
MAX_EXPLAINED: Final = 4  # causes with an example
DRAWN: Final = ("success", "failed", "notified")
CODE_LOOKS: Final = {
    "PROGRESS": "notified",
    "SUCCESS": "success",
    "ALREADY_THERE": "success",
    "ERROR": "failed",
    "USER_CHOICE": "warn",
    "TOO_LATE": "warn",
    "CANCELLED": "archived",
}
# The causes that pass by themselves, and those that are none.
GOES_ON: Final = frozenset(
    str(kind)
    for kind in (
        *(CauseKind.NO_CONTACT_SINCE, CauseKind.LISTED_NEXT, CauseKind.ON_SCHEDULE, CauseKind.FIRST_TURN),
        *(CauseKind.ALL_FETCHED, CauseKind.TOO_EARLY, CauseKind.SCHEDULED, CauseKind.PLANNED, CauseKind.BUSY_CHILD),
        *(CauseKind.WAITS_FOR_PACKAGE, CauseKind.LINE_FULL, CauseKind.NOT_JUDGED, CauseKind.PRIORITY_ZERO),
        *(CauseKind.WITHDRAWN_TOLD, CauseKind.CANCELLED_TOLD, CauseKind.FETCHED_UNNAMED, CauseKind.ELSEWHERE),
    )
)
ENDED_WELL: Final = frozenset((str(CauseKind.SUCCEEDED), str(CauseKind.ARCHIVED)))
# The field of filters for each kind of share.
SHARE_FIELDS: Final = {"tag": "tag", "group": "group", "subnet": "subnet", "os": "os", "agent": "agent"}


@dataclass(frozen=True, slots=True)
class ShownCause:
    """A group of computers, with the causes of one of them and what to do. `to_do`: it does not pass by itself."""

    group: CauseGroup
    text: str
    to_do: bool
    advice: str
    example: ToldCause | None = None


@dataclass(frozen=True, slots=True)
class DeploymentNow:
    """What changes all the time. `progress` None: nothing was sent."""

    package: ListedPackage
    progress: LiveProgress | None


@dataclass(frozen=True, slots=True)
class DeploymentNumbers:
    """What takes longer. `expected` None: nothing was forecast."""

    statistics: PackageStatistics
    expected: Expected | None
    rates: list[ServerRate]


class DeploymentPages:
    """/packages/{id}/deployment and the parts of it that come by themselves."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases
        self._packages = RecentAnswers(COUNTERS_KEPT_S)
        self._numbers = RecentAnswers(NUMBERS_KEPT_S)
        self._causes = RecentAnswers(CAUSES_KEPT_S)

    def add_to(self, app: QuartTrio) -> None:
        """Add the pages."""

        @app.get("/packages/<package_id>/deployment")
        async def deployment(package_id: str) -> Response:
            return await self._show(package_id)

        @app.get("/packages/<package_id>/deployment/live")
        async def deployment_now(package_id: str) -> Response:
            self._use_cases.operations.demand(Act.STATISTICS_READ)
            recent = self._packages.get(package_id, current().now_s, partial(self._package, package_id))
            values = _of_counters(await recent)
            if request.args.get("seen") == values["seen"]:
                return Response("", 204)
            return await page("deployment_live.html", **values)

        @app.get("/packages/<package_id>/deployment/numbers")
        async def deployment_numbers(package_id: str) -> Response:
            now = await self._package(package_id)
            return await page("deployment_numbers.html", **await self._number_values(now.package))

        @app.get("/packages/<package_id>/deployment/causes")
        async def deployment_causes(package_id: str) -> Response:
            package = (await self._package(package_id)).package
            return await page("deployment_causes.html", package=package, causes=await self._cause_values(package_id))

        @app.get("/packages/<package_id>/deployment/computers")
        async def deployment_computers(package_id: str) -> Response:
            values = _of_counters(await self._package(package_id)) | await self._row_values(package_id)
            return await page("deployment_computers.html", **values)

    async def _package(self, package_id: str) -> DeploymentNow:
        def read(conn: Connection, asked: Asked) -> DeploymentNow:
            package, fresh_s = overview.show(conn, package_id), FRESH * asked.site.settings.events.progress_s
            return DeploymentNow(package, live_progress.show_live(conn, package_id, fresh_s, asked.now_s))

        return await self._use_cases.read(Act.STATISTICS_READ, read)

    async def _show(self, package_id: str) -> Response:
        now = await self._package(package_id)
        values = _of_counters(now)
        is_whole = values["total"] <= AT_ONCE or request.args.get("full") == "yes"
        is_listed = is_whole or "state" in request.args or "cursor" in request.args
        values |= await self._number_values(now.package) if is_whole else {}
        values |= await self._row_values(package_id) if is_listed else {}
        return await page(
            "deployment.html",
            **values,
            causes=await self._cause_values(package_id) if is_whole else None,
            is_whole=is_whole,
            is_listed=is_listed,
            whole_link=address(of_deployment(package_id), {"full": "yes"}),
            said=_said(),
        )

    async def _row_values(self, package_id: str) -> dict[str, Any]:
        """For deployment_computers.html."""
        states = result_list.read_states([text for text in request.args.getlist("state") if text], "state")
        window = read_window(PAGE_SIZE, request.args.get("cursor") or None, result_list.PLACE)

        def read(conn: Connection, asked: Asked) -> Page[Result]:
            return result_list.results(conn, package_id, states, window, actor=asked.actor)

        rows = await self._use_cases.read(Act.DEPLOYMENTS_READ, read)
        kept = {"state": [str(state) for state in states], "by": request.args.get("by", "")}
        link = partial(address, of_deployment(package_id), kept)
        return {
            "rows": rows,
            "wanted_state": str(states[0]) if len(states) == 1 else "",
            "link": link,
            "next": link(cursor=rows.next) if rows.next else "",
            "first": link() if window.place is not None else "",
            "computer_link": of_computer,
        }

    async def _number_values(self, package: ListedPackage) -> dict[str, Any]:
        """For deployment_numbers.html."""
        now_s, by = current().now_s, request.args.get("by", "")

        def read(conn: Connection, asked: Asked) -> DeploymentNumbers:
            expected = package_forecasts.show_kept(conn, package.id)
            rates = live_progress.list_rates(conn, package.id, asked.now_s)
            return DeploymentNumbers(show_statistics(conn, package.id), expected, rates)

        async def make() -> DeploymentNumbers:
            return await self._use_cases.read(Act.STATISTICS_READ, read)

        numbers: DeploymentNumbers = await self._numbers.get(package.id, now_s, make)
        found, expected = numbers.statistics, numbers.expected
        by = by if by in KINDS else KINDS[0]
        is_open = found.waiting + found.notified + found.downloading
        last_s = found.curve[-1].at_s if found.curve else now_s
        foreseen = expected.curve if expected else ()
        return {
            "package": package,
            "found": found,
            "curve": curve(found.curve, DRAWN, now_s if is_open else last_s, foreseen, goes_on=is_open > 0),
            "expected": expected,
            "expected_now": round(expected.number_at(now_s)) if expected and is_open else None,
            "rates": numbers.rates,
            "drawn": DRAWN,
            "by": by,
            "kinds": KINDS,
            "shares": getattr(found, f"by_{by}"),
            "others": OTHERS,
            "share_link": partial(_share_link, package.id, by),
            "by_link": lambda kind: address(of_deployment(package.id), {"by": kind}),
            "code_look": lambda code: CODE_LOOKS[class_of(code)],
        }

    async def _cause_values(self, package_id: str) -> list[ShownCause]:
        frame, code = current(), current().language.code

        def read(conn: Connection, asked: Asked) -> list[ShownCause]:
            return _read_causes(conn, asked, package_id, code)

        async def make() -> list[ShownCause]:
            return await self._use_cases.read(Act.STATISTICS_READ, read)

        found: list[ShownCause] = await self._causes.get((package_id, code), frame.now_s, make)
        return found


def _read_causes(conn: Connection, asked: Asked, package_id: str, code: str) -> list[ShownCause]:
    context = read_context(asked.site.data, asked.site.settings)
    texts = DIAGNOSIS_LANGUAGES[code].texts
    explained, found = 0, []
    for group in diagnoses.group_by_cause(conn, context, package_id, asked.now_s, code, MAX_JUDGED):
        if group.kind in ENDED_WELL:
            continue
        text = group.sentence.partition(" ")[2]
        advice = texts[CauseKind(group.kind)].advice
        example = None
        to_do = group.kind not in GOES_ON
        if group.examples and explained < MAX_EXPLAINED:
            explained += 1
            causes = diagnoses.why(conn, context, group.examples[0], package_id, asked.now_s)
            (example,) = diagnoses.tell(causes[:1], code) or (None,)
        found.append(ShownCause(group, text[:1].upper() + text[1:], to_do, "" if "{" in advice else advice, example))
    return sorted(found, key=lambda cause: not cause.to_do)


def _of_counters(now: DeploymentNow) -> dict[str, Any]:
    """For deployment_live.html. `seen` says by itself whether anything has changed."""
    package, progress = now.package, now.progress
    told = (progress.fragments, round(progress.bytes_per_s), progress.stalled or 0) if progress else ()
    counts = {name: getattr(package, name) for name in COUNTS}
    in_order = {name: counts[name] for name in ("success", "downloading", "notified", "waiting", "failed", "archived")}
    return {
        "package": package,
        "counts": in_order,
        "total": sum(counts.values()),
        "ring": ring(in_order),
        "progress": progress,
        "seen": "-".join(str(number) for number in (*counts.values(), package.unproven, int(package.active), *told)),
    }


def _share_link(package_id: str, by: str, name: str, state: str = "") -> str:
    """The computers of a share, by a filter; "": there is none for it."""
    field = SHARE_FIELDS.get(by)
    if field is None or name == OTHERS:
        return ""
    of_it = f"{field} = {quote_text(name)}" if name else f"{field} is empty"
    if by == "group":
        of_it = f"group({quote_text(escape(name))})"
    return address("/computers", {"filter": f"{of_it} and package({package_id}){f' = {state}' if state else ''}"})


def _said() -> str:
    """What was done on the page before."""
    number, text = request.args.get("n", ""), current().language
    count = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else 0
    match request.args.get("said"):
        case "assigned":
            return text.plural("Assigned to {number} computer.", "Assigned to {number} computers.", count)
        case "archive":
            return text.plural("{number} result validated.", "{number} results validated.", count)
        case "unassign":
            return text.plural("{number} computer unassigned.", "{number} computers unassigned.", count)
        case "renotify":
            return text.plural("{number} computer is notified again.", "{number} computers are notified again.", count)
        case "cancel":
            return text.plural("Cancelled on {number} computer.", "Cancelled on {number} computers.", count)
    return ""
