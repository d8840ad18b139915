"""Sources whose new versions supersede a package: watch, list, show, edit, forget; what was found of them.

Who looks takes those that are due (`take_due`), so that no other process looks at the same time, and says what it found
(`found`, `failed`, `settling`): who comes too late, when somebody else may have looked already, is not heard. A new
version becomes a job that supersedes the package; its digest counts when the job is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, select, update

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.jobs_schema import jobs as jobs_table
from distd.catalogue.lists import read_page
from distd.catalogue.recurring_schema import watched_sources
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, micros, packages, seconds
from distd.domain.actor import SYSTEM
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.folding import fold
from distd.domain.watched_source import SETTLED_S, PlaceKind, check_interval, read_place, without_queries
from distd.origin.jobs import jobs
from distd.origin.jobs.jobs import JobKind, JobState
from distd.origin.packages.packages import show as show_package

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window
    from distd.domain.watched_source import SourceVersion

MAX_SOURCES: Final = 200
AT_ONCE: Final = 4  # sources that are taken together
LOOK_AT_JOB_S: Final = 5.0
FAILING_S: Final = 3600.0  # after jobs that failed one after the other, for whatever is not known
PLACE: Final = (str,)  # of a source in the list: its folded name


@dataclass(frozen=True, slots=True)
class NewSource:
    """`with_assignments`: the computers that have the package assigned get each new one."""

    name: str
    package_id: str
    place: str
    every_s: float
    with_assignments: bool = True


@dataclass(frozen=True, slots=True)
class SourceChanges:
    """What is to be different; None: it stays."""

    name: str | None = None
    place: str | None = None
    every_s: float | None = None
    with_assignments: bool | None = None


@dataclass(frozen=True, slots=True)
class WatchedSource:
    """`kind`: PATH or URL; `place`: which, a URL without its query. `digest`: BLAKE3 of the version that the package is
    made of, as far as is known; `job`: that makes a package of a new one. `changed_at_s`: when the last new version was
    found; `failing_since_s`: since when it cannot be read or no package can be made of it, `why` says the reason."""

    name: str
    package_id: str
    package_name: str
    kind: str
    place: str
    every_s: int
    with_assignments: bool
    digest: str
    size_bytes: int | None
    job: int | None
    next_at_s: float
    checked_at_s: float | None
    changed_at_s: float | None
    failing_since_s: float | None
    why: str
    created_by: str
    created_at_s: float


@dataclass(frozen=True, slots=True)
class DueSource:
    """What is to be looked at. `leased_to_us`: till when nobody else does."""

    id: int
    name: str
    kind: PlaceKind
    place: str
    hint: str
    leased_to_us: int


def create(conn: Connection, actor: Actor, new: NewSource, now_s: float) -> WatchedSource:
    """Watch a source: what is there at the first look is taken for what the package was made of. Whether a path may be
    read the caller has checked. Raises `BadInput`, `NotFound`, `Conflict`."""
    name = _checked_name(conn, new.name)
    kind, every_s = read_place(new.place), check_interval(new.every_s)
    package = show_package(conn, new.package_id)
    if package.superseded_by is not None:
        hint = f"watch for {package.superseded_by}, its successor"
        raise Conflict("package", f"{package.id} is superseded already", hint)
    if (conn.scalar(select(func.count()).select_from(watched_sources)) or 0) >= MAX_SOURCES:
        raise Conflict("name", f"{MAX_SOURCES} sources are watched already", "delete some")
    row = {
        "name": name,
        "name_key": fold(name),
        "package_id": new.package_id,
        "kind": kind,
        "location": new.place,
        "every_s": every_s,
        "with_assignments": new.with_assignments,
        "next_at_us": micros(now_s),
        "created_by": str(actor),
        "created_at_us": micros(now_s),
    }
    conn.execute(insert(watched_sources).values(**row))
    _note(
        conn,
        Kind.SOURCE_WATCHED,
        actor,
        _row(conn, name),
        now_s,
        place=without_queries(new.place)[:NAME_LIMIT],
        every_s=every_s,
    )
    return show(conn, name)


def _checked_name(conn: Connection, text: str, but: int | None = None) -> str:
    """`but`: the source that may have it."""
    name = text.strip()
    if not fold(name) or len(name) > NAME_LIMIT or not name.isprintable() or "/" in name:
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters without /", text)
    known = conn.scalar(select(watched_sources.c.id).where(watched_sources.c.name_key == fold(name)))
    if known not in (None, but):
        raise Conflict("name", f"there is a source {name} already", "give it another name")
    return name


def edit(conn: Connection, actor: Actor, name: str, changes: SourceChanges, now_s: float) -> WatchedSource:
    """Change it. Another place is looked at at once: what is there is a new version, unless it is the same content.
    Whether a path may be read the caller has checked. Raises `BadInput`, `NotFound`, `Conflict`."""
    row, before = _row(conn, name), show(conn, name)
    values: dict[str, Any] = {}
    if changes.name is not None and changes.name.strip() != row.name:
        new_name = _checked_name(conn, changes.name, but=row.id)
        values |= {"name": new_name, "name_key": fold(new_name)}
    if changes.every_s is not None and changes.every_s != row.every_s:
        values["every_s"] = every_s = check_interval(changes.every_s)
        if row.job_id is None and (row.leased_to_us or 0) <= micros(now_s):
            values["next_at_us"] = max((row.checked_at_us or 0) + micros(every_s), micros(now_s))
    if changes.place is not None and changes.place != row.location:
        values |= {"kind": read_place(changes.place), "location": changes.place, "hint": "", "leased_to_us": None}
        values |= {} if row.job_id is not None else {"next_at_us": micros(now_s)}
    if changes.with_assignments is not None:
        values["with_assignments"] = changes.with_assignments
    if values:
        _set(conn, row.id, **values)
    after = show(conn, values.get("name", name))
    told = ("name", "place", "every_s", "with_assignments")
    different = [key for key in told if getattr(before, key) != getattr(after, key)]
    if different or "location" in values:
        was, became = ({key: getattr(each, key) for key in different} for each in (before, after))
        _note(conn, Kind.SOURCE_EDITED, actor, _row(conn, after.name), now_s, before=was, after=became)
    return after


def list_sources(conn: Connection, window: Window) -> Page[WatchedSource]:
    """By name."""
    return read_page(conn, _query(), (watched_sources.c.name_key,), window, _made)


def show(conn: Connection, name: str) -> WatchedSource:
    """One source. Raises `NotFound`."""
    return _made(_row(conn, name))


def ids(conn: Connection) -> set[int]:
    """Of all sources that are watched."""
    return set(conn.scalars(select(watched_sources.c.id)))


def check_soon(conn: Connection, name: str, now_s: float) -> WatchedSource:
    """Look at it now, not when its time comes; where somebody is looking, that is enough. Raises `NotFound`."""
    row = _row(conn, name)
    if (row.leased_to_us or 0) <= micros(now_s):
        _set(conn, row.id, next_at_us=micros(now_s))
    return show(conn, name)


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> WatchedSource:
    """Watch it no more; its package stays. Raises `NotFound`."""
    row, gone = _row(conn, name), show(conn, name)
    conn.execute(delete_from(watched_sources).where(watched_sources.c.id == row.id))
    _note(conn, Kind.SOURCE_DELETED, actor, row, now_s)
    return gone


def is_due(conn: Connection, now_s: float) -> bool:
    """Whether `take_due` has something to do."""
    due = select(watched_sources.c.id).where(watched_sources.c.next_at_us <= micros(now_s))
    return conn.scalar(due.limit(1)) is not None


def take_due(conn: Connection, now_s: float, lease_s: float) -> list[DueSource]:
    """Those that are to be looked at now; nobody else takes them for so long. Ends of their jobs are taken note of."""
    due = select(watched_sources).where(watched_sources.c.next_at_us <= micros(now_s))
    taken = []
    for row in conn.execute(due.order_by(watched_sources.c.next_at_us).limit(AT_ONCE)).all():
        if row.job_id is not None:
            _follow_job(conn, row, now_s)
            continue
        leased_to_us = micros(now_s + lease_s)
        _set(conn, row.id, next_at_us=leased_to_us, leased_to_us=leased_to_us)
        taken.append(DueSource(row.id, row.name, PlaceKind(row.kind), row.location, row.hint, leased_to_us))
    return taken


def _follow_job(conn: Connection, row: Row[Any], now_s: float) -> None:
    job = conn.execute(select(jobs_table).where(jobs_table.c.id == row.job_id)).one_or_none()
    state = JobState.FAILED if job is None else JobState(job.state)
    if state is JobState.RUNNING:
        _set(conn, row.id, next_at_us=micros(now_s + LOOK_AT_JOB_S))
        return
    values: dict[str, Any] = {"job_id": None, "job_digest": "", "next_at_us": micros(now_s + row.every_s)}
    if state is JobState.FAILED and row.failing_since_us is not None:  # again: a package is much work
        values["next_at_us"] = micros(now_s + max(row.every_s, FAILING_S))
    if state is JobState.DONE:
        _set(conn, row.id, **values, digest=row.job_digest)
        _recover(conn, row, now_s)
        return
    _set(conn, row.id, **values, hint="")  # or what has not changed since would not be looked at again
    error = {} if job is None else job.error or {}
    _fail(conn, row, f"job {row.job_id}: {error.get('detail', 'it is not known any more')}", now_s)


def found(conn: Connection, due: DueSource, version: SourceVersion | None, path: str, now_s: float) -> int | None:
    """What a look has found; None: nothing new. `path`: where the job finds it. Gives the id of the job that makes a
    package of it, if it is a new version. Raises `Conflict` where too many jobs wait."""
    row = _leased(conn, due)
    if row is None:
        return None
    at_us = micros(now_s)
    values = _looked(at_us, row.every_s)
    if version is None or row.digest in ("", version.digest):
        if version is not None:
            values |= {"digest": version.digest, "hint": version.hint, "size_bytes": version.size_bytes}
        _set(conn, row.id, **values)
        _recover(conn, row, now_s)
        return None
    request = {"package": row.package_id, "path": path, "kind": row.kind, "digest": version.digest}
    request["with_assignments"] = row.with_assignments
    job_id = jobs.create(conn, SYSTEM, JobKind.FOLLOW, request, now_s, row.package_id)
    values |= {"job_id": job_id, "job_digest": version.digest, "hint": version.hint, "changed_at_us": at_us}
    values |= {"size_bytes": version.size_bytes, "next_at_us": micros(now_s + LOOK_AT_JOB_S)}
    _set(conn, row.id, **values)
    detail: dict[str, Any] = {"digest": version.digest, "size_bytes": version.size_bytes, "job": job_id}
    _note(conn, Kind.SOURCE_CHANGED, SYSTEM, row, now_s, **detail)
    return job_id


def settling(conn: Connection, due: DueSource, hint: str, now_s: float) -> None:
    """It may be written to just now: it is looked at again soon, with this hint."""
    row = _leased(conn, due)
    if row is not None:
        values = _looked(micros(now_s), min(SETTLED_S, row.every_s))
        _set(conn, row.id, **values, hint=hint)


def failed(conn: Connection, due: DueSource, why: str, now_s: float) -> bool:
    """It could not be read. Gives whether an outage begins: it could the last time."""
    row = _leased(conn, due)
    if row is None:
        return False
    _set(conn, row.id, **_looked(micros(now_s), row.every_s))
    return _fail(conn, row, why, now_s)


def _leased(conn: Connection, due: DueSource) -> Row[Any] | None:
    """The row of what was taken; None: somebody has deleted it meanwhile, or it was taken for too long."""
    mine = watched_sources.c.leased_to_us == due.leased_to_us
    query = select(watched_sources).where(watched_sources.c.id == due.id, mine, watched_sources.c.job_id.is_(None))
    return conn.execute(query).one_or_none()


def _looked(at_us: int, pause_s: float) -> dict[str, Any]:
    """Nobody looks any more; the next time is after a pause."""
    return {"checked_at_us": at_us, "next_at_us": at_us + micros(pause_s), "leased_to_us": None}


def _fail(conn: Connection, row: Row[Any], why: str, now_s: float) -> bool:
    is_new, why = row.failing_since_us is None, without_queries(why[:TEXT_LIMIT])
    _set(conn, row.id, why=why[:TEXT_LIMIT], **({"failing_since_us": micros(now_s)} if is_new else {}))
    if is_new:
        _note(conn, Kind.SOURCE_FAILED, SYSTEM, row, now_s, why=why[:TEXT_LIMIT])
    return is_new


def _recover(conn: Connection, row: Row[Any], now_s: float) -> None:
    if row.failing_since_us is not None:
        _set(conn, row.id, failing_since_us=None, why="")
        _note(conn, Kind.SOURCE_RECOVERED, SYSTEM, row, now_s)


def _set(conn: Connection, source_id: int, **values: Any) -> None:
    conn.execute(update(watched_sources).where(watched_sources.c.id == source_id).values(**values))


def _note(conn: Connection, kind: Kind, actor: Actor, row: Row[Any], now_s: float, **detail: Any) -> None:
    event_log.append(conn, kind, actor, at_s=now_s, package_id=row.package_id, source=row.name, **detail)


def _query() -> Any:
    return select(watched_sources, packages.c.name.label("package_name")).join(
        packages, packages.c.id == watched_sources.c.package_id
    )


def _row(conn: Connection, name: str) -> Row[Any]:
    row: Row[Any] | None = conn.execute(_query().where(watched_sources.c.name_key == fold(name))).one_or_none()
    if row is None:
        raise NotFound("source", "the name of a source that is watched", name)
    return row


def _made(row: Row[Any]) -> WatchedSource:
    return WatchedSource(
        name=row.name,
        package_id=row.package_id,
        package_name=row.package_name,
        kind=row.kind,
        place=without_queries(row.location),
        every_s=row.every_s,
        with_assignments=row.with_assignments,
        digest=row.digest,
        size_bytes=row.size_bytes,
        job=row.job_id,
        next_at_s=row.next_at_us / 1_000_000,
        checked_at_s=seconds(row.checked_at_us),
        changed_at_s=seconds(row.changed_at_us),
        failing_since_s=seconds(row.failing_since_us),
        why=row.why,
        created_by=row.created_by,
        created_at_s=row.created_at_us / 1_000_000,
    )
