"""Packages that computers get again every so many days: make, list, edit, delete; what is due is done (`run_due`).

A run comes to all computers it is for, in the order of their ids and a bounded number at a time: those with a result
get another attempt, whatever their agents have in their histories, those that never had the package get it, and those
that have not done with the one before are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, insert, select, update
from sqlalchemy import delete as delete_from

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.lists import read_page
from distd.catalogue.recurring_schema import recurrences
from distd.catalogue.schema import TEXT_LIMIT, assignments, computers, micros, packages, seconds
from distd.domain.actor import SYSTEM
from distd.domain.assignment_terms import AssignmentOrigin, OriginKind
from distd.domain.errors import BadInput, Conflict, DistdError, NotFound
from distd.domain.filters.render import render
from distd.domain.recurrence import check_days, next_due
from distd.origin.computers import saved_filters
from distd.origin.deployments import acts
from distd.origin.deployments import assignments as assigning
from distd.origin.deployments.acts import ChosenAssignments
from distd.origin.deployments.assignments import AssignmentRequest
from distd.origin.deployments.choices import CHOICES
from distd.origin.groups import groups
from distd.origin.packages.counters import is_latest
from distd.origin.packages.packages import show as show_package

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window

MAX_RECURRENCES: Final = 1000
AT_ONCE: Final = 2000  # computers, in a transaction
PLACE: Final = (int,)  # of a recurrence in the list: its id
HAVING: Final = ""  # who: those that have the package assigned
WHO: Final = (OriginKind.FILTER, OriginKind.GROUP, OriginKind.TAG)


@dataclass(frozen=True, slots=True)
class NewRecurrence:
    """`who` None: the computers that have it assigned. `first_s` None: so many days from now."""

    package_id: str
    every_days: int
    who: AssignmentOrigin | None = None
    first_s: float | None = None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A package that comes again. `who_kind`: filter, group, tag, or empty: those that have it assigned. The last run
    was for `last_computers`; `why` it was none, where something was in the way."""

    id: int
    package_id: str
    package_name: str
    every_days: int
    who_kind: str
    who: str
    next_at_s: float
    last_at_s: float | None
    last_computers: int
    why: str
    created_by: str
    created_at_s: float


@dataclass(frozen=True, slots=True)
class RecurrenceChanges:
    """What is to be different; None: it stays. `who`: in a tuple of one, whose None are those that have it assigned.
    `next_s`: when it comes next; later times follow from it."""

    every_days: int | None = None
    who: tuple[AssignmentOrigin | None] | None = None
    next_s: float | None = None


def create(conn: Connection, actor: Actor, new: NewRecurrence, now_s: float) -> Recurrence:
    """Raises `BadInput`, `NotFound`, `Conflict` where there are too many."""
    check_days(new.every_days)
    show_package(conn, new.package_id)
    if (conn.scalar(select(func.count()).select_from(recurrences)) or 0) >= MAX_RECURRENCES:
        raise Conflict("package", f"there are {MAX_RECURRENCES:,} recurrences already", "delete some")
    if new.first_s is not None and new.first_s < now_s:
        raise BadInput("first_at", "a time that is to come", "one that has passed")
    kind, name = _who(conn, actor, new.who, now_s)
    first_s = next_due(now_s, new.every_days, now_s) if new.first_s is None else new.first_s
    row = {
        "package_id": new.package_id,
        "every_days": new.every_days,
        "who_kind": kind,
        "who_name": name,
        "first_at_us": micros(first_s),
        "next_at_us": micros(first_s),
        "created_by": str(actor),
        "created_at_us": micros(now_s),
    }
    made = conn.execute(insert(recurrences).values(**row).returning(recurrences.c.id)).scalar_one()
    detail: dict[str, Any] = {"every_days": new.every_days, "who": f"{kind} {name}".strip(), "first_at_s": first_s}
    _note(conn, Kind.RECURRENCE_CREATED, actor, (made, new.package_id), now_s, **detail)
    return show(conn, str(made))


def _who(conn: Connection, actor: Actor, who: AssignmentOrigin | None, now_s: float) -> tuple[str, str]:
    """What it is for, checked; filters as they are now."""
    if who is None:
        return HAVING, ""
    name = who.name
    if who.kind is OriginKind.GROUP:
        name = groups.written_name(conn, name, "to.group")
    elif who.kind is OriginKind.FILTER:
        tree = saved_filters.read_filter(conn, actor, name)
        name = "" if tree is None else render(tree)
    CHOICES[who.kind](conn, actor, name, now_s)
    return who.kind, name


