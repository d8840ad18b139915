"""The API's acts on assignments: assign, archive, unassign, notify again, cancel; and the statistics of a package."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta
from quart import Response, request
from quart_schema import document_response

from distd.domain.assignment_terms import BY_HAND, AssignmentOrigin, OriginKind, Terms, read_moment, read_schedule
from distd.domain.errors import BadInput
from distd.origin.deployments import acts, assignments, choices
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.deployments.result_list import read_states
from distd.origin.deployments.statistics import PackageStatistics, rows_of, show_statistics
from distd.web.api.auth import acting_operator, for_operators
from distd.web.api.bodies import read_json
from distd.web.api.description import answers
from distd.wire.structs import convert

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart_trio import QuartTrio
    from sqlalchemy import Connection

    from distd.catalogue.reader import Reader
    from distd.catalogue.writer import Writer
    from distd.domain.actor import Actor
    from distd.domain.settings import Settings
    from distd.origin.deployments.assignments import Assigned

CSV: Final = "text/csv"
MAX_ITEMS: Final = 1000  # of an answer
Names = Annotated[list[str], Meta(min_length=1, max_length=10_000)]
Text = Annotated[str, Meta(max_length=500)]


class AssignmentTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either DEVICEIDs of computers, or all with such a tag (? is one character, * are several)."""

    computers: Names | None = None
    tag: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class NewAssignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package (its id) for computers. `force`: also where the agent has it in its history; `any_os`: also on other
    systems. Times as "fri 18:00", "2026-12-01 18:00" or "2h"; empty: none. Windows agents keep `schedule` and
    `postcmd`, the server keeps the others: `after` is the id of a package that must be deployed first. `skip_unfit`:
    pass over computers that cannot take it. `dry_run`: only tell what would be done."""

    package: Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
    to: AssignmentTarget
    force: bool = False
    any_os: bool = False
    schedule: Text = ""
    postcmd: Annotated[str, Meta(max_length=4096)] = ""
    not_before: Text | None = None
    not_after: Text | None = None
    after: Annotated[str, Meta(pattern="^[0-9]{1,20}$")] | None = None
    skip_unfit: bool = False
    dry_run: bool = False


class ActRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Assignments in one of these states, with one of these result codes, on one of these computers: of each that is
    given, at least one. `force` is for renotify. `dry_run`: only tell for how many it would be."""

    states: Annotated[list[str], Meta(min_length=1, max_length=6)] | None = None
    codes: Annotated[list[Text], Meta(min_length=1, max_length=100)] | None = None
    computers: Names | None = None
    force: bool = False
    dry_run: bool = False


@dataclass
class AssignmentItem:
    """What became of a computer: ASSIGNED, ALREADY (it has the package) or SKIPPED. `reason`: why it cannot take it."""

    device_id: str
    outcome: str
    reason: str | None
    detail: str


@dataclass
class AssignmentOutcome:
    """How many computers were assigned the package, had it already, were skipped; `doubtful`: of those assigned, the
    ones that cannot take it. `reasons`: how many cannot, by the reason. `refusal`: why what was only tried would be
    refused. `items`: the first 1,000, those that were not assigned before the others."""

    dry_run: bool
    assigned: int
    already: int
    skipped: int
    doubtful: int
    reasons: dict[str, int]
    refusal: str | None
    items: list[AssignmentItem]


@dataclass
class ActOutcome:
    """How many computers an act was for, and the first 1,000 DEVICEIDs. `passed_over`: of those named, the ones in no
    state that it is for; `elsewhere`: that fetch from a redistribution server, where it has no effect."""

    act: str
    dry_run: bool
    computers: int
    passed_over: int
    elsewhere: int
    items: list[str]


