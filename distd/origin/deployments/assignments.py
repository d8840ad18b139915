"""Assignments of packages to computers: assign, and what that would do; unassign."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import NAME_LIMIT, assignments, micros
from distd.domain.actor import SYSTEM
from distd.domain.assignment_terms import BY_HAND, NO_TERMS, check_terms
from distd.domain.errors import Conflict, NotFound
from distd.domain.results import Outcome, classify
from distd.origin.deployments import fitness, predecessors, proofs
from distd.origin.deployments.fitness import Demands, UnfitReason
from distd.origin.deployments.named_computers import find_computers, of_few
from distd.origin.packages import attempts
from distd.origin.packages.counters import is_latest
from distd.origin.packages.packages import show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.assignment_terms import AssignmentOrigin, Terms
    from distd.domain.settings import DownloadConfig
    from distd.origin.deployments.fitness import Unfit
    from distd.origin.packages.packages import Package

NAMED: Final = 3  # computers that an error names


class Unassigned(StrEnum):
    """What became of an assignment that was taken back."""

    REMOVED = "removed"  # the agent was not notified yet
    WITHDRAWN = "withdrawn"  # the agent was notified: it stays listed until its final status


@dataclass(frozen=True, slots=True)
class AssignmentRequest:
    """A package for computers. `origin`: what they were chosen by. `skip_had`: pass over those that have it already;
    with `force` those only that have an assignment without a result; one that only the agent's history holds back is
    replaced then. `skip_unfit`: pass over those that cannot take it; `skip_others`: those with another system;
    `in_chain`: those that would wait for ever for the package before it.
    `config_of(id)`: the schedule that a computer's agent is told; None: priorities are not judged."""

    package_id: str
    device_ids: Sequence[str]
    terms: Terms = NO_TERMS
    origin: AssignmentOrigin = BY_HAND
    skip_had: bool = False
    skip_unfit: bool = False
    skip_others: bool = False
    in_chain: bool = False
    config_of: Callable[[int], DownloadConfig] | None = None


@dataclass(frozen=True, slots=True)
class Assigned:
    """DEVICEIDs of the computers that a package was assigned to, and of those that had it `already`: assigned without
    a result, or deployed. `skipped` were passed over, because they cannot take it; `doubtful` were assigned it although
    they cannot. `refusal`: of what was only to be tried: why it would be refused ("": it would not)."""

    assigned: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    skipped: list[Unfit] = field(default_factory=list)
    doubtful: list[Unfit] = field(default_factory=list)
    refusal: str = ""

    @property
    def reasons(self) -> dict[UnfitReason, int]:
        """How many cannot take it, by the reason."""
        return dict(Counter(unfit.reason for unfit in (*self.skipped, *self.doubtful)))


def assign(conn: Connection, actor: Actor, request: AssignmentRequest, now_s: float) -> Assigned:
    """Assign a package to all of these computers, or, where one is refused, to none; but for those passed over.

    Raises `NotFound` for an unknown package or computer, `BadInput` for terms, `Conflict` for a package that is not
    active or not for a computer's system, or that would wait for itself, or, without `skip_had`, that has an assignment
    without a result on one of the computers.
    """
    plan = _plan(conn, actor, request, now_s)
    if plan.error is not None:
        raise plan.error
    terms, ids = request.terms, [plan.found[device_id].id for device_id in plan.outcome.assigned]
    if terms.force:
        proofs.drop_claimed(conn, request.package_id, ids)
    row = {
        "force": terms.force,
        "schedule": terms.schedule,
        "postcmd": terms.postcmd,
        "not_before_us": None if terms.not_before_s is None else micros(terms.not_before_s),
        "not_after_us": None if terms.not_after_s is None else micros(terms.not_after_s),
        "after_package_id": terms.after,
        "origin_kind": request.origin.kind,
        "origin_name": request.origin.name[:NAME_LIMIT],
        "assigned_by": str(actor),
        "assigned_at_us": micros(now_s),
    }
    attempts.add(conn, request.package_id, [{**row, "computer_id": computer_id} for computer_id in ids])
    detail: dict[str, Any] = {"force": terms.force}
    if request.origin != BY_HAND:
        detail |= {"origin": request.origin.kind, "name": request.origin.name}
    kind = event_log.Kind.ASSIGNED
    event_log.append_many(
        conn, [event_log.Note(kind, actor, now_s, request.package_id, computer_id, detail) for computer_id in ids]
    )
    return plan.outcome


def preview(conn: Connection, request: AssignmentRequest, now_s: float, actor: Actor = SYSTEM) -> Assigned:
    """What `assign` would do; where computers would make it be refused, `refusal` says so, and the others are those
    that could be assigned. Raises `NotFound`, `BadInput`, and `Conflict` for what no choice of computers changes."""
    plan = _plan(conn, actor, request, now_s)
    return plan.outcome


@dataclass(frozen=True, slots=True)
class _Plan:
    found: dict[str, Row[Any]]
    outcome: Assigned
    error: Conflict | None


