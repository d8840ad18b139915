"""Deployments: assign, unassign, results, accept, forecasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from distd.catalogue import dialect
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT
from distd.domain.assignment_terms import BY_HAND, AssignmentOrigin, OriginKind, Terms, read_moment, read_schedule
from distd.domain.errors import BadInput
from distd.domain.filters.parse import MAX_TEXT as MAX_FILTER
from distd.domain.page import EVERYTHING, Page, read_window
from distd.domain.permissions import Act
from distd.domain.results import Outcome
from distd.operations.computers import MAX_NAMED, MAX_NAMED_BYTES
from distd.operations.operation import Operation, Way
from distd.origin.agents import agent_parameters
from distd.origin.deployments import assignments, choices, proofs, result_list
from distd.origin.deployments.assignments import Assigned
from distd.origin.deployments.named_computers import find_computers
from distd.origin.deployments.result_list import Result
from distd.origin.groups import given_packages, groups
from distd.wire.query import MAX_TEXT, cursor_parameter, limit_parameter, parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from distd.domain.settings import DownloadConfig
    from distd.operations.operation import Asked

ASSIGNED: Final = "ASSIGNED"
ALREADY: Final = "ALREADY"
SKIPPED: Final = "SKIPPED"
_COUNTED: Final = ("assigned", "already", "skipped", "doubtful")
_Text = Annotated[str, Meta(max_length=MAX_TEXT)]
_PackageId = Annotated[str, Meta(pattern="^[0-9]{1,20}$")]


@dataclass
class ResultQuery:
    """Which results, and which page of them."""

    state: tuple[str, ...] | None = parameter("only results in these states", choices=tuple(Outcome))
    unproven: bool = parameter("only where nothing but the agent says that it has the package", default=False)
    attempts: bool = parameter("earlier attempts too, each with its result", default=False)
    limit: int | None = limit_parameter()
    cursor: str | None = cursor_parameter()


@dataclass(frozen=True, slots=True)
class ResultPage(Page[Result]):
    """Results, by DEVICEID."""


class AssignmentTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """For which computers: those named, those of a list that was made elsewhere (`list_name`, such as a file), all with
    such a tag (? is one character, * are several), all that a filter finds now (@NAME: a saved one), and those in a
    group, now and later."""

    computers: Annotated[tuple[str, ...], Meta(max_length=MAX_NAMED)] = ()
    listed: Annotated[tuple[str, ...], Meta(max_length=MAX_NAMED)] = ()
    list_name: _Text = ""
    tag: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)] | None = None
    filter: Annotated[str, Meta(min_length=1, max_length=MAX_FILTER)] | None = None
    group: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)] | None = None


class NewAssignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A package (its id) for computers: for all of them, or, where one is refused, for none. `strict`: also refuse
    where one that is named has it already; else those are passed over. `force`: also where the agent has it in its
    history; `any_os`: also on other systems. Times as "fri 18:00", "2026-12-01 18:00" or "2h"; empty: none. Windows
    agents keep `schedule` and `postcmd`, the server keeps the others: `after` is the id of a package that must be
    deployed first. `skip_unfit`: pass over computers that cannot take it. `dry_run`: only tell what would be done."""

    package: _PackageId
    to: AssignmentTarget
    strict: bool = False
    force: bool = False
    any_os: bool = False
    schedule: _Text = ""
    postcmd: Annotated[str, Meta(max_length=TEXT_LIMIT)] = ""
    not_before: _Text | None = None
    not_after: _Text | None = None
    after: _PackageId | None = None
    skip_unfit: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class AssignmentItem:
    """What became of a computer: ASSIGNED, ALREADY (it has the package) or SKIPPED. `reason`: why it cannot take it.
    `by`: how it was chosen: hand, csv, tag, filter, group."""

    device_id: str
    outcome: str
    reason: str | None
    detail: str
    by: str


@dataclass(frozen=True, slots=True)
class AssignmentOutcome:
    """How many computers were assigned the package, had it already, were skipped; `doubtful`: of those assigned, the
    ones that cannot take it. `reasons`: how many cannot, by the reason. `refusal`: why what was only tried would be
    refused. `items`: the first 100,000, those that were not assigned before the others."""

    dry_run: bool
    assigned: int
    already: int
    skipped: int
    doubtful: int
    reasons: dict[str, int]
    refusal: str | None
    items: list[AssignmentItem]


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
    states = result_list.read_states(query.state or (), "state")
    window = read_window(query.limit, query.cursor, result_list.PLACE)
    marks = {"unproven": query.unproven, "attempts": query.attempts}
    page = result_list.results(conn, package_id, states, window, actor=asked.actor, **marks)
    return ResultPage(page.items, page.next, page.total)