def list_recurrences(conn: Connection, window: Window) -> Page[Recurrence]:
    """In the order in which they were made."""
    return read_page(conn, _query(), (recurrences.c.id,), window, _made)


def show(conn: Connection, recurrence_id: str) -> Recurrence:
    """One of them. Raises `NotFound`."""
    is_number = recurrence_id.isascii() and recurrence_id.isdecimal() and len(recurrence_id) <= 9
    row = conn.execute(_query().where(recurrences.c.id == int(recurrence_id))).one_or_none() if is_number else None
    if row is None:
        raise NotFound("recurrence", "the id of a recurrence", recurrence_id)
    return _made(row)


def edit(conn: Connection, actor: Actor, recurrence_id: str, changes: RecurrenceChanges, now_s: float) -> Recurrence:
    """Change it. Another number of days counts from the first time; a run that has begun goes on, for whom it is then,
    unless it is to come at another time. Raises `NotFound`, `BadInput`."""
    before = show(conn, recurrence_id)
    row = conn.execute(select(recurrences).where(recurrences.c.id == before.id)).one()
    values: dict[str, Any] = {}
    if changes.every_days is not None:
        check_days(changes.every_days)
        values["every_days"] = changes.every_days
        if changes.every_days != row.every_days and row.next_at_us > micros(now_s) and row.first_at_us <= micros(now_s):
            values["next_at_us"] = micros(next_due(row.first_at_us / 1e6, changes.every_days, now_s))
    if changes.who is not None:
        kind, name = _who(conn, actor, changes.who[0], now_s)
        # From the first computer on: who was come to has not done with it, and is passed over.
        values |= {"who_kind": kind, "who_name": name, "done_to": None}
    if changes.next_s is not None:
        if changes.next_s < now_s:
            raise BadInput("first_at", "a time that is to come", "one that has passed")
        next_us = micros(changes.next_s)
        values |= {"first_at_us": next_us, "next_at_us": next_us, "done_to": None, "run_again": 0, "run_new": 0}
    if not values:
        raise BadInput("changes", "something to change", "nothing")
    conn.execute(update(recurrences).where(recurrences.c.id == before.id).values(**values))
    after = show(conn, recurrence_id)
    was, became = _told(before), _told(after)
    if was != became:
        different = [key for key in became if was[key] != became[key]]
        detail = {"before": {key: was[key] for key in different}, "after": {key: became[key] for key in different}}
        _note(conn, Kind.RECURRENCE_CHANGED, actor, (after.id, after.package_id), now_s, **detail)
    return after


def _told(found: Recurrence) -> dict[str, Any]:
    who = f"{found.who_kind} {found.who}".strip()
    return {"every_days": found.every_days, "who": who, "next_at_s": found.next_at_s}


def delete(conn: Connection, actor: Actor, recurrence_id: str, now_s: float) -> Recurrence:
    """It does not come again; what is assigned stays. Raises `NotFound`."""
    found = show(conn, recurrence_id)
    conn.execute(delete_from(recurrences).where(recurrences.c.id == found.id))
    _note(conn, Kind.RECURRENCE_DELETED, actor, (found.id, found.package_id), now_s)
    return found


def find_due(conn: Connection, now_s: float) -> int | None:
    """The id of the one whose run is due first; None: there is none."""
    due = select(recurrences.c.id).where(recurrences.c.next_at_us <= micros(now_s))
    return conn.scalar(due.order_by(recurrences.c.next_at_us, recurrences.c.id).limit(1))


def run_due(conn: Connection, recurrence_id: int, now_s: float) -> int:
    """Do the next part of its run, if that is still due; gives to how many computers."""
    row = _due(conn, recurrence_id, now_s)
    if row is None:
        return 0
    try:
        with conn.begin_nested():
            found = _next(conn, row, now_s)
            ids = {each.device_id: each for each in found}
            new = [name for name, each in ids.items() if each.assignment_id is None]
            again = [name for name, each in ids.items() if each.result is not None and each.withdrawn_at_us is None]
            counts = _again(conn, row, again, now_s), _new(conn, row, new, now_s)
    except DistdError as error:
        _fail(conn, row, str(error), now_s)
        return 0
    total = {"run_again": row.run_again + counts[0], "run_new": row.run_new + counts[1]}
    if len(found) == AT_ONCE:
        values = {**total, "done_to": found[-1].id}
        conn.execute(update(recurrences).where(recurrences.c.id == row.id).values(**values))
    else:
        _finish(conn, row, now_s, {"why": "", "last_computers": sum(total.values())})
        detail: dict[str, Any] = {"again": total["run_again"], "new": total["run_new"]}
        _note(conn, Kind.RECURRENCE_RUN, SYSTEM, (row.id, row.package_id), now_s, **detail)
    return sum(counts)


