"""Which fragments were sent to which computer, and of each package how much in all.

An event is written where something begins or changes for a computer: its first fragment, another mirror. What goes on
as it should is told of the whole package, by one event every few seconds (`progress_events`): events for each fragment
of 100,000 computers would be thousands a second, and drive everything else out of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, select, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import assignments, computers, micros, package_progress, packages, progress
from distd.domain.actor import AGENT
from distd.domain.results import Outcome
from distd.origin.packages.counters import Tally, is_latest, position_of
from distd.wire.number_ranges import add, render

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

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
    """Add to each computer's progress, and to what was sent of each package; at most one `Fetched` for a computer and
    package. Where a computer begins, or has another mirror than before, it is an event.

    With `computer_id` 0 there is only the event. What is of a package or computer that the catalogue does not have is
    ignored: files may still be served when their rows are gone.
    """
    before = _progress(conn, [fetched for fetched in fetches if fetched.computer_id])
    known = _known(conn, fetches, before)
    named = [fetched for fetched in known if fetched.computer_id]
    rows = [_row(fetched, before.get(_key(fetched)), micros(now_s)) for fetched in named]
    _begin(conn, {key for fetched in named if (key := _key(fetched)) not in before}, micros(now_s))
    event_log.append_many(conn, [_note(fetched, now_s) for fetched in known if _is_told(fetched, before)])
    dialect.upsert(conn, progress, rows, keep=("first_at_us",))
    _add_up(conn, named, rows, before, micros(now_s))


def _known(conn: Connection, fetches: Sequence[Fetched], before: Collection[tuple[int, str]]) -> list[Fetched]:
    """Those of computers and packages that are there; what is in `before` is."""
    new = [fetched for fetched in fetches if _key(fetched) not in before]
    computer_ids, package_ids = {0}, set[str]()
    for ids in dialect.chunks(sorted({fetched.computer_id for fetched in new} - {0})):
        computer_ids.update(conn.scalars(select(computers.c.id).where(computers.c.id.in_(ids))))
    for some in dialect.chunks(sorted({fetched.package_id for fetched in new})):
        package_ids.update(conn.scalars(select(packages.c.id).where(packages.c.id.in_(some))))
    return [
        fetched
        for fetched in fetches
        if _key(fetched) in before or (fetched.computer_id in computer_ids and fetched.package_id in package_ids)
    ]


def _progress(conn: Connection, fetches: Sequence[Fetched]) -> dict[tuple[int, str], Any]:
    found: dict[tuple[int, str], Any] = {}
    for keys in dialect.chunks([_key(fetched) for fetched in fetches], dialect.MAX_PAIRS):
        query = select(progress).where(dialect.are_pairs(progress.c.computer_id, progress.c.package_id, keys))
        found |= {(row.computer_id, row.package_id): row for row in conn.execute(query)}
    return found


def _is_told(fetched: Fetched, before: Mapping[tuple[int, str], Any]) -> bool:
    row = before.get(_key(fetched))
    return row is None or row.mirror != fetched.mirror


def _add_up(
    conn: Connection,
    fetches: Sequence[Fetched],
    rows: Sequence[Mapping[str, Any]],
    before: Mapping[tuple[int, str], Any],
    now_us: int,
) -> None:
    """To what was sent of each package."""
    added: dict[str, list[int]] = {}
    for fetched, row in zip(fetches, rows, strict=True):
        had = before.get(_key(fetched))
        sums = added.setdefault(fetched.package_id, [0, 0, 0])
        sums[0] += len(fetched.numbers)
        sums[1] += fetched.sent_bytes
        sums[2] += row["repeated"] - (had.repeated if had else 0)
    table = package_progress
    for ids in dialect.chunks(sorted(added)):
        known = {row.package_id: row for row in conn.execute(select(table).where(table.c.package_id.in_(ids)))}
        dialect.upsert(conn, table, [_sum_of(each, known.get(each), added[each], now_us) for each in ids], keep=_TOLD)


_TOLD: Final = ("told_fragments", "told_bytes", "told_at_us")
_SUMS: Final = ("fragments", "sent_bytes", "repeated")


def _sum_of(package_id: str, before: Any, added: Sequence[int], now_us: int) -> dict[str, Any]:
    sums = {name: more + (getattr(before, name) if before else 0) for name, more in zip(_SUMS, added, strict=True)}
    return {"package_id": package_id, **sums, "last_at_us": now_us, **dict.fromkeys(_TOLD, 0)}


_POSITION = [assignments.c[name] for name in ("id", "package_id", "state", "result", "unproven")]


def _key(fetched: Fetched) -> tuple[int, str]:
    return fetched.computer_id, fetched.package_id


def _begin(conn: Connection, pairs: Collection[tuple[int, str]], now_us: int) -> None:
    """The first fragments of these pairs (computer, package): their assignments are downloading, or their successes
    proven."""
    tally = Tally()
    found: list[Row[Any]] = []
    for some in dialect.chunks(sorted(pairs), dialect.MAX_PAIRS):
        of_these = dialect.are_pairs(assignments.c.computer_id, assignments.c.package_id, some)
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
        "repeated": len(fetched.numbers) - count + (before.fragments + before.repeated if before else 0),
    }


def _note(fetched: Fetched, now_s: float) -> event_log.Note:
    detail: dict[str, Any] = {"numbers": render(fetched.numbers), "bytes": fetched.sent_bytes}
    detail |= {"address": fetched.address, "mirror": fetched.mirror} if fetched.mirror else {}
    return event_log.Note(
        event_log.Kind.FRAGMENTS_FETCHED, AGENT, now_s, fetched.package_id, fetched.computer_id or None, detail
    )
