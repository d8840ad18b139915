"""Deployments: assign, unassign, results, accept, forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from distd.catalogue.schema import TEXT_LIMIT
from distd.domain.errors import BadInput
from distd.domain.page import EVERYTHING, Page, read_window
from distd.domain.permissions import Act
from distd.domain.results import Outcome
from distd.domain.units import parse_moment
from distd.operations.computers import MAX_NAMED, MAX_NAMED_BYTES
from distd.operations.operation import Operation, Way
from distd.origin.deployments import assignments, proofs
from distd.origin.deployments.assignments import SCHEDULE_FORMAT, Result, Terms
from distd.wire.query import cursor_parameter, limit_parameter, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.operations.operation import Asked


@dataclass
class ResultQuery:
    """Which results, and which page of them."""

    state: tuple[str, ...] | None = parameter("only results in these states", choices=tuple(Outcome))
    unproven: bool = parameter("only where nothing but the agent says that it has the package", default=False)
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class ResultPage(Page[Result]):
    """Results, by DEVICEID."""


class Recipients(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """To whom a package is assigned: `computers` by their DEVICEIDs."""

    computers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_NAMED)]


class AssignmentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Assign a package: to all, or, if one is refused, to none. Computers that have it already are skipped, or with
    `strict` are a reason to refuse. `force`: run it even where it is in the agent's history; `any_os`: also on other
    systems; `schedule`, a time such as "fri 18:00" or "2h", and `postcmd` are for Windows. `dry_run`: tell what would
    be done, and do nothing."""

    package: Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
    to: Recipients
    strict: bool = False
    force: bool = False
    any_os: bool = False
    schedule: Annotated[str, Meta(max_length=100)] = ""
    postcmd: Annotated[str, Meta(max_length=TEXT_LIMIT)] = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A computer that does not get it, and why."""

    device_id: str
    why: str


@dataclass(frozen=True, slots=True)
class AssignmentAnswer:
    """DEVICEIDs of the computers that are `assigned` the package now, and of those that have it `already`; those that
    are `skipped` for another reason."""

    package_id: str
    assigned: list[str]
    already: list[str]
    skipped: list[Skipped]


class UnassignRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """From which `computers`, and from all those in one of `states`. Those to which it is not assigned, or that have a
    result, are skipped; with `strict` they are a reason to refuse. `dry_run`: tell what would be done."""

    computers: Annotated[tuple[str, ...], Meta(max_length=MAX_NAMED)] = ()
    states: tuple[Outcome, ...] = ()
    strict: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class TakenBack:
    """An assignment that was taken back: it was REMOVED, or WITHDRAWN, so that it stays until the agent reports."""

    device_id: str
    became: str


@dataclass(frozen=True, slots=True)
class UnassignAnswer:
    """The assignments that were taken back."""

    package_id: str
    items: list[TakenBack]


class AcceptRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """DEVICEIDs of computers, or `everybody`: all on which it is unproven. Where nothing is unproven that is a reason
    to refuse, or without `strict` to skip. `dry_run`: tell what would be done."""

    computers: Annotated[tuple[str, ...], Meta(max_length=MAX_NAMED)] = ()
    everybody: bool = False
    strict: bool = True
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """DEVICEIDs of the computers where the package counts as deployed now."""

    package_id: str
    accepted: list[str]


def _results(conn: Connection, asked: Asked, package_id: str, query: ResultQuery) -> ResultPage:
    states = assignments.read_states(query.state or (), "state")
    window = read_window(query.limit, query.cursor, assignments.PLACE)
    page = assignments.results(conn, package_id, states, window, unproven=query.unproven, actor=asked.actor)
    return ResultPage(page.items, page.next, page.total)


def _assign(conn: Connection, asked: Asked, given: AssignmentRequest) -> AssignmentAnswer:
    terms = Terms(given.force, _schedule(given.schedule, asked.now_s), given.postcmd, given.any_os)
    computers, skip = given.to.computers, not given.strict
    done = assignments.assign(conn, asked.actor, given.package, computers, asked.now_s, terms, skip=skip)
    return AssignmentAnswer(given.package, done.assigned, done.already, [])


def _schedule(text: str, now_s: float) -> str:
    """As agents get it: local time, which is that of the computers too, or should be."""
    if not text:
        return ""
    now = datetime.fromtimestamp(now_s)  # noqa: DTZ006 - local, as agents take it
    return datetime.fromtimestamp(parse_moment(text, "schedule", now)).strftime(SCHEDULE_FORMAT)  # noqa: DTZ006


def _unassign(conn: Connection, asked: Asked, package_id: str, given: UnassignRequest) -> UnassignAnswer:
    if not (given.computers or given.states):
        raise BadInput("computers", "computers or states", "neither")
    found: Sequence[str] = given.computers
    if given.states:
        found = list(dict.fromkeys([*found, *assignments.in_states(conn, package_id, given.states, asked.actor)]))
    skip = not given.strict
    became = assignments.unassign(conn, asked.actor, package_id, found, asked.now_s, skip=skip)
    return UnassignAnswer(package_id, [TakenBack(device_id, how) for device_id, how in became.items()])


def _accept(conn: Connection, asked: Asked, package_id: str, given: AcceptRequest) -> Accepted:
    if not (given.computers or given.everybody):
        raise BadInput("computers", "computers or everybody", "neither")
    found = list(given.computers)
    if given.everybody:
        page = assignments.results(conn, package_id, (), EVERYTHING, unproven=True, actor=asked.actor)
        found = list(dict.fromkeys([*found, *(row.device_id for row in page.items)]))
    skip = given.everybody or not given.strict
    return Accepted(package_id, proofs.accept(conn, asked.actor, package_id, found, asked.now_s, skip=skip))


RESULTS: Final = Operation(
    "show_results",
    "GET",
    "/packages/{package_id}/results",
    "The results of a package on the computers that it was assigned to.",
    ResultPage,
    _results,
    Act.DEPLOYMENTS_READ,
    query=ResultQuery,
)
ASSIGN: Final = Operation(
    "assign",
    "POST",
    "/assignments",
    "Assign a package to computers.",
    AssignmentAnswer,
    _assign,
    Act.DEPLOYMENTS_WRITE,
    Way.WRITE,
    body=AssignmentRequest,
    max_body_bytes=MAX_NAMED_BYTES,
    problems=(404, 409),
    keyed=True,
)
UNASSIGN: Final = Operation(
    "unassign",
    "POST",
    "/packages/{package_id}/unassign",
    "Remove the assignment of a package to computers. Agents that were notified already still report a result.",
    UnassignAnswer,
    _unassign,
    Act.DEPLOYMENTS_WRITE,
    Way.WRITE,
    body=UnassignRequest,
    max_body_bytes=MAX_NAMED_BYTES,
    problems=(409,),
)
ACCEPT: Final = Operation(
    "accept",
    "POST",
    "/packages/{package_id}/accept",
    "Take what is unproven of a package for a success.",
    Accepted,
    _accept,
    Act.DEPLOYMENTS_WRITE,
    Way.WRITE,
    body=AcceptRequest,
    max_body_bytes=MAX_NAMED_BYTES,
    problems=(409,),
)
ALL: Final = (RESULTS, ASSIGN, UNASSIGN, ACCEPT)
