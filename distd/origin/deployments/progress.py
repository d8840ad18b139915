"""Which fragments were served to which computer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.sqlite import insert as upsert

from distd.catalogue import event_log
from distd.catalogue.schema import computers, micros, packages, progress
from distd.wire.number_ranges import parse, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Fetched:
    """Fragments (numbered from 1) of a package that were sent in full to a computer, and the bytes of their bodies.

    `computer_id` 0: to `address`, of whom no more is known. `mirror`: by whom; empty: by this server.
    """

    computer_id: int
    package_id: str
    numbers: Sequence[int]
    sent_bytes: int
    address: str = ""
    mirror: str = ""


def record(conn: Connection, fetches: Sequence[Fetched], now_s: float) -> None:
    """Adds to each computer's progress, one event each. At most one `Fetched` for a computer and package. Of those who
    are not known there is the event only.

    Those of unknown computers or packages are dropped: the files may outlive their rows.
    """
    known = _known(conn, fetches)
    done = _progress(conn, known)
    rows = [_row(one, done.get((one.computer_id, one.package_id)), micros(now_s)) for one in known if one.computer_id]
    event_log.append_many(conn, [_note(one, now_s) for one in known])
    if not rows:
        return
    statement = upsert(progress)
    changed = {name: statement.excluded[name] for name in ("fragments", "ranges", "sent_bytes", "last_at_us")}
    conn.execute(statement.on_conflict_do_update(index_elements=["computer_id", "package_id"], set_=changed), rows)


def _known(conn: Connection, fetches: Sequence[Fetched]) -> list[Fetched]:
    computer_ids = {one.computer_id for one in fetches}
    package_ids = {one.package_id for one in fetches}
    computer_ids &= {0, *conn.scalars(select(computers.c.id).where(computers.c.id.in_(computer_ids)))}
    package_ids &= set(conn.scalars(select(packages.c.id).where(packages.c.id.in_(package_ids))))
    return [one for one in fetches if one.computer_id in computer_ids and one.package_id in package_ids]


def _progress(conn: Connection, fetches: Sequence[Fetched]) -> dict[tuple[int, str], Any]:
    keys = [(one.computer_id, one.package_id) for one in fetches]
    query = select(progress).where(tuple_(progress.c.computer_id, progress.c.package_id).in_(keys))
    return {(row.computer_id, row.package_id): row for row in conn.execute(query)}


def _row(fetched: Fetched, before: Any, now_us: int) -> dict[str, Any]:
    numbers = set(fetched.numbers) | parse(before.ranges if before else "")
    return {
        "computer_id": fetched.computer_id,
        "package_id": fetched.package_id,
        "fragments": len(numbers),
        "ranges": render(numbers),
        "sent_bytes": fetched.sent_bytes + (before.sent_bytes if before else 0),
        "first_at_us": before.first_at_us if before else now_us,
        "last_at_us": now_us,
    }


def _note(fetched: Fetched, now_s: float) -> event_log.Note:
    detail: dict[str, Any] = {"numbers": render(fetched.numbers), "bytes": fetched.sent_bytes}
    detail |= {"address": fetched.address, "mirror": fetched.mirror} if fetched.mirror else {}
    return event_log.Note(
        event_log.Kind.FRAGMENTS_FETCHED, now_s, fetched.package_id, fetched.computer_id or None, detail
    )