def assign_package(
    conn: Connection, asked: Asked, given: NewAssignment, *, in_chain: bool = False
) -> AssignmentOutcome:
    """`in_chain`: computers that would wait for ever for the package before it are passed over."""
    chosen = _chosen(conn, asked, given.to)
    if not chosen:
        raise BadInput("to", "computers, listed, a tag, a filter or a group", "none of them")
    terms, done = _terms(given, asked.now_s), list[tuple[AssignmentOrigin, Assigned]]()
    for device_ids, origin in chosen:
        request = assignments.AssignmentRequest(
            given.package,
            device_ids,
            terms,
            origin,
            skip_had=origin != BY_HAND or not given.strict,
            skip_unfit=given.skip_unfit,
            skip_others=origin.kind is OriginKind.GROUP,
            in_chain=in_chain,
            config_of=schedules(conn, asked, device_ids),
        )
        if given.dry_run:
            done.append((origin, assignments.preview(conn, request, asked.now_s, asked.actor)))
        else:
            done.append((origin, assignments.assign(conn, asked.actor, request, asked.now_s)))
    if given.to.group is not None:
        given_packages.keep(conn, asked.actor, given.to.group, given.package, terms, asked.now_s)
    return _outcome(done, dry_run=given.dry_run)


def _chosen(conn: Connection, asked: Asked, target: AssignmentTarget) -> list[tuple[Sequence[str], AssignmentOrigin]]:
    """DEVICEIDs for each way to choose computers; a computer is in one of them only."""
    ways: list[tuple[Sequence[str], AssignmentOrigin]] = [(target.computers, BY_HAND)]
    ways.append((target.listed, AssignmentOrigin(OriginKind.CSV, target.list_name)))
    for kind, name in _named(conn, target):
        origin = AssignmentOrigin(kind, name)
        ways.append((choices.choose(conn, origin, asked.now_s, asked.actor), origin))
    seen, found = set[str](), list[tuple[Sequence[str], AssignmentOrigin]]()
    for device_ids, origin in ways:
        new = [device_id for device_id in dict.fromkeys(device_ids) if device_id not in seen]
        seen |= set(new)
        if new or origin.kind in choices.CHOICES:
            found.append((new, origin))
    return found


def _named(conn: Connection, target: AssignmentTarget) -> Iterator[tuple[OriginKind, str]]:
    """What stands for computers. A group by its name as it is written in the catalogue."""
    if target.tag is not None:
        yield OriginKind.TAG, target.tag
    if target.filter is not None:
        yield OriginKind.FILTER, target.filter
    if target.group is not None:
        yield OriginKind.GROUP, groups.written_name(conn, target.group, "to.group")


def schedules(conn: Connection, asked: Asked, device_ids: Sequence[str]) -> Callable[[int], DownloadConfig]:
    """The schedule that each computer's agent is told, by the computer's id."""
    found: dict[int, DownloadConfig] = {}
    ids = [row.id for row in find_computers(conn, device_ids, asked.actor).values()]
    for some in dialect.chunks(ids):
        told = agent_parameters.load(conn, asked.site.settings, some)
        found.update((computer_id, told.of(computer_id).download) for computer_id in some)
    return found.__getitem__


def _terms(given: NewAssignment, now_s: float) -> Terms:
    now = datetime.fromtimestamp(now_s)  # noqa: DTZ006 - local, as agents take it
    return Terms(
        given.force,
        read_schedule(given.schedule, now),
        given.postcmd,
        given.any_os,
        read_moment(given.not_before, now, "not_before"),
        read_moment(given.not_after, now, "not_after"),
        given.after,
    )


def _outcome(done: Sequence[tuple[AssignmentOrigin, Assigned]], *, dry_run: bool) -> AssignmentOutcome:
    passed, assigned = list[AssignmentItem](), list[AssignmentItem]()
    reasons = Counter[str]()
    for origin, each in done:
        by = str(origin.kind)
        doubts = {unfit.device_id: unfit for unfit in each.doubtful}
        passed += [AssignmentItem(unfit.device_id, SKIPPED, unfit.reason, unfit.detail, by) for unfit in each.skipped]
        passed += [AssignmentItem(device_id, ALREADY, None, "", by) for device_id in each.already]
        for device_id in each.assigned:
            doubt = doubts.get(device_id)
            assigned.append(
                AssignmentItem(device_id, ASSIGNED, doubt.reason if doubt else None, doubt.detail if doubt else "", by)
            )
        reasons.update({str(reason): count for reason, count in each.reasons.items()})
    counts = {name: sum(len(getattr(each, name)) for _, each in done) for name in _COUNTED}
    refusals = [each.refusal for _, each in done if each.refusal]
    items = [*passed, *assigned][:MAX_NAMED]
    refusal = refusals[0] if refusals else None
    return AssignmentOutcome(dry_run=dry_run, **counts, reasons=dict(reasons), refusal=refusal, items=items)


def _accept(conn: Connection, asked: Asked, package_id: str, given: AcceptRequest) -> Accepted:
    if not (given.computers or given.everybody):
        raise BadInput("computers", "computers or everybody", "neither")
    found = list(given.computers)
    if given.everybody:
        page = result_list.results(conn, package_id, (), EVERYTHING, unproven=True, actor=asked.actor)
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
    """Assign a package to computers: to all of them, or, where one is refused, to none.

    Those that have it already, assigned or deployed, are passed over; with `force` those only that have no result
    yet.""",
    AssignmentOutcome,
    assign_package,
    Act.DEPLOYMENTS_WRITE,
    Way.WRITE,
    body=NewAssignment,
    max_body_bytes=MAX_NAMED_BYTES,
    problems=(404, 409),
    keyed=True,
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
ALL: Final = (RESULTS, ASSIGN, ACCEPT)
