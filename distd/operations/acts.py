"""Acts on many assignments of a package: archive, unassign, notify again, cancel; the statistics of a package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from distd.catalogue.schema import NAME_LIMIT
from distd.domain.errors import BadInput
from distd.domain.permissions import Act
from distd.operations.computers import MAX_NAMED, MAX_NAMED_BYTES
from distd.operations.operation import Operation, Way
from distd.origin.deployments import acts, assignments
from distd.origin.deployments.acts import ActDone, ChosenAssignments
from distd.origin.deployments.assignments import Unassigned
from distd.origin.deployments.result_list import read_states
from distd.origin.deployments.statistics import PackageStatistics, show_statistics
from distd.origin.groups import given_packages, groups
from distd.wire.query import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from distd.operations.operation import Asked

_Texts = Annotated[tuple[Annotated[str, Meta(max_length=MAX_TEXT)], ...], Meta(min_length=1, max_length=100)]


class ActRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Assignments in one of these states, with one of these result codes, on one of these computers: of each that is
    given, at least one. `group` is for unassign: what the group gave; it gives the package no more. `force` is for
    renotify. `strict` is for unassign of computers alone: refuse where one of them
    has no such assignment. `dry_run`: only tell for how many it would be."""

    states: Annotated[tuple[str, ...], Meta(min_length=1, max_length=6)] | None = None
    codes: _Texts | None = None
    computers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_NAMED)] | None = None
    group: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)] | None = None
    force: bool = False
    strict: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ActOutcome:
    """How many computers an act was for, and the first 100,000 DEVICEIDs. `passed_over`: of those named, the ones in no
    state that it is for; `elsewhere`: that fetch from a redistribution server, where it has no effect. `withdrawn`: of
    unassign, those whose agents know of the package: the assignment stays until they report."""

    act: str
    dry_run: bool
    computers: int
    passed_over: int
    elsewhere: int
    items: list[str]
    withdrawn: list[str]


def _run(conn: Connection, asked: Asked, package_id: str, given: ActRequest, *, act: str) -> ActOutcome:
    if (given.states, given.codes, given.computers, given.group) == (None, None, None, None):
        raise BadInput("states", "states, codes, computers or a group", "none of them")
    if given.group is not None:
        return _told(_unassign_group(conn, asked, package_id, given, act=act))
    if given.force and act != "renotify":
        raise BadInput("force", "only for renotify", True)
    if given.strict:
        return _told(_unassign_all(conn, asked, package_id, given, act=act))
    chosen = ChosenAssignments(read_states(given.states or (), "states"), given.codes or (), given.computers)
    more: dict[str, Any] = {"force": True} if given.force else {}
    run = partial(acts.ACTS[act], conn, asked.actor, package_id, chosen, asked.now_s)
    return _told(run(dry_run=given.dry_run, **more))


def _unassign_all(conn: Connection, asked: Asked, package_id: str, given: ActRequest, *, act: str) -> ActDone:
    if act != "unassign" or given.computers is None or given.states is not None or given.codes is not None:
        raise BadInput("strict", "only for unassign of computers", True)
    became = assignments.unassign(conn, asked.actor, package_id, given.computers, asked.now_s)
    withdrawn = [device_id for device_id, how in became.items() if how is Unassigned.WITHDRAWN]
    return ActDone(act, given.dry_run, list(became), withdrawn=withdrawn)


def _unassign_group(conn: Connection, asked: Asked, package_id: str, given: ActRequest, *, act: str) -> ActDone:
    if act != "unassign" or (given.states, given.codes, given.computers) != (None, None, None) or given.strict:
        raise BadInput("group", "only for unassign, and nothing beside it", given.group)
    name = groups.written_name(conn, given.group or "")
    run = partial(given_packages.take_from_group, conn, asked.actor, package_id, name)
    return run(ChosenAssignments(group=name), asked.now_s, dry_run=given.dry_run)


def _told(done: ActDone) -> ActOutcome:
    counts = (len(done.computers), done.passed_over, done.elsewhere)
    return ActOutcome(done.act, done.dry_run, *counts, done.computers[:MAX_NAMED], done.withdrawn[:MAX_NAMED])


def _show_statistics(conn: Connection, _: Asked, package_id: str) -> PackageStatistics:
    return show_statistics(conn, package_id)


_TEXTS: Final[Mapping[str, str]] = {
    "archive": "Take note of results: their state is ARCHIVED from now on. Without states: successes.",
    "unassign": "Take back assignments without a result. Without states: those of which no agent was notified.",
    "renotify": "Assign again what has a result: another attempt. Without states: failures.",
    "cancel": "Stop the package on computers whose agents were notified: they get empty fragments, and end it.",
}
ACTS: Final[Mapping[str, Operation[ActOutcome]]] = {
    act: Operation(
        f"{act}_assignments",
        "POST",
        f"/packages/{{package_id}}/{act}",
        text,
        ActOutcome,
        partial(_run, act=act),
        Act.DEPLOYMENTS_WRITE,
        Way.WRITE,
        body=ActRequest,
        max_body_bytes=MAX_NAMED_BYTES,
        problems=(409,),
    )
    for act, text in _TEXTS.items()
}
STATISTICS: Final = Operation(
    "show_package_statistics",
    "GET",
    "/packages/{package_id}/statistics",
    "How many computers are where with a package: by state, code, time, tag, subnet and more.",
    PackageStatistics,
    _show_statistics,
    Act.STATISTICS_READ,
    elsewhere=True,
)
ALL: Final[tuple[Operation[Any], ...]] = (*ACTS.values(), STATISTICS)
