"""Which fragments were sent to which computer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, select, tuple_, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import assignments, computers, micros, packages, progress
from distd.domain.actor import AGENT
from distd.domain.results import Outcome
from distd.origin.packages.counters import Tally, is_latest, position_of
from distd.wire.number_ranges import add, render

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection, Row


@dataclass(frozen=True, slots=True)
class Fetched:
    """Fragments (numbered from 1) of a package that were sent in full to a computer, and the bytes of their bodies.

    `computer_id` 0: only the `address` is known. `mirror`: the one that sent them; empty: this
    server.
    """

    computer_id: int
    package_id: str
    numbers: Sequence[int]
    sent_bytes: int
    address: str = ""
    mirror: str = ""


def record(conn: Connection, fetches: Sequence[Fetched], now_s: float) -> None:
    """Add to each computer's progress, with one event for each `Fetched`; at most one for a computer and package.

    With `computer_id` 0 there is only the event. What is of a package or computer that the catalogue does not have is
    ignored: files may still be served when their rows are gone.
    """
    known = _known(conn, fetches)
    before = _progress(conn, known)
    rows = [_row(fetched, before.get(_key(fetched)), micros(now_s)) for fetched in known if fetched.computer_id]
    _begin(conn, {key for fetched in known if (key := _key(fetched))[0] and key not in before}, micros(now_s))
    event_log.append_many(conn, [_note(fetched, now_s) for fetched in known])
    dialect.upsert(conn, progress, rows, keep=("first_at_us",))


def _known(conn: Connection, fetches: Sequence[Fetched]) -> list[Fetched]:
    computer_ids = {fetched.computer_id for fetched in fetches}
    package_ids = {fetched.package_id for fetched in fetches}
    computer_ids &= {0, *conn.scalars(select(computers.c.id).where(computers.c.id.in_(computer_ids)))}
    package_ids &= set(conn.scalars(select(packages.c.id).where(packages.c.id.in_(package_ids))))
    return [fetched for fetched in fetches if fetched.computer_id in computer_ids and fetched.package_id in package_ids]


def _progress(conn: Connection, fetches: Sequence[Fetched]) -> dict[tuple[int, str], Any]:
    keys = [(fetched.computer_id, fetched.package_id) for fetched in fetches]
    query = select(progress).where(tuple_(progress.c.computer_id, progress.c.package_id).in_(keys))
    return {(row.computer_id, row.package_id): row for row in conn.execute(query)}


_POSITION = [assignments.c[name] for name in ("id", "package_id", "state", "result", "unproven")]


def _key(fetched: Fetched) -> tuple[int, str]:
    return fetched.computer_id, fetched.package_id


def _begin(conn: Connection, pairs: Collection[tuple[int, str]], now_us: int) -> None:
    """The first fragments of these pairs (computer, package): their assignments are downloading, or their successes
    proven."""
    tally = Tally()
    found: list[Row[Any]] = []
    for some in dialect.chunks(sorted(pairs)):
        of_these = tuple_(assignments.c.computer_id, assignments.c.package_id).in_(some)
        found += conn.execute(select(*_POSITION).where(of_these, is_latest())).all()
    for row in found:
        state = Outcome.DOWNLOADING if row.state == Outcome.NOTIFIED else row.state
        tally.move(position_of(row), position_of(row)._replace(state=state, unproven=False))
    ids = [row.id for row in found]
    begun = {"first_fragment_at_us": now_us, "unproven_at_us": None, "unproven": False}
    state = case((assignments.c.state == Outcome.NOTIFIED, Outcome.DOWNLOADING), else_=assignments.c.state)
    for some_ids in dialect.chunks(ids):
        conn.execute(update(assignments).where(assignments.c.id.in_(some_ids)).values(**begun, state=state))
    tally.write(conn)


def _row(fetched: Fetched, before: Any, now_us: int) -> dict[str, Any]:
    ranges, count = add(before.ranges if before else "", fetched.numbers)
    return {
        "computer_id": fetched.computer_id,
        "package_id": fetched.package_id,
        "fragments": count,
        "ranges": ranges,
        "sent_bytes": fetched.sent_bytes + (before.sent_bytes if before else 0),
        "mirror": fetched.mirror,
        "first_at_us": before.first_at_us if before else now_us,
        "last_at_us": now_us,
    }


def _note(fetched: Fetched, now_s: float) -> event_log.Note:
    detail: dict[str, Any] = {"numbers": render(fetched.numbers), "bytes": fetched.sent_bytes}
    detail |= {"address": fetched.address, "mirror": fetched.mirror} if fetched.mirror else {}
    return event_log.Note(
        event_log.Kind.FRAGMENTS_FETCHED, AGENT, now_s, fetched.package_id, fetched.computer_id or None, detail
    )
