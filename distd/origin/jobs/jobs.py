"""Jobs: work that takes too long for an answer. A serving process takes one, tells how far it is, and ends it.

They are in the catalogue, so that every process shows them and one that ends unheard leaves no job that runs for ever:
`fail_lost` ends what nobody was heard of for `LOST_S`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from distd.catalogue.jobs_schema import jobs
from distd.catalogue.lists import read_page
from distd.catalogue.schema import micros, seconds
from distd.domain.actor import Actor, ActorKind
from distd.domain.errors import Conflict, NotFound
from distd.wire.problem import content_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from distd.domain.page import Page, Window

PLACE: Final = (int,)  # of a job in the list: its id
MAX_WAITING: Final = 100  # jobs that may wait for their turn
LOST_S: Final = 30.0
KEPT: Final = 1000  # jobs that have ended, of which the oldest are forgotten


class JobKind(StrEnum):
    """What is to be done."""

    BUILD = "BUILD"
    SUPERSEDE = "SUPERSEDE"
    FOLLOW = "FOLLOW"  # supersede by the new version of a source that is watched
    VERIFY = "VERIFY"


class JobState(StrEnum):
    """How it is with a job. RUNNING also means that it waits for its turn; `started_at_s` is null then."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job has failed: a problem (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class PackageFault:
    """A file of a package that is not what its digest says."""

    what: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Job:
    """Work that takes long. `package` is that which was made, or is looked at; `total_bytes` 0: not known yet; `error`
    is a problem. `warnings` are for the operator, `faults` what a VERIFY has found wrong."""

    id: int
    kind: str
    actor: str
    state: str
    done_bytes: int
    total_bytes: int
    package: str | None
    error: JobError | None
    warnings: list[str]
    faults: list[PackageFault]
    created_at_s: float
    started_at_s: float | None
    ended_at_s: float | None


@dataclass(frozen=True, slots=True)
class TakenJob:
    """A job whose turn it is. `request` is what `create` was given."""

    id: int
    kind: JobKind
    actor: Actor
    request: dict[str, Any]
    created_at_s: float


