"""How many computers are where with a package, by its latest assignment on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, exists, func, or_, select

from distd.catalogue import dialect
from distd.catalogue.schema import assignments, progress
from distd.domain.results import Outcome, classify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

NOTIFIED = "NOTIFIED"  # OCS's code of an assignment whose agent was notified


@dataclass(slots=True)
class Counters:
    """Numbers of computers by their state: see `domain.results.Outcome`. `unproven`: of all these, those where only the
    agent claims to have the package."""

    waiting: int = 0
    notified: int = 0
    downloading: int = 0
    success: int = 0
    failed: int = 0
    unproven: int = 0


def count_computers(conn: Connection, package_ids: Sequence[str]) -> Mapping[str, Counters]:
    """The counters of each of these packages that is assigned to a computer."""
    found: dict[str, Counters] = {}
    for ids in dialect.chunks(package_ids):
        code = current_code().label("code")
        fetched = case((progress.c.fragments > 0, 1), else_=0).label("fetched")
        unproven = case((is_unproven(), 1), else_=0).label("unproven")
        query = (
            select(assignments.c.package_id, code, fetched, unproven, func.count().label("computers"))
            .select_from(assignments.outerjoin(progress, progress_of_assignment()))
            .where(assignments.c.package_id.in_(ids), is_latest())
            .group_by(assignments.c.package_id, code, fetched, unproven)
        )
        for row in conn.execute(query):
            counters = found.setdefault(row.package_id, Counters())
            _add(counters, classify(row.code, row.fetched), row.computers)
            counters.unproven += row.computers if row.unproven else 0
    return found


def current_code() -> ColumnElement[Any]:
    """What the agent has reported, else OCS's code of an assignment that has no result; NULL: it was not notified."""
    return case(
        (assignments.c.result.is_not(None), assignments.c.result),
        (assignments.c.notified_at_us.is_not(None), NOTIFIED),
    )


def is_latest() -> ColumnElement[bool]:
    """Whether an assignment is the latest one of its package on its computer."""
    newer = assignments.alias("newer")
    is_newer = and_(
        newer.c.package_id == assignments.c.package_id,
        newer.c.computer_id == assignments.c.computer_id,
        newer.c.id > assignments.c.id,
    )
    return ~exists().where(is_newer)


def is_claimed() -> ColumnElement[bool]:
    """Whether an assignment waits because only the agent's history has its package."""
    return and_(
        assignments.c.result.is_(None), assignments.c.notified_at_us.is_(None), assignments.c.claimed_at_us.is_not(None)
    )


def is_unproven() -> ColumnElement[bool]:
    """Whether only the agent claims to have the package. For rows of `assignments` with an outer join of `progress`."""
    return or_(is_claimed(), and_(assignments.c.unproven_at_us.is_not(None), progress.c.fragments.is_(None)))


def in_state(conn: Connection, package_ids: Sequence[str], state: Outcome) -> ColumnElement[bool]:
    """Whether an assignment of one of these packages is in this state. For rows of `assignments` with an outer join of
    `progress`. Codes are any text, and only Python can tell which of them are a success: so their few values are asked
    for."""
    is_open, is_notified = assignments.c.result.is_(None), assignments.c.notified_at_us.is_not(None)
    has_fetched = func.coalesce(progress.c.fragments, 0) > 0
    match state:
        case Outcome.WAITING:
            return is_open & ~is_notified
        case Outcome.NOTIFIED:
            return is_open & is_notified & ~has_fetched
        case Outcome.DOWNLOADING:
            return is_open & is_notified & has_fetched
    codes: set[str | None] = set()
    for ids in dialect.chunks(package_ids):
        codes.update(conn.scalars(select(assignments.c.result).where(assignments.c.package_id.in_(ids)).distinct()))
    return assignments.c.result.in_(sorted(code for code in codes if code is not None and classify(code) is state))


def progress_of_assignment() -> ColumnElement[bool]:
    """Joins the progress of an assignment."""
    return and_(
        progress.c.computer_id == assignments.c.computer_id,
        progress.c.package_id == assignments.c.package_id,
    )


def _add(counters: Counters, outcome: Outcome, count: int) -> None:
    name = outcome.lower()
    setattr(counters, name, getattr(counters, name) + count)
