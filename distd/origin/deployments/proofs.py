"""What agents only claim: successes without a fragment that was sent to them, and packages that only their history has.

Anybody can post in the name of a computer. What a package's fragments that were sent to it do not prove is *unproven*,
until an operator accepts it. A mirror may tell only later what it has sent, so proof is looked for at each reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, exists, select, tuple_, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import assignments, history, micros, packages, progress
from distd.domain.actor import AGENT
from distd.domain.errors import Conflict, NotFound
from distd.origin.deployments.named_computers import find_computers
from distd.origin.packages.counters import is_claimed, is_latest, is_unproven, progress_of_assignment

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
    proven = and_(assignments.c.result.like("SUCCESS%"), assignments.c.unproven_at_us.is_(None))
    for some in dialect.chunks(sorted(pairs)):
        earlier = tuple_(assignments.c.computer_id, assignments.c.package_id).in_(some)
        query = select(assignments.c.computer_id, assignments.c.package_id).where(earlier, proven)
        found.update((row.computer_id, row.package_id) for row in conn.execute(query))
        sent = tuple_(progress.c.computer_id, progress.c.package_id).in_(some)
        rows = conn.execute(select(progress.c.computer_id, progress.c.package_id).where(sent))
        found.update((row.computer_id, row.package_id) for row in rows)
    return found


def keep_proof(conn: Connection, package_id: str, computer_ids: Sequence[int]) -> None:
    """Results that fragments prove need them no more: the progress of these computers is about to be deleted."""
    mine = (assignments.c.package_id == package_id, assignments.c.unproven_at_us.is_not(None))
    has_progress = exists().where(progress_of_assignment())
    for ids in dialect.chunks(computer_ids):
        of_these = assignments.c.computer_id.in_(ids)
        conn.execute(update(assignments).where(*mine, of_these, has_progress).values(unproven_at_us=None))


def drop_claimed(conn: Connection, package_id: str, computer_ids: Sequence[int]) -> None:
    """Remove the assignments that only the agents' history holds back: another takes their place."""
    for ids in dialect.chunks(computer_ids):
        mine = (assignments.c.package_id == package_id, assignments.c.computer_id.in_(ids))
        conn.execute(delete(assignments).where(*mine, is_claimed()))


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
    query = select(assignments).outerjoin(progress, progress_of_assignment())
    for ids in dialect.chunks(computer_ids):
        mine = (assignments.c.package_id == package_id, assignments.c.computer_id.in_(ids), is_latest())
        found.update((row.computer_id, row) for row in conn.execute(query.where(*mine, is_unproven())))
    return found


def _accept_rows(conn: Connection, rows: Sequence[Row[Any]], now_s: float) -> None:
    reported = [row.id for row in rows if row.result is not None]
    waiting = [row for row in rows if row.result is None]
    for ids in dialect.chunks(reported):
        conn.execute(update(assignments).where(assignments.c.id.in_(ids)).values(unproven_at_us=None))
    ended = {"result": ALREADY_IN_HISTORY, "result_at_us": micros(now_s)}
    for ids in dialect.chunks([row.id for row in waiting]):
        conn.execute(update(assignments).where(assignments.c.id.in_(ids)).values(**ended))
    for pairs in dialect.chunks([(row.computer_id, row.package_id) for row in waiting]):
        mine = tuple_(history.c.computer_id, history.c.package_id).in_(pairs)
        conn.execute(update(history).where(mine).values(trusted=True))


def _accepted(actor: Actor, row: Row[Any], now_s: float) -> event_log.Note:
    detail = {"code": row.result or ALREADY_IN_HISTORY}
    return event_log.Note(event_log.Kind.ACCEPTED, actor, now_s, row.package_id, row.computer_id, detail)


def settle(conn: Connection, now_s: float) -> int:
    """Look at the results that need a proof: with one they need it no more, without one there is an event after
    `PROOF_WAIT_S`. At most `MAX_SETTLED`; gives how many."""
    query = (
        select(assignments, progress.c.fragments.label("fetched"))
        .outerjoin(progress, progress_of_assignment())
        .where(assignments.c.unproven_at_us.is_not(None), assignments.c.claimed_at_us.is_(None))
        .where(assignments.c.unproven_at_us < micros(now_s - PROOF_WAIT_S))
        .order_by(assignments.c.unproven_at_us)
        .limit(MAX_SETTLED)
    )
    rows = conn.execute(query).all()
    proven = [row.id for row in rows if row.fetched]
    unproven = [row for row in rows if not row.fetched]
    conn.execute(update(assignments).where(assignments.c.id.in_(proven)).values(unproven_at_us=None))
    marked = update(assignments).where(assignments.c.id.in_([row.id for row in unproven]))
    conn.execute(marked.values(claimed_at_us=micros(now_s)))
    kind = event_log.Kind.UNPROVEN
    event_log.append_many(
        conn,
        [event_log.Note(kind, AGENT, now_s, row.package_id, row.computer_id, {"code": row.result}) for row in unproven],
    )
    return len(rows)
