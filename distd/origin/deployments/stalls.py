"""How many computers of a package stall: no fragment within two turns that were due by the agents' own schedule.

`domain.diagnosis` judges one computer with all that is known of it; here many are counted, by the same limit.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from distd.catalogue import dialect
from distd.catalogue.schema import assignments, computers, micros, packages, progress
from distd.domain.diagnosis.due_turns import due_gap_s
from distd.domain.diagnosis.situation import DUE_TURNS, START_S
from distd.domain.records import Dialect
from distd.domain.results import Outcome
from distd.origin.packages.counters import is_latest, progress_of_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from distd.domain.settings import DownloadConfig

MAX_LATE: Final = 20_000  # computers of a package that are looked at one by one; what is beyond counts as stalled
_TOLD: Final = (Outcome.NOTIFIED, Outcome.DOWNLOADING)


def count_stalled(conn: Connection, package_id: str, config: DownloadConfig, now_s: float) -> int:
    """Of the computers that were notified of the package and have no result. `config`: the schedule of the site; those
    of groups and computers are not looked at."""
    priority = conn.scalar(select(packages.c.priority).where(packages.c.id == package_id))
    if priority is None:
        return 0
    alone = ((package_id, priority),)
    shortest_s = min(_limit_s(each, config, package_id, alone) for each in Dialect)
    late = _late(conn, package_id, now_s - shortest_s)
    others = _others(conn, package_id, [row.computer_id for row in late])
    stalled = 0
    for row in late:
        agent = Dialect.of_user_agent(row.user_agent or "")
        limit_s = _limit_s(agent, config, package_id, (*alone, *others[row.computer_id]))
        stalled += now_s - row.since_us / 1e6 > limit_s
    return stalled + (_count_late(conn, package_id, now_s - shortest_s) - MAX_LATE if len(late) == MAX_LATE else 0)


def _limit_s(
    agent: Dialect, config: DownloadConfig, package_id: str, with_priorities: tuple[tuple[str, int], ...]
) -> float:
    return DUE_TURNS * due_gap_s(agent, config, package_id, with_priorities) + START_S


_SINCE: Final = func.coalesce(progress.c.last_at_us, assignments.c.notified_at_us)


def _is_late(package_id: str, before_s: float) -> tuple[Any, ...]:
    mine = assignments.c.package_id == package_id, assignments.c.state.in_(_TOLD)
    return (*mine, micros(before_s) > _SINCE)


def _late(conn: Connection, package_id: str, before_s: float) -> Sequence[Any]:
    if before_s < 0:  # a package without turns: never
        return []
    query = (
        select(assignments.c.computer_id, computers.c.user_agent, _SINCE.label("since_us"))
        .select_from(assignments)
        .join(computers, computers.c.id == assignments.c.computer_id)
        .outerjoin(progress, progress_of_assignment())
        .where(*_is_late(package_id, before_s))
    )
    return conn.execute(query.limit(MAX_LATE)).all()


def _count_late(conn: Connection, package_id: str, before_s: float) -> int:
    joined = assignments.outerjoin(progress, progress_of_assignment())
    query = select(func.count()).select_from(joined).where(*_is_late(package_id, before_s))
    return int(conn.scalar(query) or 0)


def _others(
    conn: Connection, package_id: str, computer_ids: Sequence[int]
) -> defaultdict[int, tuple[tuple[str, int], ...]]:
    """The other packages (id, priority) that each of these computers was notified of, in the order of their ids."""
    found: defaultdict[int, tuple[tuple[str, int], ...]] = defaultdict(tuple)
    for ids in dialect.chunks(computer_ids):
        query = (
            select(assignments.c.computer_id, packages.c.id, packages.c.priority)
            .join(packages, packages.c.id == assignments.c.package_id)
            .where(assignments.c.computer_id.in_(ids), assignments.c.state.in_(_TOLD), is_latest())
            .where(assignments.c.package_id != package_id)
        )
        for row in conn.execute(query.order_by(packages.c.id)):
            found[row.computer_id] += ((row.id, row.priority),)
    return found
