"""What is sent of a package just now: by the last event that told of it, and by the server that sends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Float, case, cast, func, select

from distd.catalogue.event_log import Kind
from distd.catalogue.schema import assignments, events, micros, package_progress, progress
from distd.domain.results import Outcome
from distd.origin.packages.counters import is_latest, progress_of_assignment

if TYPE_CHECKING:
    from sqlalchemy import Connection

FETCHES_S: Final = 300.0  # who has got a fragment within this time fetches now
SHORTEST_S: Final = 60.0  # over which a rate is taken


@dataclass(frozen=True, slots=True)
class LiveProgress:
    """What was sent of a package to all computers: `fragments`, `sent_bytes`, `repeated` of the fragments once more.
    `bytes_per_s`: at `told_at_s`, by the event of then; 0: it is too long ago. `stalled` of the computers: None: not
    counted."""

    fragments: int
    sent_bytes: int
    repeated: int
    stalled: int | None
    bytes_per_s: float
    told_at_s: float


@dataclass(frozen=True, slots=True)
class ServerRate:
    """`mirror`: that sends; "": this server. `downloading`: computers that had their last fragment from it, `fetching`
    of them within five minutes, at `bytes_per_s` together, each by its mean since it began."""

    mirror: str
    downloading: int
    fetching: int
    bytes_per_s: float


def show_live(conn: Connection, package_id: str, fresh_s: float, now_s: float) -> LiveProgress | None:
    """None: nothing was sent of it. An event counts for `fresh_s`."""
    row = conn.execute(select(package_progress).where(package_progress.c.package_id == package_id)).first()
    if row is None:
        return None
    rate = 0.0
    if row.told_at_us >= micros(now_s - fresh_s):
        mine = events.c.package_id == package_id, events.c.kind == Kind.PACKAGE_PROGRESS.value
        newest = select(events.c.detail).where(*mine, events.c.at_us >= row.told_at_us)
        detail = conn.scalar(newest.order_by(events.c.seq.desc()).limit(1)) or {}
        rate = float(detail.get("bytes_per_s", 0.0))
    sums = row.fragments, row.sent_bytes, row.repeated, row.told_stalled
    return LiveProgress(*sums, rate, row.told_at_us / 1_000_000)


def list_rates(conn: Connection, package_id: str, now_s: float) -> list[ServerRate]:
    """The servers that send a package, the fastest first."""
    spent_us = progress.c.last_at_us - progress.c.first_at_us
    shortest_us = micros(SHORTEST_S)
    spent_us = case((spent_us < shortest_us, shortest_us), else_=spent_us)
    fetches = progress.c.last_at_us >= micros(now_s - FETCHES_S)
    each = cast(progress.c.sent_bytes, Float) * 1_000_000.0 / spent_us
    query = (
        select(
            progress.c.mirror,
            func.count().label("downloading"),
            func.sum(case((fetches, 1), else_=0)).label("fetching"),
            func.sum(case((fetches, each), else_=0.0)).label("rate"),
        )
        .select_from(assignments)
        .join(progress, progress_of_assignment())
        .where(assignments.c.package_id == package_id, is_latest(), assignments.c.state == Outcome.DOWNLOADING.value)
        .group_by(progress.c.mirror)
    )
    found = [ServerRate(row.mirror, row.downloading, int(row.fetching), float(row.rate)) for row in conn.execute(query)]
    return sorted(found, key=lambda each: (-each.bytes_per_s, each.mirror))
