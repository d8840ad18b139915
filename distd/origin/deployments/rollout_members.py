"""The computers of a roll-out: where they are with the package. Who they are: `rollout_choice`."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, exists, func, select, update

from distd.catalogue import dialect
from distd.catalogue.rollouts_schema import rollout_members as members
from distd.catalogue.schema import assignments, computers, counters, micros, progress
from distd.domain.assignment_terms import OriginKind
from distd.domain.results import OPEN, CodeClass, Outcome, class_of
from distd.domain.rollout_state import WaveFacts
from distd.origin.packages.counters import is_latest, progress_of_assignment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select, Table

    from distd.domain.assignment_terms import AssignmentOrigin
    from distd.origin.deployments.rollout_record import RunningRollout

RETRIED: Final = (CodeClass.ERROR, CodeClass.TOO_LATE)  # what another attempt may help against
DEPLOYED: Final = (CodeClass.SUCCESS, CodeClass.ALREADY_THERE)


def count(conn: Connection, found: RunningRollout, now_s: float) -> list[WaveFacts]:
    """The numbers of each wave. Computers that were passed over, or whose assignment an operator took back or
    cancelled, count nowhere."""
    plan, mine = found.plan, (members.c.rollout_id == found.id, members.c.passed_over.is_(False))
    last_at_us = func.coalesce(progress.c.last_at_us, assignments.c.notified_at_us, assignments.c.assigned_at_us)
    each = (
        select(
            members.c.wave,
            (members.c.retries < plan.retries).label("can_retry"),
            members.c.rolled_back_at_us.is_(None).label("to_roll_back"),
            assignments.c.state,
            assignments.c.result,
            assignments.c.cancelled_at_us.is_not(None).label("cancelled"),
            _is_by(found.origin).label("mine"),
            (last_at_us < micros(now_s - plan.halts.stalled_after_s)).label("late"),
        )
        .select_from(members)
        .join(assignments, _of_member(found.package_id))
        .outerjoin(progress, progress_of_assignment())
        .where(*mine, members.c.assigned_at_us.is_not(None))
        .subquery()
    )
    counted = [Counter[str]() for _ in plan.waves]
    pending = select(members.c.wave, func.count().label("computers")).where(*mine, members.c.assigned_at_us.is_(None))
    for row in conn.execute(pending.group_by(members.c.wave)):
        counted[row.wave]["pending"] = row.computers
    for row in conn.execute(select(*each.c, func.count().label("computers")).group_by(*each.c)):
        for name in _kinds_of(row):
            counted[row.wave][name] += row.computers
    return [WaveFacts(**numbers) for numbers in counted]


def _kinds_of(row: Any) -> list[str]:
    """The numbers of `WaveFacts` that an assignment counts for."""
    if row.state in OPEN:
        is_waiting = row.state == Outcome.WAITING
        late = ["silent" if is_waiting else "stalled"] if row.late else []
        return ["active", *late, *(["recallable"] if is_waiting and row.mine else [])]
    found = class_of(row.result, cancelled=row.cancelled)
    if found in DEPLOYED:
        return ["success", *(["to_roll_back"] if row.to_roll_back else [])]
    if found is CodeClass.CANCELLED:
        return []
    return ["to_retry" if row.can_retry and found in RETRIED and row.state == Outcome.FAILED else "failed"]


def _of_member(package_id: str) -> Any:
    return and_(assignments.c.computer_id == members.c.computer_id, assignments.c.package_id == package_id, is_latest())


def find_pending(conn: Connection, rollout_id: int, wave: int, limit: int) -> dict[str, int]:
    """Ids by DEVICEID of computers of the wave that are to be assigned the package."""
    query = (
        select(computers.c.device_id, computers.c.id)
        .join(members, members.c.computer_id == computers.c.id)
        .where(members.c.rollout_id == rollout_id, members.c.wave == wave)
        .where(members.c.assigned_at_us.is_(None), members.c.passed_over.is_(False))
    )
    return {row.device_id: row.id for row in conn.execute(query.order_by(computers.c.id).limit(limit))}


def find_waiting(conn: Connection, found: RunningRollout, wave: int | None, limit: int) -> list[Any]:
    """So many assignments, at most, that this roll-out made and no agent was notified of, of the computers of the wave
    or of all: rows of the table, with `device_id` and `retries`."""
    query = _assigned(found, Outcome.WAITING).where(_is_by(found.origin))
    if wave is not None:
        query = query.where(members.c.wave == wave)
    return list(conn.execute(query.limit(limit)))


def has_waiting(rollouts: Table) -> ColumnElement[bool]:
    """Whether roll-outs, rows of this table, may have such assignments: their packages' counters tell most of them."""
    is_counted = counters.c.state == Outcome.WAITING, counters.c.computers > 0
    counted = exists().where(counters.c.package_id == rollouts.c.package_id, *is_counted)
    made = exists().where(
        assignments.c.package_id == rollouts.c.package_id,
        assignments.c.state == Outcome.WAITING,
        assignments.c.origin_kind == OriginKind.ROLLOUT,
        assignments.c.origin_name == rollouts.c.name,
    )
    return and_(counted, made)