class DeploymentActRoutes:
    """`settings()` are the present ones."""

    def __init__(self, reader: Reader, writer: Writer, settings: Callable[[], Settings]) -> None:
        self._reader = reader
        self._writer = writer
        self._settings = settings

    def add_to(self, app: QuartTrio) -> None:
        """Add the routes."""

        @app.post("/api/v1/assignments")
        @for_operators
        @answers(AssignmentOutcome, body=NewAssignment, problems=(400, 404, 409, 413, 415))
        async def assign() -> Any:
            """Assign a package to computers: to all of them, or, where one is refused, to none.

            Those that have it already, assigned or deployed, are passed over; with `force` those only that have no
            result yet."""
            wanted = convert(await read_json(), NewAssignment, "body")
            give = partial(self._assign, wanted=wanted, actor=acting_operator(), now_s=time.time())
            done = await (self._reader.run(give) if wanted.dry_run else self._writer.run(give))
            return _outcome(done, dry_run=wanted.dry_run)

        for name, act in acts.ACTS.items():
            self._add_act(app, name, act)

        @app.get("/api/v1/packages/<package_id>/statistics")
        @for_operators
        @document_response(PackageStatistics)
        @answers(also={CSV: "One table of all numbers, for spreadsheets."})
        async def show_package_statistics(package_id: str) -> Any:
            """How many computers are where with a package: by state, code, time, tag, subnet and more."""
            found = await self._reader.run(partial(show_statistics, package_id=package_id))
            return Response(_csv(found), content_type=CSV) if CSV in request.headers.get("Accept", "") else found

    def _add_act(self, app: QuartTrio, name: str, act: Callable[..., acts.ActDone]) -> None:
        async def run_act(package_id: str) -> Any:
            wanted = convert(await read_json(), ActRequest, "body")
            if wanted.states is None and wanted.codes is None and wanted.computers is None:
                raise BadInput("states", "states, codes or computers", "none of them")
            if wanted.force and name != "renotify":
                raise BadInput("force", "only for renotify", True)
            states = read_states(wanted.states or (), "states")
            chosen = ChosenAssignments(states, wanted.codes or (), wanted.computers)
            more = {"force": True} if wanted.force else {}
            run = partial(
                act,
                actor=acting_operator(),
                package_id=package_id,
                chosen=chosen,
                now_s=time.time(),
                dry_run=wanted.dry_run,
                **more,
            )
            done = await (self._reader.run(run) if wanted.dry_run else self._writer.run(run))
            items = done.computers[:MAX_ITEMS]
            return ActOutcome(name, done.dry_run, len(done.computers), done.passed_over, done.elsewhere, items)

        run_act.__name__ = f"{name}_assignments"
        run_act.__doc__ = _TEXTS[name]
        described = answers(ActOutcome, body=ActRequest, problems=(400, 409, 413, 415))(run_act)
        app.post(f"/api/v1/packages/<package_id>/{name}")(for_operators(described))

    def _assign(self, conn: Connection, wanted: NewAssignment, actor: Actor, now_s: float) -> Assigned:
        device_ids, origin = _chosen(conn, wanted.to)
        config = self._settings().download
        asked = AssignmentRequest(
            wanted.package,
            device_ids,
            _terms(wanted, now_s),
            origin,
            skip_had=True,
            skip_unfit=wanted.skip_unfit,
            config_of=lambda _: config,
        )
        if wanted.dry_run:
            return assignments.preview(conn, asked, now_s)
        return assignments.assign(conn, actor, asked, now_s)


_TEXTS: Final = {
    "archive": "Take note of results: their state is ARCHIVED from now on. Without states: successes.",
    "unassign": "Take back assignments without a result. Without states: those of which no agent was notified.",
    "renotify": "Assign again what has a result: another attempt. Without states: failures.",
    "cancel": "Stop the package on computers whose agents were notified: they get empty fragments, and end it.",
}


def _chosen(conn: Connection, target: AssignmentTarget) -> tuple[list[str], AssignmentOrigin]:
    if (target.computers is None) == (target.tag is None):
        raise BadInput("to", "either computers or a tag", "neither" if target.tag is None else "both")
    if target.computers is not None:
        return target.computers, BY_HAND
    origin = AssignmentOrigin(OriginKind.TAG, target.tag or "")
    return choices.choose(conn, origin), origin


def _terms(wanted: NewAssignment, now_s: float) -> Terms:
    now = datetime.fromtimestamp(now_s)  # noqa: DTZ006 - local, as agents take it
    return Terms(
        wanted.force,
        read_schedule(wanted.schedule, now),
        wanted.postcmd,
        wanted.any_os,
        read_moment(wanted.not_before, now, "not_before"),
        read_moment(wanted.not_after, now, "not_after"),
        wanted.after,
    )


def _outcome(done: Assigned, *, dry_run: bool) -> AssignmentOutcome:
    doubts = {unfit.device_id: unfit for unfit in done.doubtful}
    items = [AssignmentItem(unfit.device_id, "SKIPPED", unfit.reason, unfit.detail) for unfit in done.skipped]
    items += [AssignmentItem(device_id, "ALREADY", None, "") for device_id in done.already]
    for device_id in [*doubts, *(each for each in done.assigned if each not in doubts)][:MAX_ITEMS]:
        doubt = doubts.get(device_id)
        items.append(
            AssignmentItem(device_id, "ASSIGNED", doubt.reason if doubt else None, doubt.detail if doubt else "")
        )
    reasons = {str(reason): count for reason, count in done.reasons.items()}
    counts = (len(done.assigned), len(done.already), len(done.skipped), len(done.doubtful))
    return AssignmentOutcome(dry_run, *counts, reasons, done.refusal or None, items[:MAX_ITEMS])


def _csv(found: PackageStatistics) -> str:
    file, rows = io.StringIO(), list(rows_of(found))
    writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