def _plan(conn: Connection, actor: Actor, request: AssignmentRequest, now_s: float) -> _Plan:
    terms, package = request.terms, show(conn, request.package_id)
    check_terms(terms, now_s)
    found = find_computers(conn, request.device_ids, actor)
    if not package.active:
        hint = "activate it first"
        raise Conflict("package", f"{package.id} is not active, so no agent would be notified of it", hint)
    names = {row.id: device_id for device_id, row in found.items()}
    if terms.after is not None:
        _require(conn, terms.after)
        predecessors.refuse_cycle(conn, package.id, terms.after, names)
    deployed = request.skip_had and not terms.force
    had = _had(conn, package.id, list(names), deployed=deployed, forced=terms.force)
    already = [device_id for device_id, row in found.items() if row.id in had]
    unfit = fitness.judge(
        conn,
        Demands(package, request.config_of, terms.after, terms.any_os),
        {device_id: row for device_id, row in found.items() if row.id not in had},
    )
    error = _refusal(package, found, unfit, already, request)
    never = {UnfitReason.OTHER_SYSTEM, *((UnfitReason.WAITS_FOREVER,) if request.in_chain else ())}
    refused = {each.device_id for each in unfit if request.skip_unfit or each.reason in never}
    new = [device_id for device_id, row in found.items() if row.id not in had and device_id not in refused]
    outcome = Assigned(
        new,
        already,
        [each for each in unfit if each.device_id in refused],
        [each for each in unfit if each.device_id not in refused],
        "" if error is None else str(error),
    )
    return _Plan(found, outcome, error)


def _require(conn: Connection, after: str) -> None:
    try:
        show(conn, after)
    except NotFound as error:
        raise NotFound("after", error.expected, after) from None


def _refusal(
    package: Package, found: dict[str, Row[Any]], unfit: list[Unfit], already: list[str], request: AssignmentRequest
) -> Conflict | None:
    others = [each for each in unfit if each.reason is UnfitReason.OTHER_SYSTEM]
    if others and not (request.skip_unfit or request.skip_others):
        named = ", ".join(f"{each.device_id} {each.detail}" for each in others[:NAMED])
        more = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
        count = f"{len(others):,} of {len(found):,} computers have another system: " if len(others) > 1 else ""
        hint = "leave them out, or give it if the package runs there nevertheless"
        return Conflict("any_os", f"{package.id} is for {package.os}, and {count}{named}{more}", hint)
    if already and not request.skip_had:
        return Conflict("package", f"{package.id} is assigned to {already[0]} already and has no result yet")
    return None


def _had(conn: Connection, package_id: str, computer_ids: Sequence[int], *, deployed: bool, forced: bool) -> set[int]:
    """Computers, these among others, that have an assignment of the package without a result; also those where it is
    `deployed`. `forced`: but for those that only the agent's history holds back."""
    columns = [assignments.c[name] for name in ("computer_id", "result", "state", "unproven")]
    query = select(*columns).where(assignments.c.package_id == package_id, is_latest())
    if not deployed:
        query = query.where(assignments.c.result.is_(None))
    return {
        row.computer_id
        for row in conn.execute(query.where(of_few(assignments.c.computer_id, computer_ids)))
        if (row.result is None and not (forced and row.unproven and row.state == Outcome.WAITING))
        or (row.result is not None and classify(row.result) is Outcome.SUCCESS)
    }


def unassign(
    conn: Connection, actor: Actor, package_id: str, device_ids: Sequence[str], now_s: float, *, skip: bool = False
) -> dict[str, Unassigned]:
    """Take back the open assignments to these computers as far as possible, all or none: see `Unassigned`.

    Raises `NotFound` when one of them has none; `skip`: those are left out instead.
    """
    ids = {device_id: row.id for device_id, row in find_computers(conn, device_ids, actor).items()}
    is_open = select(assignments).where(assignments.c.package_id == package_id, assignments.c.result.is_(None))
    of_these = is_open.where(of_few(assignments.c.computer_id, list(ids.values())))
    found = {row.computer_id: row for row in conn.execute(of_these)}
    for device_id, computer_id in ids.items():
        if computer_id not in found and not skip:
            raise NotFound("package", f"a package that is assigned to {device_id} and has no result yet", package_id)
    mine = {device_id: found[computer_id] for device_id, computer_id in ids.items() if computer_id in found}
    new = [row for row in mine.values() if row.withdrawn_at_us is None]
    take_back(conn, new, now_s)
    event_log.append_many(conn, [_unassigned_note(actor, row, now_s) for row in new])
    became = {True: Unassigned.WITHDRAWN, False: Unassigned.REMOVED}
    return {device_id: became[row.notified_at_us is not None] for device_id, row in mine.items()}


def take_back(conn: Connection, rows: Sequence[Row[Any]], now_s: float) -> None:
    """Remove open assignments; those whose agents were notified stay listed until they report."""
    attempts.remove(conn, [row for row in rows if row.notified_at_us is None])
    for ids in dialect.chunks([row.id for row in rows if row.notified_at_us is not None]):
        conn.execute(update(assignments).where(assignments.c.id.in_(ids)).values(withdrawn_at_us=micros(now_s)))


def _unassigned_note(actor: Actor, row: Row[Any], now_s: float) -> event_log.Note:
    detail = {"listed": row.notified_at_us is not None}
    return event_log.Note(event_log.Kind.UNASSIGNED, actor, now_s, row.package_id, row.computer_id, detail)
