"""What was sent of a package lately, as one event for all its computers: found by reading, then written.

Several processes may do it beside each other: what was told, and when, is kept with the sums, and only who finds it as
it was read writes an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select, update

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind, Note
from distd.catalogue.schema import counters as counters_table
from distd.catalogue.schema import micros, package_progress
from distd.domain.actor import AGENT
from distd.domain.results import Outcome
from distd.origin.packages.counters import Counters, count_computers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

MAX_TOLD: Final = 500  # packages at a time; the others the next time
STATES: Final = ("waiting", "notified", "downloading", "success", "failed", "archived")


@dataclass(frozen=True, slots=True)
class PackageProgress:
    """What was sent of a package since it was told at `told_at_us`: `fragments`, `sent_bytes`. In all: `…_in_all`,
    `repeated` of the fragments once more to the same computer. `computers`: how many are in which state; `stalled` of
    them: None: not counted."""

    package_id: str
    told_at_us: int
    told_stalled: int | None
    fragments: int
    sent_bytes: int
    fragments_in_all: int
    bytes_in_all: int
    repeated: int
    computers: Mapping[str, int]
    stalled: int | None = None


def find_progress(conn: Connection, stalled: Mapping[str, int]) -> list[PackageProgress]:
    """Packages of which something was sent that was not told, or of which another number of computers stall: none,
    where nobody fetches any more. Only reads."""
    table = package_progress
    is_new, had_stalled = table.c.fragments != table.c.told_fragments, table.c.told_stalled > 0
    query = select(table).where(or_(is_new, had_stalled, table.c.package_id.in_(list(stalled)[:MAX_TOLD])))
    rows = conn.execute(query.order_by(table.c.told_at_us).limit(MAX_TOLD)).all()
    counted = count_computers(conn, [row.package_id for row in rows])
    found = []
    for row in rows:
        counts = counted.get(row.package_id, Counters())
        is_over = row.told_stalled and not counts.notified + counts.downloading
        each = PackageProgress(
            row.package_id,
            row.told_at_us,
            row.told_stalled,
            row.fragments - row.told_fragments,
            row.sent_bytes - row.told_bytes,
            row.fragments,
            row.sent_bytes,
            row.repeated,
            {name: getattr(counts, name) for name in STATES},
            0 if is_over else stalled.get(row.package_id, row.told_stalled),
        )
        if each.fragments or each.stalled != row.told_stalled:
            found.append(each)
    return found


def tell_progress(conn: Connection, found: Sequence[PackageProgress], interval_s: float, now_s: float) -> int:
    """Write an event for each of these packages that nobody has told of meanwhile; gives how many. `interval_s`: so
    often it is looked at."""
    table, notes = package_progress, []
    for each in found:
        told = {"told_fragments": each.fragments_in_all, "told_bytes": each.bytes_in_all, "told_at_us": micros(now_s)}
        mine = table.c.package_id == each.package_id, table.c.told_at_us == each.told_at_us
        if conn.execute(update(table).where(*mine).values(**told, told_stalled=each.stalled)).rowcount:
            since_s = min(max(now_s - each.told_at_us / 1e6, 0.001), interval_s)
            notes.append(Note(Kind.PACKAGE_PROGRESS, AGENT, now_s, each.package_id, None, _detail(each, since_s)))
    event_log.append_many(conn, notes)
    return len(notes)


def _detail(each: PackageProgress, since_s: float) -> dict[str, Any]:
    return {
        "fragments": each.fragments,
        "bytes": each.sent_bytes,
        "bytes_per_s": round(each.sent_bytes / since_s),
        "fragments_in_all": each.fragments_in_all,
        "bytes_in_all": each.bytes_in_all,
        "repeated": each.repeated,
        "stalled": each.stalled,
        **each.computers,
    }


def find_downloading(conn: Connection) -> list[str]:
    """Packages that computers were notified of, or download: those that most do come first."""
    table, states = counters_table, (Outcome.NOTIFIED, Outcome.DOWNLOADING)
    query = select(table.c.package_id, table.c.computers).where(table.c.state.in_(states), table.c.computers > 0)
    found: dict[str, int] = {}
    for row in conn.execute(query):
        found[row.package_id] = found.get(row.package_id, 0) + row.computers
    return sorted(found, key=lambda package_id: -found[package_id])[:MAX_TOLD]
