"""What operators do to many assignments of a package at once: archive, unassign, notify again, cancel.

Each act can be tried first (`dry_run`), gives the computers that it is for, and writes an event for each of them and
one for the act.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.event_log import Kind, Note
from distd.catalogue.schema import (
    NAME_LIMIT,
    activations,
    assignments,
    computers,
    history,
    micros,
    packages,
    progress,
)
from distd.domain.assignment_terms import OriginKind
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.mirror_rules import has_variables
from distd.domain.results import FINAL, Outcome
from distd.origin.deployments.assignments import take_back
from distd.origin.deployments.named_computers import find_computers
from distd.origin.operators.restrictions import visible
from distd.origin.packages import attempts
from distd.origin.packages.counters import Tally, is_latest, position_of, progress_of_assignment
from distd.origin.packages.packages import show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor

ENDED: Final = (*FINAL, Outcome.ARCHIVED)
FETCHING: Final = (Outcome.NOTIFIED, Outcome.DOWNLOADING)


@dataclass(frozen=True, slots=True)
class ChosenAssignments:
    """Those in one of these `states`, with one of these `codes`, on one of these computers, and given by this group: of
    each that is given. `device_ids` None: on any computer."""

    states: Sequence[Outcome] = ()
    codes: Sequence[str] = ()
    device_ids: Sequence[str] | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class ActDone:
    """DEVICEIDs of the computers that an act was for, in their order. `passed_over`: how many of those that were named
    are in no state that it is for. `elsewhere`: how many fetch from a redistribution server, where it has no effect.
    `withdrawn`: of `unassign`, those that stay until the agent reports."""

    act: str
    dry_run: bool
    computers: list[str]
    passed_over: int = 0
    elsewhere: int = 0
    withdrawn: list[str] = field(default_factory=list)


def archive(
    conn: Connection, actor: Actor, package_id: str, chosen: ChosenAssignments, now_s: float, *, dry_run: bool = False
) -> ActDone:
    """Take note of results: their state is ARCHIVED from now on. Without states: of successes, or, of computers or
    codes that are named, of all results. Raises `NotFound`, `BadInput`."""
    default = FINAL if chosen.codes or chosen.device_ids is not None else (Outcome.SUCCESS,)
    rows, done = _choose(conn, actor, "archive", package_id, chosen, (FINAL, default), dry_run=dry_run)
    if dry_run:
        return done
    tally = Tally()
    for row in rows:
        tally.move(position_of(row), position_of(row)._replace(state=Outcome.ARCHIVED))
    _set(conn, rows, {"state": Outcome.ARCHIVED, "archived_at_us": micros(now_s)})
    tally.write(conn)
    _note(conn, actor, now_s, package_id, done, [(Kind.ARCHIVED, row, {"code": row.result}) for row in rows])
    return done


def unassign(
    conn: Connection, actor: Actor, package_id: str, chosen: ChosenAssignments, now_s: float, *, dry_run: bool = False
) -> ActDone:
    """Take back assignments without a result: see `assignments.Unassigned`. Without states: of which no agent was
    notified, or, of computers or a group that are named, all. Raises `NotFound`, `BadInput`."""
    allowed = (Outcome.WAITING, *FETCHING)
    default = (Outcome.WAITING,) if chosen.device_ids is None and chosen.group is None else allowed
    rows, done = _choose(conn, actor, "unassign", package_id, chosen, (allowed, default), dry_run=dry_run)
    done = replace(done, withdrawn=[row.device_id for row in rows if row.notified_at_us is not None])
    if dry_run:
        return done
    new = [row for row in rows if row.withdrawn_at_us is None]
    take_back(conn, new, now_s)
    notes = [(Kind.UNASSIGNED, row, {"listed": row.notified_at_us is not None}) for row in new]
    _note(conn, actor, now_s, package_id, done, notes)
    return done


def renotify(
    conn: Connection,
    actor: Actor,
    package_id: str,
    chosen: ChosenAssignments,
    now_s: float,
    *,
    force: bool = False,
    dry_run: bool = False,
) -> ActDone:
    """Assign again what has a result, by the same terms: another attempt; the result stays with the one before. Without
    states: what has failed, or, of codes or computers that are named, whatever has a result. `force`: also where the
    agent has it in its history, as it is after a success; where the failure is in it, that is done anyway.

    Raises `NotFound`, `BadInput`, and `Conflict` for a package that is not active.
    """
    if not show(conn, package_id).active:
        raise Conflict(
            "package", f"{package_id} is not active, so no agent would be notified of it", "activate it first"
        )
    default = ENDED if chosen.codes or chosen.device_ids is not None else (Outcome.FAILED,)
    rows, done = _choose(conn, actor, "renotify", package_id, chosen, (ENDED, default), dry_run=dry_run)
    if dry_run:
        return done
    had = _in_history(conn, package_id, rows)
    forced = {row.id: force or row.force or row.computer_id in had for row in rows}
    now_us = micros(now_s)
    new: list[dict[str, Any]] = []
    for row in rows:
        kept = {name: getattr(row, name) for name in ("computer_id", *attempts.KEPT)}
        kept |= {"force": forced[row.id], "assigned_by": str(actor), "assigned_at_us": now_us}
        if row.not_after_us is not None and row.not_after_us <= now_us:
            kept["not_after_us"] = None  # or it would end at once
        new.append(kept)
    attempts.add(conn, package_id, new)
    notes: list[tuple[Kind, Row[Any], dict[str, Any]]] = [
        (Kind.RENOTIFIED, row, {"attempt": row.attempt + 1, "force": forced[row.id], "before": row.result})
        for row in rows
    ]
    _note(conn, actor, now_s, package_id, done, notes)
    return done


def cancel(
    conn: Connection, actor: Actor, package_id: str, chosen: ChosenAssignments, now_s: float, *, dry_run: bool = False
) -> ActDone:
    """Stop the package on computers whose agents were notified: they get empty fragments, find a wrong digest, and
    report it (ADR 27). Without states: all of them. Raises `NotFound`, `BadInput`, and `Conflict` where another server
    has the fragments."""
    server = conn.scalar(select(activations.c.fragment_server).where(activations.c.package_id == package_id))
    if server is not None and not has_variables(server):
        raise Conflict("package", f"agents fetch {package_id} from {server}, which this server cannot stop")
    rows, done = _choose(conn, actor, "cancel", package_id, chosen, (FETCHING, FETCHING), dry_run=dry_run)
    if dry_run:
        return done
    new = [row for row in rows if row.cancelled_at_us is None]
    _set(conn, new, {"cancelled_at_us": micros(now_s)})
    _set(conn, [row for row in new if row.withdrawn_at_us is None], {"withdrawn_at_us": micros(now_s)})
    _note(conn, actor, now_s, package_id, done, [(Kind.CANCELLED, row, {}) for row in new])
    return done


def _choose(
    conn: Connection,
    actor: Actor,
    act: str,
    package_id: str,
    chosen: ChosenAssignments,
    states: tuple[Sequence[Outcome], Sequence[Outcome]],
    *,
    dry_run: bool,
) -> tuple[list[Row[Any]], ActDone]:
    """`states`: those that the act is for, and those that are meant where none is given. The rows of what is only tried
    have only the columns that this takes."""
    allowed, default = states
    if conn.scalar(select(packages.c.id).where(packages.c.id == package_id)) is None:
        raise NotFound("package", "the id of a package", package_id)
    for state in chosen.states:
        if state not in allowed:
            raise BadInput("states", f"states of {', '.join(allowed)}", state)
    columns = (assignments.c.notified_at_us,) if dry_run else tuple(assignments.c)
    joined = assignments.join(computers, computers.c.id == assignments.c.computer_id)
    if act == "cancel":
        columns += (progress.c.mirror,)
        joined = joined.outerjoin(progress, progress_of_assignment())
    query = (
        select(computers.c.device_id, *columns)
        .select_from(joined)
        .where(assignments.c.package_id == package_id, is_latest(), visible(conn, actor))
        .where(assignments.c.state.in_(chosen.states or default))
    )
    if chosen.codes:
        query = query.where(assignments.c.result.in_(chosen.codes))
    if chosen.group is not None:
        of_group = assignments.c.origin_kind == OriginKind.GROUP
        query = query.where(of_group, assignments.c.origin_name == chosen.group[:NAME_LIMIT])
    if dry_run and chosen.device_ids is None and act in ("archive", "renotify"):
        # Of what is only tried, the names alone: rows of tens of thousands take most of the time.
        return [], ActDone(act, dry_run, sorted(conn.scalars(query.with_only_columns(computers.c.device_id))))
    if chosen.device_ids is None:
        rows = list(conn.execute(query).all())
        named = len(rows)
    else:
        ids = [row.id for row in find_computers(conn, chosen.device_ids, actor).values()]
        rows = [
            row
            for some in dialect.chunks(ids)
            for row in conn.execute(query.where(assignments.c.computer_id.in_(some)))
        ]
        named = len(ids)
    rows.sort(key=attrgetter("device_id"))
    elsewhere = sum(1 for row in rows if row.mirror) if act == "cancel" else 0
    return rows, ActDone(act, dry_run, [row.device_id for row in rows], named - len(rows), elsewhere)


def _set(conn: Connection, rows: Sequence[Row[Any]], values: dict[str, Any]) -> None:
    for ids in dialect.chunks([row.id for row in rows]):
        conn.execute(update(assignments).where(assignments.c.id.in_(ids)).values(**values))


def _in_history(conn: Connection, package_id: str, rows: Sequence[Row[Any]]) -> set[int]:
    found: set[int] = set()
    for ids in dialect.chunks([row.computer_id for row in rows]):
        of_these = history.c.computer_id.in_(ids) & (history.c.package_id == package_id)
        found.update(conn.scalars(select(history.c.computer_id).where(of_these)))
    return found


def _note(
    conn: Connection,
    actor: Actor,
    now_s: float,
    package_id: str,
    done: ActDone,
    notes: Sequence[tuple[Kind, Row[Any], dict[str, Any]]],
) -> None:
    if not notes:
        return
    detail = {"act": done.act, "computers": len(notes)}
    whole = Note(Kind.DEPLOYMENT_ACT, actor, now_s, package_id, None, detail)
    event_log.append_many(
        conn, [whole, *(Note(kind, actor, now_s, package_id, row.computer_id, detail) for kind, row, detail in notes)]
    )


ACTS: Final[dict[str, Callable[..., ActDone]]] = {
    "archive": archive,
    "unassign": unassign,
    "renotify": renotify,
    "cancel": cancel,
}
