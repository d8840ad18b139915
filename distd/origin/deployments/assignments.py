"""Assignments of packages to computers, and their results: assign, unassign, list results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, exists, insert, select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, assignments, computers, micros, packages, progress, seconds
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.results import classify, meaning
from distd.origin.packages.packages import show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row, Select

    from distd.domain.actor import Actor

NOTIFIED: Final = "NOTIFIED"  # OCS's code of an assignment whose agent was notified


class Unassigned(StrEnum):
    """What became of an assignment that was taken back."""

    REMOVED = "removed"  # the agent was not notified yet
    WITHDRAWN = "withdrawn"  # the agent was notified: it stays listed until its final status


@dataclass(frozen=True, slots=True)
class Terms:
    """How agents deploy an assigned package. `force`: even where it is in the agent's history. They get `schedule`
    (not before this time) and `postcmd` (a command to run afterwards) unchanged; a Unix agent ignores these two."""

    force: bool = False
    schedule: str = ""
    postcmd: str = ""


NO_TERMS: Final = Terms()


@dataclass(frozen=True, slots=True)
class Result:
    """The latest assignment of a package to a computer. `code` is what the agent reported (or OCS's code while it has
    reported nothing), `state` its class, `meaning` a sentence about it; times in seconds, None: not yet."""

    device_id: str
    computer_name: str
    agent: str
    package_id: str
    package_name: str
    state: str
    code: str | None
    meaning: str
    withdrawn: bool
    force: bool
    fragments_fetched: int
    fragments: int
    sent_bytes: int
    assigned_at_s: float
    notified_at_s: float | None
    fetched_at_s: float | None
    result_at_s: float | None


def assign(
    conn: Connection,
    actor: Actor,
    package_id: str,
    device_ids: Sequence[str],
    now_s: float,
    terms: Terms = NO_TERMS,
) -> None:
    """Assign a package to all of these computers, or, where one is refused, to none.

    Raises `NotFound` for an unknown package or computer, `Conflict` for a package that is not active, or that has an
    assignment without a result on one of the computers.
    """
    package = show(conn, package_id)
    found = _computer_ids(conn, list(dict.fromkeys(device_ids)))
    if not package.active:
        hint = "activate it first"
        raise Conflict("package", f"{package_id} is not active, so no agent would be notified of it", hint)
    _check_none_open(conn, package_id, found)
    row = {
        "force": terms.force,
        "schedule": _line("schedule", terms.schedule, NAME_LIMIT),
        "postcmd": _line("postcmd", terms.postcmd, TEXT_LIMIT),
        "package_id": package_id,
        "assigned_at_us": micros(now_s),
    }
    kind, detail = event_log.Kind.ASSIGNED, {"force": terms.force}
    for ids in dialect.chunks(list(found.values())):
        conn.execute(delete(progress).where(progress.c.package_id == package_id, progress.c.computer_id.in_(ids)))
        conn.execute(insert(assignments), [row | {"computer_id": computer_id} for computer_id in ids])
        event_log.append_many(
            conn, [event_log.Note(kind, actor, now_s, package_id, computer_id, detail) for computer_id in ids]
        )


def _computer_ids(conn: Connection, device_ids: Sequence[str]) -> dict[str, int]:
    """Their ids by DEVICEID, in the order given. Raises `NotFound` for the first that is unknown."""
    found: dict[str, int] = {}
    for names in dialect.chunks(device_ids):
        rows = conn.execute(select(computers.c.device_id, computers.c.id).where(computers.c.device_id.in_(names)))
        found.update((row.device_id, row.id) for row in rows)
    for device_id in device_ids:
        if device_id not in found:
            hint = "it is known after its agent's first contact"
            raise NotFound("computers", "the DEVICEID of a computer", device_id, hint)
    return {device_id: found[device_id] for device_id in device_ids}


def waiting(conn: Connection, package_id: str) -> set[str]:
    """DEVICEIDs of the computers that have an assignment of the package without a result."""
    query = select(computers.c.device_id).join(assignments, assignments.c.computer_id == computers.c.id)
    return set(conn.scalars(query.filter(assignments.c.package_id == package_id, assignments.c.result.is_(None))))


def _check_none_open(conn: Connection, package_id: str, found: Mapping[str, int]) -> None:
    names = {computer_id: device_id for device_id, computer_id in found.items()}
    query = select(assignments.c.computer_id).filter_by(package_id=package_id, result=None)
    for computer_id in conn.scalars(query):
        if computer_id in names:
            message = f"{package_id} is assigned to {names[computer_id]} already and has no result yet"
            raise Conflict("package", message)


def unassign(conn: Connection, actor: Actor, package_id: str, device_id: str, now_s: float) -> Unassigned:
    """Take back the open assignment as far as possible: see `Unassigned`. Raises `NotFound` when there is none."""
    computer_id = _computer_ids(conn, [device_id])[device_id]
    found = _open(conn, package_id, computer_id)
    if found is None:
        raise NotFound("package", f"a package that is assigned to {device_id} and has no result yet", package_id)
    listed = found.notified_at_us is not None
    if found.withdrawn_at_us is None:
        _withdraw_or_delete(conn, found.id, now_s, listed=listed)
        ids: dict[str, Any] = {"package_id": package_id, "computer_id": computer_id}
        event_log.append(conn, event_log.Kind.UNASSIGNED, actor, at_s=now_s, **ids, listed=listed)
    return Unassigned.WITHDRAWN if listed else Unassigned.REMOVED


def results(conn: Connection, package_id: str) -> list[Result]:
    """The latest assignment on each computer that the package was assigned to, by DEVICEID. Raises `NotFound`.

    A deleted package still has its results.
    """
    if conn.scalar(select(packages.c.id).where(packages.c.id == package_id)) is None:
        raise NotFound("package", "the id of a package", package_id)
    return _read(conn, _select().where(assignments.c.package_id == package_id).order_by(computers.c.device_id))


def of_computer(conn: Connection, computer_id: int) -> list[Result]:
    """The latest assignment of each package that was assigned to the computer, oldest first."""
    return _read(conn, _select().where(assignments.c.computer_id == computer_id).order_by(assignments.c.id))


def _open(conn: Connection, package_id: str, computer_id: int) -> Row[Any] | None:
    query = select(assignments).filter_by(package_id=package_id, computer_id=computer_id, result=None)
    return conn.execute(query).one_or_none()


def _withdraw_or_delete(conn: Connection, assignment_id: int, now_s: float, *, listed: bool) -> None:
    if listed:
        statement = update(assignments).values(withdrawn_at_us=micros(now_s))
        conn.execute(statement.where(assignments.c.id == assignment_id))
    else:
        conn.execute(delete(assignments).where(assignments.c.id == assignment_id))


def _line(field: str, text: str, limit: int) -> str:
    if len(text) > limit or not text.isprintable():
        raise BadInput(field, f"at most {limit} printable characters", text)
    return text


def _select() -> Select[Any]:
    newer = assignments.alias("newer")
    is_newer = and_(
        newer.c.package_id == assignments.c.package_id,
        newer.c.computer_id == assignments.c.computer_id,
        newer.c.id > assignments.c.id,
    )
    return (
        select(
            assignments,
            computers.c.device_id,
            computers.c.name.label("computer_name"),
            computers.c.user_agent,
            packages.c.name.label("package_name"),
            packages.c.fragments.label("fragments"),
            progress.c.fragments.label("fetched"),
            progress.c.sent_bytes,
            progress.c.last_at_us,
        )
        .join(computers, computers.c.id == assignments.c.computer_id)
        .join(packages, packages.c.id == assignments.c.package_id)
        .outerjoin(
            progress,
            and_(
                progress.c.computer_id == assignments.c.computer_id,
                progress.c.package_id == assignments.c.package_id,
            ),
        )
        .where(~exists().where(is_newer))
    )


def _read(conn: Connection, query: Select[Any]) -> list[Result]:
    return [_result(row) for row in conn.execute(query)]


def _result(row: Any) -> Result:
    code = NOTIFIED if row.result is None and row.notified_at_us is not None else row.result
    return Result(
        device_id=row.device_id,
        computer_name=row.computer_name or "",
        agent=row.user_agent or "",
        package_id=row.package_id,
        package_name=row.package_name,
        state=classify(code).value,
        code=code,
        meaning=meaning(code),
        withdrawn=row.withdrawn_at_us is not None,
        force=row.force,
        fragments_fetched=row.fetched or 0,
        fragments=row.fragments,
        sent_bytes=row.sent_bytes or 0,
        assigned_at_s=row.assigned_at_us / 1_000_000,
        notified_at_s=seconds(row.notified_at_us),
        fetched_at_s=seconds(row.last_at_us),
        result_at_s=seconds(row.result_at_us),
    )