def fail_due(conn: Connection, recurrence_id: int, why: str, now_s: float) -> None:
    """Give up its run, if that is still due, so that others have their turn."""
    row = _due(conn, recurrence_id, now_s)
    if row is not None:
        _fail(conn, row, why, now_s)


def _due(conn: Connection, recurrence_id: int, now_s: float) -> Row[Any] | None:
    due = recurrences.c.id == recurrence_id, recurrences.c.next_at_us <= micros(now_s)
    return conn.execute(select(recurrences).where(*due)).one_or_none()


def _fail(conn: Connection, row: Row[Any], why: str, now_s: float) -> None:
    _finish(conn, row, now_s, {"why": why[:TEXT_LIMIT], "last_computers": 0})
    _note(conn, Kind.RECURRENCE_FAILED, SYSTEM, (row.id, row.package_id), now_s, why=why[:TEXT_LIMIT])


def _finish(conn: Connection, row: Row[Any], now_s: float, values: dict[str, Any]) -> None:
    next_s = next_due(row.first_at_us / 1e6, row.every_days, now_s)
    anew = {"done_to": None, "run_again": 0, "run_new": 0, "last_at_us": micros(now_s), "next_at_us": micros(next_s)}
    conn.execute(update(recurrences).where(recurrences.c.id == row.id).values(**anew, **values))


def _next(conn: Connection, row: Row[Any], now_s: float) -> list[Row[Any]]:
    """The computers that the run comes to next, each with its latest assignment of the package. Raises `Conflict`
    where the package cannot be assigned."""
    if not show_package(conn, row.package_id).active:
        raise Conflict("package", f"{row.package_id} is not active", "activate it")
    mine = and_(assignments.c.computer_id == computers.c.id, assignments.c.package_id == row.package_id, is_latest())
    query = (
        select(
            *(computers.c.id, computers.c.device_id, assignments.c.id.label("assignment_id")),
            *(assignments.c.result, assignments.c.withdrawn_at_us),
        )
        .select_from(computers.outerjoin(assignments, mine))
        .where(computers.c.id > (row.done_to or 0))
    )
    if row.who_kind == HAVING:
        query = query.where(assignments.c.id.is_not(None))
    else:
        query = query.where(CHOICES[OriginKind(row.who_kind)](conn, SYSTEM, row.who_name, now_s))
    return list(conn.execute(query.order_by(computers.c.id).limit(AT_ONCE)))


def _again(conn: Connection, row: Row[Any], device_ids: list[str], now_s: float) -> int:
    if device_ids:
        chosen = ChosenAssignments(device_ids=device_ids)
        acts.renotify(conn, SYSTEM, row.package_id, chosen, now_s, force=True)
    return len(device_ids)


def _new(conn: Connection, row: Row[Any], device_ids: list[str], now_s: float) -> int:
    if not device_ids:
        return 0
    origin = AssignmentOrigin(OriginKind.RECURRENCE, str(row.id))
    request = AssignmentRequest(row.package_id, device_ids, origin=origin, skip_had=True, skip_others=True)
    return len(assigning.assign(conn, SYSTEM, request, now_s).assigned)


def _note(conn: Connection, kind: Kind, actor: Actor, which: tuple[int, str], now_s: float, **detail: Any) -> None:
    """`which`: its id and its package's."""
    event_log.append(conn, kind, actor, at_s=now_s, package_id=which[1], recurrence=which[0], **detail)


def _query() -> Any:
    return select(recurrences, packages.c.name.label("package_name")).join(
        packages, packages.c.id == recurrences.c.package_id
    )


def _made(row: Row[Any]) -> Recurrence:
    return Recurrence(
        id=row.id,
        package_id=row.package_id,
        package_name=row.package_name,
        every_days=row.every_days,
        who_kind=row.who_kind,
        who=row.who_name,
        next_at_s=row.next_at_us / 1_000_000,
        last_at_s=seconds(row.last_at_us),
        last_computers=row.last_computers,
        why=row.why,
        created_by=row.created_by,
        created_at_s=row.created_at_us / 1_000_000,
    )
