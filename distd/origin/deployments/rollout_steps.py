"""The decisions of a roll-out, carried out: assign, notify again, recall, roll back; each is an event."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind, Note
from distd.catalogue.rollouts_schema import rollouts
from distd.catalogue.schema import micros, packages
from distd.domain import rollout
from distd.domain.actor import SYSTEM
from distd.domain.assignment_terms import Terms
from distd.domain.errors import BadInput, Conflict
from distd.domain.results import Outcome
from distd.domain.rollout_state import DecisionKind
from distd.origin.deployments import acts, assignments, rollout_members
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.deployments.rollout_record import RunningRollout  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.rollout_state import Decision, RolloutState


def carry_out(
    conn: Connection, actor: Actor, found: RunningRollout, decisions: Sequence[Decision], now_s: float
) -> str | None:
    """Do what was decided. Gives why the package cannot be assigned; then what was to follow is not done."""
    for decision in decisions:
        try:
            done = _do(conn, actor, found, decision, now_s)
        except (Conflict, BadInput) as error:
            if actor is not SYSTEM:
                raise
            return str(error)
        wave = {} if decision.wave is None else {"wave": decision.wave + 1}
        detail = {"rollout": found.id, "name": found.name, **wave, **decision.figures, **done}
        kind = Kind(f"ROLLOUT_{decision.kind}")
        event_log.append_many(conn, [Note(kind, actor, now_s, found.package_id, None, detail)])
    return None


def _do(
    conn: Connection, actor: Actor, found: RunningRollout, decision: Decision, now_s: float
) -> dict[str, int | str]:
    if decision.kind is DecisionKind.ASSIGNED and decision.wave is not None:
        return _assign(conn, found, decision.wave, decision.computers, now_s)
    if decision.kind is DecisionKind.RETRIED and decision.wave is not None:
        return _retry(conn, found, decision.wave, decision.computers, now_s)
    if decision.kind is DecisionKind.RECALLED:
        return {"computers": recall(conn, found, decision.wave, decision.computers, now_s)}
    if decision.kind is DecisionKind.ROLLED_BACK:
        return _roll_back(conn, actor, found, decision.computers, now_s)
    return {}


def _assign(conn: Connection, found: RunningRollout, wave: int, number: int, now_s: float) -> dict[str, int | str]:
    ids = rollout_members.find_pending(conn, found.id, wave, number)
    terms = Terms(force=found.force, any_os=found.any_os)
    request = AssignmentRequest(
        found.package_id,
        list(ids),
        terms,
        found.origin,
        skip_had=True,
        skip_unfit=True,
        config_of=lambda _: found.config,
    )
    done = assignments.assign(conn, SYSTEM, request, now_s)
    unfit = [ids[each.device_id] for each in done.skipped]
    rollout_members.change(conn, found.id, list(ids.values()), assigned_at_us=micros(now_s))
    rollout_members.change(conn, found.id, unfit, passed_over=True)
    return {"computers": len(done.assigned), "already": len(done.already), "passed_over": len(unfit)}


def _retry(conn: Connection, found: RunningRollout, wave: int, number: int, now_s: float) -> dict[str, int | str]:
    rows = rollout_members.find_to_retry(conn, found, wave, number)
    chosen = ChosenAssignments([Outcome.FAILED], device_ids=[row.device_id for row in rows])
    acts.renotify(conn, SYSTEM, found.package_id, chosen, now_s)
    for retries in {row.retries for row in rows}:
        mine = [row.computer_id for row in rows if row.retries == retries]
        rollout_members.change(conn, found.id, mine, retries=retries + 1)
    return {"computers": len(rows)}


def recall(conn: Connection, found: RunningRollout, wave: int | None, number: int, now_s: float) -> int:
    """Take back at most so many assignments that it made and of which no agent was notified, of a wave or of all; gives
    how many. They are made again when it goes on."""
    rows = rollout_members.find_waiting(conn, found, wave, number)
    assignments.take_back(conn, rows, now_s)
    rollout_members.change(conn, found.id, [row.computer_id for row in rows if not row.retries], assigned_at_us=None)
    for retries in {row.retries for row in rows if row.retries}:  # the failure before counts again
        mine = [row.computer_id for row in rows if row.retries == retries]
        rollout_members.change(conn, found.id, mine, retries=retries - 1)
    notes = [Note(Kind.UNASSIGNED, SYSTEM, now_s, found.package_id, row.computer_id, {"listed": False}) for row in rows]
    event_log.append_many(conn, notes)
    return len(rows)


def _roll_back(
    conn: Connection, actor: Actor, found: RunningRollout, number: int, now_s: float
) -> dict[str, int | str]:
    """So many, at most, that have the package get the one that it is rolled back to."""
    ids = rollout_members.find_to_roll_back(conn, found, number)
    # In the history of those that had it before: it has to run again.
    terms = Terms(force=True, any_os=found.any_os)
    request = AssignmentRequest(found.plan.roll_back_to, list(ids), terms, found.origin, skip_had=True, skip_unfit=True)
    done = assignments.assign(conn, actor, request, now_s)
    rollout_members.change(conn, found.id, list(ids.values()), rolled_back_at_us=micros(now_s))
    return {"computers": len(done.assigned), "already": len(done.already), "passed_over": len(done.skipped)}


def find_successor(conn: Connection, package_id: str) -> str:
    """The newest package that supersedes this one and is not deleted, however many are between; itself, if there is
    none."""
    newest, last, seen = package_id, package_id, {package_id}
    columns = packages.c.id, packages.c.superseded_by, packages.c.deleted_at_us
    while True:
        row = conn.execute(select(*columns).where(packages.c.id == last)).one_or_none()
        if row is None:
            return newest
        if row.deleted_at_us is None:
            newest = row.id
        if row.superseded_by is None or row.superseded_by in seen:
            return newest
        last = row.superseded_by
        seen.add(last)


def supersede(
    conn: Connection, found: RunningRollout, now_s: float, save: Callable[[RolloutState, RolloutState], None]
) -> RunningRollout | None:
    """Where its package was superseded, it goes on with the successor, from the first wave. None: not yet, as more is
    to be taken back than one transaction takes."""
    newest = find_successor(conn, found.package_id)
    if newest == found.package_id:
        return found
    if recall(conn, found, None, rollout.MAX_STEP, now_s) == rollout.MAX_STEP:
        return None
    state, decision = rollout.restart(found.plan, found.state, found.package_id, newest)
    save(found.state, state)
    rollout_members.begin_anew(conn, found.id)
    conn.execute(update(rollouts).where(rollouts.c.id == found.id).values(package_id=newest, forecast=None))
    anew = replace(found, package_id=newest, state=state)
    carry_out(conn, SYSTEM, anew, [decision], now_s)
    return anew