def create(
    conn: Connection, actor: Actor, kind: JobKind, request: dict[str, Any], now_s: float, package_id: str | None = None
) -> int:
    """Have something done; gives the id of the job. Raises `Conflict` when too many wait."""
    waiting = conn.scalar(select(func.count()).select_from(jobs).where(*_WAITING)) or 0
    if waiting >= MAX_WAITING:
        raise Conflict("jobs", f"{MAX_WAITING} wait for their turn already", "wait until some are done")
    row = {
        "kind": kind,
        "actor_kind": actor.kind,
        "actor_name": actor.name,
        "request": request,
        "state": JobState.RUNNING,
        "package_id": package_id,
        "created_at_us": micros(now_s),
    }
    key = conn.execute(insert(jobs).values(**row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def list_jobs(conn: Connection, window: Window) -> Page[Job]:
    """The newest first."""
    return read_page(conn, select(jobs), (jobs.c.id,), window, _job, newest_first=True)


def show(conn: Connection, job_id: str) -> Job:
    """One job. Raises `NotFound`."""
    return _job(_row(conn, job_id))


def cancel(conn: Connection, actor: Actor, job_id: str, now_s: float) -> Job:
    """End a job; what runs is stopped within a second or so. Raises `NotFound`, `Conflict` for one that has ended."""
    row = _row(conn, job_id)
    if not _end(conn, row.id, now_s, JobState.FAILED, error=content_of(409, f"it was cancelled by {actor}")):
        raise Conflict("job", f"{job_id} has ended already: {row.state}")
    return _job(_row(conn, job_id))


def are_open(conn: Connection) -> bool:
    """Whether a job waits or runs."""
    return conn.scalar(select(jobs.c.id).where(_RUNNING).limit(1)) is not None


def take(conn: Connection, now_s: float, max_running: int) -> TakenJob | None:
    """The job whose turn it is, which the caller does now; None: there is none, or `max_running` are done already."""
    running = select(func.count()).select_from(jobs)
    if (conn.scalar(running.where(_RUNNING, jobs.c.started_at_us.is_not(None))) or 0) >= max_running:
        return None
    row = conn.execute(select(jobs).where(*_WAITING).order_by(jobs.c.id).limit(1)).one_or_none()
    if row is None:
        return None
    at_us = micros(now_s)
    conn.execute(update(jobs).where(jobs.c.id == row.id).values(started_at_us=at_us, seen_at_us=at_us))
    actor = Actor(ActorKind(row.actor_kind), row.actor_name)
    return TakenJob(row.id, JobKind(row.kind), actor, row.request, row.created_at_us / 1_000_000)


def tell(conn: Connection, job_id: int, done_bytes: int, total_bytes: int, now_s: float) -> bool:
    """How far it is. False: it has been ended meanwhile."""
    values = {"done_bytes": done_bytes, "total_bytes": total_bytes, "seen_at_us": micros(now_s)}
    return bool(conn.execute(update(jobs).where(jobs.c.id == job_id, _RUNNING).values(**values)).rowcount)


def finish(conn: Connection, job_id: int, package_id: str | None, result: dict[str, Any], now_s: float) -> None:
    """It is done. To be called in the transaction that enters what was made: raises `Conflict` when the job has been
    ended meanwhile, so that nothing is entered then."""
    whole = {"package_id": package_id, "result": result, "done_bytes": jobs.c.total_bytes}
    if not _end(conn, job_id, now_s, JobState.DONE, **whole):
        raise Conflict("job", f"{job_id} was ended meanwhile")


def fail(conn: Connection, job_id: int, error: dict[str, Any], now_s: float) -> None:
    """It has failed; `error` is a problem. One that has ended stays as it is."""
    _end(conn, job_id, now_s, JobState.FAILED, error=error)


def fail_lost(conn: Connection, now_s: float) -> list[int]:
    """End the jobs whose process was not heard of for `LOST_S`, and forget old ones; gives the ids of the first."""
    is_lost = jobs.c.seen_at_us < micros(now_s - LOST_S)
    lost = list(conn.scalars(select(jobs.c.id).where(_RUNNING, jobs.c.started_at_us.is_not(None), is_lost)))
    for job_id in lost:
        fail(conn, job_id, content_of(503, "the server ended while it was at work; ask for it again"), now_s)
    newest = select(jobs.c.id).where(jobs.c.state != JobState.RUNNING).order_by(jobs.c.id.desc())
    oldest = conn.scalar(newest.offset(KEPT).limit(1))
    if oldest is not None:
        conn.execute(delete(jobs).where(jobs.c.id <= oldest, jobs.c.state != JobState.RUNNING))
    return lost


_RUNNING: Final = jobs.c.state == JobState.RUNNING.value
_WAITING: Final = (_RUNNING, jobs.c.started_at_us.is_(None))


def _end(conn: Connection, job_id: int, now_s: float, state: JobState, **values: Any) -> bool:
    statement = update(jobs).where(jobs.c.id == job_id, _RUNNING)
    return bool(conn.execute(statement.values(state=state.value, ended_at_us=micros(now_s), **values)).rowcount)


def _row(conn: Connection, job_id: str) -> Row[Any]:
    is_number = job_id.isascii() and job_id.isdecimal() and len(job_id) <= 18
    row = conn.execute(select(jobs).where(jobs.c.id == int(job_id))).one_or_none() if is_number else None
    if row is None:
        raise NotFound("job", "the id of a job", job_id)
    return row


def _job(row: Row[Any]) -> Job:
    result = row.result or {}
    return Job(
        id=row.id,
        kind=row.kind,
        actor=str(Actor(ActorKind(row.actor_kind), row.actor_name)),
        state=row.state,
        done_bytes=row.done_bytes,
        total_bytes=row.total_bytes,
        package=row.package_id,
        error=None if row.error is None else JobError(**({"errors": []} | row.error)),
        warnings=list(result.get("warnings", ())),
        faults=[PackageFault(**fault) for fault in result.get("faults", ())],
        created_at_s=row.created_at_us / 1_000_000,
        started_at_s=seconds(row.started_at_us),
        ended_at_s=seconds(row.ended_at_us),
    )
