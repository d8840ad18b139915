"""Assignments of packages to computers, and their results: assign, unassign, list results."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, delete, insert, or_, select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.lists import read_page
from distd.catalogue.schema import (
    TEXT_LIMIT,
    activations,
    assignments,
    computers,
    micros,
    packages,
    progress,
    seconds,
)
from distd.domain.actor import SYSTEM
from distd.domain.errors import BadInput, Conflict, NotFound
from distd.domain.mirror_rules import has_variables
from distd.domain.page import EVERYTHING
from distd.domain.records import Dialect
from distd.domain.results import Outcome, classify, meaning, meaning_unproven
from distd.domain.systems import is_for
from distd.origin.deployments import proofs
from distd.origin.deployments.named_computers import find_computers
from distd.origin.operators.restrictions import visible
from distd.origin.packages.counters import current_code, in_state, is_latest, is_unproven, progress_of_assignment
from distd.origin.packages.packages import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row, Select

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window
    from distd.origin.packages.packages import Package

PLACE: Final = (str,)  # of a result in the list of a package: the DEVICEID


class Unassigned(StrEnum):
    """What became of an assignment that was taken back."""

    REMOVED = "removed"  # the agent was not notified yet
    WITHDRAWN = "withdrawn"  # the agent was notified: it stays listed until its final status


@dataclass(frozen=True, slots=True)
class Terms:
    """How agents deploy an assigned package. `force`: even where it is in the agent's history. They get `schedule`
    (not before this local time, "YYYY/MM/DD HH:MM") and `postcmd` (a command to run afterwards) unchanged; a Unix agent
    ignores these two. `any_os`: also on computers with another system than the package is for."""

    force: bool = False
    schedule: str = ""
    postcmd: str = ""
    any_os: bool = False


NO_TERMS: Final = Terms()
NAMED: Final = 3  # computers that an error names
SCHEDULE_FORMAT: Final = "%Y/%m/%d %H:%M"


@dataclass(frozen=True, slots=True)
class Assigned:
    """DEVICEIDs of the computers that a package was assigned to, and of those that had it `already`: assigned without
    a result, or deployed."""

    assigned: list[str]
    already: list[str]


@dataclass(frozen=True, slots=True)
class Result:
    """The latest assignment of a package to a computer. `code` is what the agent reported (or OCS's code while it has
    reported nothing), `state` its class, `meaning` a sentence about it; times in seconds, None: not yet.
    `fragments_fetched` None: nobody knows, for the fragments are on a server that is not of distd. `unproven`: only the
    agent claims to have the package (`proofs`)."""

    device_id: str
    computer_name: str
    agent: str
    package_id: str
    package_name: str
    state: str
    unproven: bool
    code: str | None
    meaning: str
    withdrawn: bool
    force: bool
    fragments_fetched: int | None
    fragments: int
    sent_bytes: int
    assigned_at_s: float
    notified_at_s: float | None
    fetched_at_s: float | None
    result_at_s: float | None

    @property
    def shown_state(self) -> str:
        """For people: "SUCCESS, unproven"."""
        return f"{self.state}, unproven" if self.unproven else self.state

    @property
    def since_s(self) -> float:
        """When the last of all this happened."""
        return self.result_at_s or self.fetched_at_s or self.notified_at_s or self.assigned_at_s

    @property
    def progress(self) -> str:
        """ "3/12": fragments fetched, of all. Empty where there is nothing to say."""
        return f"{self.fragments_fetched}/{self.fragments}" if self.fragments_fetched is not None else ""


def assign(
    conn: Connection,
    actor: Actor,
    package_id: str,
    device_ids: Sequence[str],
    now_s: float,
    terms: Terms = NO_TERMS,
    *,
    skip: bool = False,
) -> Assigned:
    """Assign a package to all of these computers, or, where one is refused, to none. `skip` those that have it already;
    with `force` those only that have an assignment without a result; one that only the agent's history holds back is
    replaced then.

    Raises `NotFound` for an unknown package or computer, `Conflict` for a package that is not active or not for a
    computer's system, or, without `skip`, that has an assignment without a result on one of the computers.
    """
    package = show(conn, package_id)
    found = find_computers(conn, device_ids, actor)
    if not package.active:
        hint = "activate it first"
        raise Conflict("package", f"{package_id} is not active, so no agent would be notified of it", hint)
    if not terms.any_os:
        _check_system(package, found)
    if terms.force:
        proofs.drop_claimed(conn, package_id, [row.id for row in found.values()])
    had = _had(conn, package_id, deployed=skip and not terms.force)
    already = [device_id for device_id, row in found.items() if row.id in had]
    if already and not skip:
        raise Conflict("package", f"{package_id} is assigned to {already[0]} already and has no result yet")
    new = {device_id: row.id for device_id, row in found.items() if row.id not in had}
    _insert(conn, actor, package_id, list(new.values()), now_s, terms)
    return Assigned(list(new), already)


def _insert(
    conn: Connection, actor: Actor, package_id: str, computer_ids: Sequence[int], now_s: float, terms: Terms
) -> None:
    row = {
        "force": terms.force,
        "schedule": _check_schedule(terms.schedule),
        "postcmd": _line("postcmd", terms.postcmd, TEXT_LIMIT),
        "package_id": package_id,
        "assigned_at_us": micros(now_s),
    }
    kind, detail = event_log.Kind.ASSIGNED, {"force": terms.force}
    proofs.keep_proof(conn, package_id, computer_ids)
    for ids in dialect.chunks(computer_ids):
        conn.execute(delete(progress).where(progress.c.package_id == package_id, progress.c.computer_id.in_(ids)))
        conn.execute(insert(assignments), [row | {"computer_id": computer_id} for computer_id in ids])
        event_log.append_many(
            conn, [event_log.Note(kind, actor, now_s, package_id, computer_id, detail) for computer_id in ids]
        )


def _had(conn: Connection, package_id: str, *, deployed: bool) -> set[int]:
    """Ids of the computers that have an assignment of the package without a result; also those where it is
    `deployed`."""
    query = select(assignments.c.computer_id, assignments.c.result).where(assignments.c.package_id == package_id)
    rows = conn.execute(query.where(is_latest()) if deployed else query.where(assignments.c.result.is_(None)))
    return {row.computer_id for row in rows if row.result is None or classify(row.result) is Outcome.SUCCESS}


def _check_system(package: Package, found: Mapping[str, Row[Any]]) -> None:
    others = [row for row in found.values() if not is_for(package.os, row.user_agent or "", row.os_name or "")]
    if others:
        named = ", ".join(f"{row.device_id} has {_system_of(row)}" for row in others[:NAMED])
        more = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
        count = f"{len(others):,} of {len(found):,} computers have another system: " if len(others) > 1 else ""
        hint = "leave them out, or give it if the package runs there nevertheless"
        raise Conflict("any_os", f"{package.id} is for {package.os}, and {count}{named}{more}", hint)


def _system_of(row: Row[Any]) -> str:
    is_windows = Dialect.of_user_agent(row.user_agent or "") is Dialect.WINDOWS
    return row.os_name or f"a {'Windows' if is_windows else 'Unix'} agent"


def unassign(
    conn: Connection, actor: Actor, package_id: str, device_ids: Sequence[str], now_s: float, *, skip: bool = False
) -> dict[str, Unassigned]:
    """Take back the open assignments to these computers as far as possible, all or none: see `Unassigned`.

    Raises `NotFound` when one of them has none; `skip`: those are left out instead.
    """
    ids = {device_id: row.id for device_id, row in find_computers(conn, device_ids, actor).items()}
    is_open = (assignments.c.package_id == package_id, assignments.c.result.is_(None))
    found = {row.computer_id: row for row in conn.execute(select(assignments).where(*is_open))}
    for device_id, computer_id in ids.items():
        if computer_id not in found and not skip:
            raise NotFound("package", f"a package that is assigned to {device_id} and has no result yet", package_id)
    mine = {device_id: found[computer_id] for device_id, computer_id in ids.items() if computer_id in found}
    new = [row for row in mine.values() if row.withdrawn_at_us is None]
    _take_back(conn, new, now_s)
    event_log.append_many(conn, [_unassigned_note(actor, row, now_s) for row in new])
    became = {True: Unassigned.WITHDRAWN, False: Unassigned.REMOVED}
    return {device_id: became[row.notified_at_us is not None] for device_id, row in mine.items()}


def in_states(conn: Connection, package_id: str, states: Sequence[Outcome], actor: Actor) -> list[str]:
    """DEVICEIDs of the computers whose latest assignment of the package is in one of these states, and that `actor` may
    see."""
    return [result.device_id for result in results(conn, package_id, states, EVERYTHING, actor=actor).items]


def _take_back(conn: Connection, rows: Sequence[Row[Any]], now_s: float) -> None:
    """Those that were notified stay listed until they report."""
    for ids in dialect.chunks([row.id for row in rows if row.notified_at_us is None]):
        conn.execute(delete(assignments).where(assignments.c.id.in_(ids)))
    for ids in dialect.chunks([row.id for row in rows if row.notified_at_us is not None]):
        conn.execute(update(assignments).values(withdrawn_at_us=micros(now_s)).where(assignments.c.id.in_(ids)))


def _unassigned_note(actor: Actor, row: Row[Any], now_s: float) -> event_log.Note:
    detail = {"listed": row.notified_at_us is not None}
    return event_log.Note(event_log.Kind.UNASSIGNED, actor, now_s, row.package_id, row.computer_id, detail)


def results(
    conn: Connection,
    package_id: str,
    states: Sequence[Outcome],
    window: Window,
    *,
    unproven: bool = False,
    actor: Actor = SYSTEM,
) -> Page[Result]:
    """The latest assignment on each computer that the package was assigned to, by DEVICEID; with `states` only those
    in one of them, with `unproven` only those; of computers that `actor` may see. Raises `NotFound`.

    A deleted package still has its results.
    """
    if conn.scalar(select(packages.c.id).where(packages.c.id == package_id)) is None:
        raise NotFound("package", "the id of a package", package_id)
    query = _select().where(assignments.c.package_id == package_id, visible(conn, actor))
    if states:
        query = query.where(or_(*(in_state(conn, [package_id], state) for state in set(states))))
    if unproven:
        query = query.where(is_unproven())
    return read_page(conn, query, (computers.c.device_id,), window, _result)


def of_computer(conn: Connection, computer_id: int) -> list[Result]:
    """The latest assignment of each package that was assigned to the computer, oldest first."""
    query = _select().where(assignments.c.computer_id == computer_id).order_by(assignments.c.id)
    return [_result(row) for row in conn.execute(query)]


def read_states(texts: Iterable[str], field: str) -> tuple[Outcome, ...]:
    """States by their names, in capitals or not. Raises `BadInput`."""
    found = []
    for text in texts:
        name = text.strip().upper()
        if name not in set(Outcome):
            raise BadInput(field, f"one of {', '.join(Outcome)}", text)
        found.append(Outcome(name))
    return tuple(found)


def _check_schedule(text: str) -> str:
    if text:
        try:
            datetime.strptime(text, SCHEDULE_FORMAT)  # noqa: DTZ007 - the local time of the computers
        except ValueError:
            raise BadInput("schedule", "a time such as 2026/12/01 18:00", text) from None
    return text


def _line(field: str, text: str, limit: int) -> str:
    if len(text) > limit or not text.isprintable():
        raise BadInput(field, f"at most {limit} printable characters", text)
    return text


def _select() -> Select[Any]:
    return (
        select(
            assignments,
            current_code().label("code"),
            computers.c.device_id,
            computers.c.name.label("computer_name"),
            computers.c.user_agent,
            packages.c.name.label("package_name"),
            packages.c.fragments.label("fragments"),
            progress.c.fragments.label("fetched"),
            progress.c.sent_bytes,
            progress.c.last_at_us,
            activations.c.fragment_server,
            case((is_unproven(), 1), else_=0).label("unproven"),
        )
        .join(computers, computers.c.id == assignments.c.computer_id)
        .join(packages, packages.c.id == assignments.c.package_id)
        .outerjoin(progress, progress_of_assignment())
        .outerjoin(activations, activations.c.package_id == assignments.c.package_id)
        .where(is_latest())
    )


def _fetched(row: Any) -> int | None:
    is_elsewhere = row.fragment_server is not None and not has_variables(row.fragment_server)
    return None if not row.fetched and (is_elsewhere or not row.fragments) else row.fetched or 0


def _result(row: Any) -> Result:
    code: str | None = row.code
    return Result(
        device_id=row.device_id,
        computer_name=row.computer_name or "",
        agent=row.user_agent or "",
        package_id=row.package_id,
        package_name=row.package_name,
        state=classify(code, row.fetched or 0),
        unproven=bool(row.unproven),
        code=code,
        meaning=meaning_unproven(code) if row.unproven else meaning(code),
        withdrawn=row.withdrawn_at_us is not None,
        force=row.force,
        fragments_fetched=_fetched(row),
        fragments=row.fragments,
        sent_bytes=row.sent_bytes or 0,
        assigned_at_s=row.assigned_at_us / 1_000_000,
        notified_at_s=seconds(row.notified_at_us),
        fetched_at_s=seconds(row.last_at_us),
        result_at_s=seconds(row.result_at_us),
    )
