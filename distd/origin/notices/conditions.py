"""The conditions that are so now: of the catalogue, and of this server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import case, func, select

from distd.catalogue import dialect
from distd.catalogue.mirrors_schema import mirrors
from distd.catalogue.rollouts_schema import rollouts
from distd.catalogue.schema import assignments, counters, micros, packages, progress
from distd.domain.conditions import Condition, ConditionKind
from distd.domain.results import Outcome
from distd.domain.rollout_state import Phase
from distd.origin.deployments.diagnosis_facts import read_context
from distd.origin.installation import MIB, disk_limits
from distd.origin.mirrors.presence import is_online
from distd.origin.packages.counters import progress_of_assignment
from distd.storage import quota

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from distd.domain.notice_settings import NoticeSettings
    from distd.domain.settings import Settings
    from distd.storage.data_dir import DataDir

FETCHING: Final = (Outcome.NOTIFIED, Outcome.DOWNLOADING)
DAY_S: Final = 86_400.0


def of_catalogue(conn: Connection, settings: NoticeSettings, now_s: float) -> list[Condition]:
    """Roll-outs that are halted, mirrors that are lost, packages whose computers stall."""
    return [*_halted(conn), *_lost(conn, now_s), *_stalled(conn, settings, now_s)]


def of_server(data: DataDir, settings: Settings, server: str, now_s: float) -> list[Condition]:
    """The disk and the certificate of this machine, which is called `server`. It reads files."""
    found, host = [], settings.server.host
    ends_at_s = read_context(data, settings).ends_at_s
    if ends_at_s is not None and ends_at_s < now_s + settings.notices.certificate_days * DAY_S:
        facts = {"ends_at_s": ends_at_s}
        found.append(Condition(ConditionKind.CERTIFICATE_ENDS, server, host, now_s, facts))
    try:
        free_bytes = quota.free_bytes(data, disk_limits(settings))
    except OSError:
        return found
    if free_bytes < settings.notices.disk_mib * MIB:
        found.append(Condition(ConditionKind.DISK_LOW, server, host, now_s, {"free_bytes": free_bytes}))
    return found


def _halted(conn: Connection) -> Iterator[Condition]:
    for row in conn.execute(select(rollouts).where(rollouts.c.phase == Phase.HALTED).order_by(rollouts.c.id)):
        facts = {"package_id": row.package_id, "reason": row.reason}
        since_s = row.changed_at_us / 1_000_000
        yield Condition(ConditionKind.ROLLOUT_HALTED, str(row.id), row.name, since_s, facts)


def _lost(conn: Connection, now_s: float) -> Iterator[Condition]:
    joined = (mirrors.c.joined_at_us.is_not(None), mirrors.c.revoked_at_us.is_(None))
    for row in conn.execute(select(mirrors).where(*joined).order_by(mirrors.c.name)):
        if not is_online(row, now_s):
            since_s = (row.seen_at_us or row.joined_at_us) / 1_000_000
            yield Condition(ConditionKind.MIRROR_LOST, row.name, row.name, since_s, {})


def _stalled(conn: Connection, settings: NoticeSettings, now_s: float) -> Iterator[Condition]:
    if not settings.stalled_percent:
        return
    number = func.sum(counters.c.computers)
    many = (
        select(counters.c.package_id)
        .where(counters.c.state.in_(FETCHING))
        .group_by(counters.c.package_id)
        .having(number >= settings.stalled_from)
        .order_by(counters.c.package_id)
    )
    last_at_us = func.coalesce(progress.c.last_at_us, assignments.c.notified_at_us, assignments.c.assigned_at_us)
    late_us = micros(now_s - settings.stalled_h * 3600.0)
    query = (
        select(
            *(assignments.c.package_id, packages.c.name, func.count().label("fetching")),
            func.sum(case((last_at_us < late_us, 1), else_=0)).label("stalled"),
        )
        .select_from(assignments)
        .join(packages, packages.c.id == assignments.c.package_id)
        .outerjoin(progress, progress_of_assignment())
        .where(assignments.c.state.in_(FETCHING))
        .group_by(assignments.c.package_id, packages.c.name)
        .order_by(assignments.c.package_id)
    )
    for ids in dialect.chunks(list(conn.scalars(many))):
        for row in conn.execute(query.where(assignments.c.package_id.in_(ids))):
            if row.stalled * 100 >= settings.stalled_percent * row.fetching:
                facts = {"stalled": int(row.stalled), "fetching": int(row.fetching)}
                yield Condition(ConditionKind.DEPLOYMENT_STALLED, row.package_id, row.name, now_s, facts)