def find_to_retry(conn: Connection, found: RunningRollout, wave: int, limit: int) -> list[Any]:
    """So many that failed, at most, and have an attempt left: rows as of `find_waiting`."""
    query = _assigned(found, Outcome.FAILED).where(members.c.wave == wave, members.c.retries < found.plan.retries)
    left = (row for row in _in_pages(conn, query.where(assignments.c.cancelled_at_us.is_(None)), limit))
    return list(islice((row for row in left if class_of(row.result) in RETRIED), limit))


def find_to_roll_back(conn: Connection, found: RunningRollout, limit: int) -> dict[str, int]:
    """Ids by DEVICEID of so many, at most, that have the package and were not rolled back."""
    query = _assigned(found, Outcome.SUCCESS, Outcome.ARCHIVED).where(members.c.rolled_back_at_us.is_(None))
    having = (row for row in _in_pages(conn, query, limit) if class_of(row.result) in DEPLOYED)
    return {row.device_id: row.computer_id for row in islice(having, limit)}


def _assigned(found: RunningRollout, *states: Outcome) -> Select[Any]:
    """The latest assignments in these states of the computers that have it by the roll-out."""
    return (
        select(assignments, computers.c.device_id, members.c.retries)
        .select_from(members)
        .join(assignments, _of_member(found.package_id))
        .join(computers, computers.c.id == members.c.computer_id)
        .where(members.c.rollout_id == found.id, assignments.c.state.in_(states))
        .where(members.c.assigned_at_us.is_not(None), members.c.passed_over.is_(False))
        .order_by(members.c.computer_id)
    )


def _in_pages(conn: Connection, query: Select[Any], size: int) -> Iterator[Any]:
    after = 0
    while rows := conn.execute(query.where(members.c.computer_id > after).limit(size)).all():
        yield from rows
        after = rows[-1].computer_id


def _is_by(origin: AssignmentOrigin) -> ColumnElement[bool]:
    """Whether an assignment was made by this roll-out, and not by another one of the same package."""
    return and_(assignments.c.origin_kind == origin.kind, assignments.c.origin_name == origin.name)


def change(conn: Connection, rollout_id: int, computer_ids: Sequence[int], **values: Any) -> None:
    """Set columns of these members."""
    for ids in dialect.chunks(computer_ids):
        mine = members.c.rollout_id == rollout_id, members.c.computer_id.in_(ids)
        conn.execute(update(members).where(*mine).values(**values))


def begin_anew(conn: Connection, rollout_id: int) -> None:
    """All its computers are to be assigned another package."""
    anew = {"assigned_at_us": None, "retries": 0, "passed_over": False, "rolled_back_at_us": None}
    conn.execute(update(members).where(members.c.rollout_id == rollout_id).values(**anew))
