"""What agents only claim: successes without a fragment that was sent to them, and packages that only their history has.

Anybody can post in the name of a computer. What a package's fragments that were sent to it do not prove is *unproven*,
until an operator accepts it. A mirror may tell only later what it has sent: that proves it then (`progress`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import assignments, history, micros, packages, progress
from distd.domain.actor import AGENT
from distd.domain.errors import Conflict, NotFound
from distd.domain.results import classify
from distd.origin.deployments.named_computers import find_computers
from distd.origin.packages import attempts
from distd.origin.packages.counters import Position, Tally, is_claimed, is_latest, position_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.actor import Actor

ALREADY_IN_HISTORY: Final = "SUCCESS_ALREADY_IN_HISTORY"
# So long after a result its fragments may still be reported: by this server within some seconds, by a mirror later.
PROOF_WAIT_S: Final = 60.0
MAX_SETTLED: Final = 1000  # results of one transaction


def delivered(conn: Connection, pairs: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those of the pairs (computer, package) where an earlier success is proven, or fragments were sent."""
    found: set[tuple[int, str]] = set()
    proven = and_(assignments.c.result.like("SUCCESS%"), ~assignments.c.unproven)
    for some in dialect.chunks(sorted(pairs), dialect.MAX_PAIRS):
        earlier = dialect.are_pairs(assignments.c.computer_id, assignments.c.package_id, some)
        query = select(assignments.c.computer_id, assignments.c.package_id).where(earlier, proven)
        found.update((row.computer_id, row.package_id) for row in conn.execute(query))
        sent = dialect.are_pairs(progress.c.computer_id, progress.c.package_id, some)
        rows = conn.execute(select(progress.c.computer_id, progress.c.package_id).where(sent))
        found.update((row.computer_id, row.package_id) for row in rows)
    return found


def drop_claimed(conn: Connection, package_id: str, computer_ids: Sequence[int]) -> None:
    """Remove the assignments that only the agents' history holds back: another takes their place."""
    for ids in dialect.chunks(computer_ids):
        mine = (assignments.c.package_id == package_id, assignments.c.computer_id.in_(ids))
        attempts.remove(conn, conn.execute(select(assignments).where(*mine, is_claimed())).all())


def accept(
    conn: Connection, actor: Actor, package_id: str, device_ids: Sequence[str], now_s: float, *, skip: bool = False
) -> list[str]:
    """Take what is unproven of a package for a success on these computers, on all or none; gives their DEVICEIDs.

    What only the history has ends with `ALREADY_IN_HISTORY`. Raises `NotFound` for an unknown package or computer, and
    `Conflict` where nothing is unproven; `skip`: these computers are left out instead.
    """
    if conn.scalar(select(packages.c.id).where(packages.c.id == package_id)) is None:
        raise NotFound("package", "the id of a package", package_id)
    ids = {row.id: device_id for device_id, row in find_computers(conn, device_ids, actor).items()}
    found = _unproven(conn, package_id, list(ids))
    for computer_id, device_id in ids.items():
        if computer_id not in found and not skip:
            raise Conflict("computers", f"nothing of {package_id} is unproven on {device_id}")
    _accept_rows(conn, list(found.values()), now_s)
    event_log.append_many(conn, [_accepted(actor, row, now_s) for row in found.values()])
    return [device_id for computer_id, device_id in ids.items() if computer_id in found]


def _unproven(conn: Connection, package_id: str, computer_ids: Sequence[int]) -> dict[int, Row[Any]]:
    found: dict[int, Row[Any]] = {}
    for ids in dialect.chunks(computer_ids):
        mine = (assignments.c.package_id == package_id, assignments.c.computer_id.in_(ids), is_latest())
        rows = conn.execute(select(assignments).where(*mine, assignments.c.unproven))
        found.update((row.computer_id, row) for row in rows)
    return found


def _accept_rows(conn: Connection, rows: Sequence[Row[Any]], now_s: float) -> None:
    tally = Tally()
    for row in rows:
        before = position_of(row)
        code = row.result or ALREADY_IN_HISTORY
        state = row.state if row.result else str(classify(code))
        tally.move(before, Position(row.package_id, state, code))
    reported = [row.id for row in rows if row.result is not None]
    waiting = [row for row in rows if row.result is None]
    proven = {"unproven_at_us": None, "unproven": False}
    for ids in dialect.chunks(reported):
        conn.execute(update(assignments).where(assignments.c.id.in_(ids)).values(**proven))
    ended = {"result": ALREADY_IN_HISTORY, "result_at_us": micros(now_s), "state": classify(ALREADY_IN_HISTORY)}
    for ids in dialect.chunks([row.id for row in waiting]):
        conn.execute(update(assignments).where(assignments.c.id.in_(ids)).values(**ended, **proven))
    for pairs in dialect.chunks([(row.computer_id, row.package_id) for row in waiting], dialect.MAX_PAIRS):
        mine = dialect.are_pairs(history.c.computer_id, history.c.package_id, pairs)
        conn.execute(update(history).where(mine).values(trusted=True))
    tally.write(conn)


def _accepted(actor: Actor, row: Row[Any], now_s: float) -> event_log.Note:
    detail = {"code": row.result or ALREADY_IN_HISTORY}
    return event_log.Note(event_log.Kind.ACCEPTED, actor, now_s, row.package_id, row.computer_id, detail)


def settle(conn: Connection, now_s: float) -> int:
    """Look at the results that wait for a proof: those that have none after `PROOF_WAIT_S` get an event. At most
    `MAX_SETTLED`; gives how many."""
    query = (
        select(assignments)
        .where(assignments.c.unproven_at_us.is_not(None), assignments.c.claimed_at_us.is_(None))
        .where(assignments.c.unproven_at_us < micros(now_s - PROOF_WAIT_S), assignments.c.unproven)
        .order_by(assignments.c.unproven_at_us)
        .limit(MAX_SETTLED)
    )
    rows = conn.execute(query).all()
    marked = update(assignments).where(assignments.c.id.in_([row.id for row in rows]))
    conn.execute(marked.values(claimed_at_us=micros(now_s)))
    kind = event_log.Kind.UNPROVEN
    event_log.append_many(
        conn,
        [event_log.Note(kind, AGENT, now_s, row.package_id, row.computer_id, {"code": row.result}) for row in rows],
    )
    return len(rows)
