"""Notices in the catalogue: what is written down of conditions, so that each is told once, also over restarts and by
several processes; and what is to be sent of them, a bounded queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind
from distd.catalogue.lists import read_page
from distd.catalogue.notices_schema import notice_deliveries, notices
from distd.catalogue.schema import NAME_LIMIT, TEXT_LIMIT, micros, seconds
from distd.domain.actor import SYSTEM
from distd.domain.conditions import (
    MAX_TRIES,
    ConditionKind,
    NoticePhase,
    NoticeStep,
    OpenNotice,
    next_changes,
    pause_s,
)
from distd.domain.page import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from distd.domain.conditions import Condition, NoticeChange
    from distd.domain.notice_settings import NoticeSettings
    from distd.domain.page import Window

MAX_WAITING: Final = 1000  # what is to be sent; more is not kept
KEPT: Final = 1000  # notices that are over, of which the oldest are forgotten
AT_ONCE: Final = 10  # that are taken to be sent
PLACE: Final = (int,)  # of a notice in the list: its id


@dataclass(frozen=True, slots=True)
class NoticeDelivery:
    """How a notice was sent: `channel` is mail or webhook, `why` it was not yet. `next_at_s` null: it was sent, or is
    given up."""

    channel: str
    phase: str
    tries: int
    sent_at_s: float | None
    next_at_s: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A condition that somebody should know of. `told_at_s` null: it has not lasted long enough; `ended_at_s` null: it
    is not over."""

    id: int
    kind: str
    subject: str
    name: str
    facts: dict[str, str | float]
    since_s: float
    told_at_s: float | None
    ended_at_s: float | None
    deliveries: list[NoticeDelivery]


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """What is to be sent now. `at_s`: when it was told or over; `tries`: those that failed."""

    id: int
    notice: Notice
    channel: str
    phase: NoticePhase
    at_s: float
    tries: int


def list_notices(conn: Connection, window: Window) -> Page[Notice]:
    """The newest first."""
    page = read_page(conn, select(notices), (notices.c.id,), window, lambda row: row, newest_first=True)
    return Page(_notices(conn, page.items), page.next, page.total)


def list_open(conn: Connection) -> list[Notice]:
    """Those that are not over, and are found; also those that nobody was told of yet."""
    query = select(notices).where(notices.c.ended_at_us.is_(None), notices.c.gone_at_us.is_(None))
    return _notices(conn, conn.execute(query.order_by(notices.c.id).limit(KEPT)).all())


def changes(
    conn: Connection, found: Sequence[Condition], settings: NoticeSettings, server: str, now_s: float
) -> list[NoticeChange]:
    """What `take_note` would change."""
    rows = conn.execute(select(notices).where(notices.c.ended_at_us.is_(None)).order_by(notices.c.id))
    return next_changes([_open(row) for row in rows], found, settings, server, now_s)


def take_note(
    conn: Connection, found: Sequence[Condition], settings: NoticeSettings, server: str, now_s: float
) -> list[str]:
    """Write down what the machine `server` has found, and what is to be sent of it; gives what is told in a line each,
    for the log."""
    told = []
    new: dict[tuple[str, str], int] = {}
    for change in changes(conn, found, settings, server, now_s):
        key = change.notice or change.condition
        assert key is not None
        notice_id = change.notice.id if change.notice else new.get((key.kind, key.subject), 0)
        if change.step is NoticeStep.FOUND and change.condition is not None:
            new[key.kind, key.subject] = _insert(conn, change.condition, now_s)
        elif change.step is NoticeStep.DROPPED:
            conn.execute(delete(notices).where(notices.c.id == notice_id))
        else:
            values = _VALUES[change.step](micros(now_s))
            if change.step is NoticeStep.TOLD and change.condition is not None:
                values["facts"] = dict(change.condition.facts)
            conn.execute(update(notices).where(notices.c.id == notice_id).values(**values))
        phase = _PHASES.get(change.step)
        if phase is not None:
            told.append(_tell(conn, notice_id, phase, settings, now_s))
    if told:
        _forget_old(conn)
    return told


_VALUES: Final[dict[NoticeStep, Any]] = {
    NoticeStep.TOLD: lambda now_us: {"told_at_us": now_us},
    NoticeStep.GONE: lambda now_us: {"gone_at_us": now_us},
    NoticeStep.BACK: lambda _: {"gone_at_us": None},
    NoticeStep.ENDED: lambda now_us: {"ended_at_us": now_us},
}
_PHASES: Final = {NoticeStep.TOLD: NoticePhase.BEGAN, NoticeStep.ENDED: NoticePhase.ENDED}


def _insert(conn: Connection, condition: Condition, now_s: float) -> int:
    row = {
        "kind": condition.kind,
        "subject": condition.subject[:NAME_LIMIT],
        "name": condition.name[:NAME_LIMIT],
        "facts": dict(condition.facts),
        "since_us": micros(condition.since_s),
        "found_at_us": micros(now_s),
    }
    made: int = conn.execute(insert(notices).values(**row).returning(notices.c.id)).scalar_one()
    return made


def _tell(conn: Connection, notice_id: int, phase: NoticePhase, settings: NoticeSettings, now_s: float) -> str:
    """An event, and what is to be sent."""
    row = conn.execute(select(notices).where(notices.c.id == notice_id)).one()
    kind = Kind.NOTICE_BEGAN if phase is NoticePhase.BEGAN else Kind.NOTICE_ENDED
    detail: dict[str, Any] = {"notice": notice_id, "condition": row.kind, "name": row.name}
    event_log.append(conn, kind, SYSTEM, at_s=now_s, **detail)
    is_open = notice_deliveries.c.next_at_us.is_not(None)
    waiting = conn.scalar(select(func.count()).select_from(notice_deliveries).where(is_open)) or 0
    for channel in channels(settings)[: max(MAX_WAITING - waiting, 0)]:
        values = {"notice_id": notice_id, "channel": channel, "phase": phase, "next_at_us": micros(now_s)}
        conn.execute(insert(notice_deliveries).values(**values))
    return f"{row.kind} {row.name}: {'it begins' if phase is NoticePhase.BEGAN else 'it is over'}"


def channels(settings: NoticeSettings) -> tuple[str, ...]:
    """By what notices are sent."""
    by = {"webhook": settings.webhook_url, "mail": settings.mail_to and settings.mail_server}
    return tuple(channel for channel, is_set in by.items() if is_set)


def is_due(conn: Connection, now_s: float) -> bool:
    """Whether something is to be sent now."""
    due = select(notice_deliveries.c.id).where(notice_deliveries.c.next_at_us <= micros(now_s))
    return conn.scalar(due.limit(1)) is not None


def take_due(conn: Connection, now_s: float, lease_s: float) -> list[DueDelivery]:
    """What is to be sent now; nobody else takes it for so long."""
    due = select(notice_deliveries).where(notice_deliveries.c.next_at_us <= micros(now_s))
    rows = conn.execute(due.order_by(notice_deliveries.c.id).limit(AT_ONCE)).all()
    ids = [row.id for row in rows]
    later = {"next_at_us": micros(now_s + lease_s)}
    conn.execute(update(notice_deliveries).where(notice_deliveries.c.id.in_(ids)).values(**later))
    of_them = select(notices).where(notices.c.id.in_({row.notice_id for row in rows}))
    found = {each.id: each for each in _notices(conn, conn.execute(of_them).all())}
    taken = []
    for row in rows:
        notice, phase = found[row.notice_id], NoticePhase(row.phase)
        at_s = notice.told_at_s if phase is NoticePhase.BEGAN else notice.ended_at_s
        taken.append(DueDelivery(row.id, notice, row.channel, phase, at_s or now_s, row.tries))
    return taken


def sent(conn: Connection, delivery_id: int, now_s: float) -> None:
    """It was sent."""
    values = {"sent_at_us": micros(now_s), "next_at_us": None, "why": ""}
    conn.execute(update(notice_deliveries).where(notice_deliveries.c.id == delivery_id).values(**values))


def not_sent(conn: Connection, due: DueDelivery, why: str, now_s: float) -> bool:
    """It could not be sent; gives whether it is given up."""
    tries = due.tries + 1
    is_over = tries >= MAX_TRIES
    next_at_us = None if is_over else micros(now_s + pause_s(tries))
    values = {"tries": tries, "why": why[:TEXT_LIMIT], "next_at_us": next_at_us}
    conn.execute(update(notice_deliveries).where(notice_deliveries.c.id == due.id).values(**values))
    if is_over:
        detail: dict[str, Any] = {"notice": due.notice.id, "channel": due.channel, "why": why[:TEXT_LIMIT]}
        event_log.append(conn, Kind.NOTICE_NOT_SENT, SYSTEM, at_s=now_s, **detail)
    return is_over


def _forget_old(conn: Connection) -> None:
    over = select(notices.c.id).where(notices.c.ended_at_us.is_not(None)).order_by(notices.c.id.desc())
    oldest = conn.scalar(over.offset(KEPT).limit(1))
    if oldest is not None:
        gone = select(notices.c.id).where(notices.c.ended_at_us.is_not(None), notices.c.id <= oldest)
        conn.execute(delete(notice_deliveries).where(notice_deliveries.c.notice_id.in_(gone)))
        conn.execute(delete(notices).where(notices.c.ended_at_us.is_not(None), notices.c.id <= oldest))


def _open(row: Row[Any]) -> OpenNotice:
    kind, since_s = ConditionKind(row.kind), row.since_us / 1_000_000
    return OpenNotice(row.id, kind, row.subject, since_s, row.told_at_us is not None, seconds(row.gone_at_us))


def _notices(conn: Connection, rows: Sequence[Row[Any]]) -> list[Notice]:
    deliveries: dict[int, list[NoticeDelivery]] = {row.id: [] for row in rows}
    query = select(notice_deliveries).where(notice_deliveries.c.notice_id.in_(list(deliveries)))
    for each in conn.execute(query.order_by(notice_deliveries.c.id)):
        times = seconds(each.sent_at_us), seconds(each.next_at_us)
        made = NoticeDelivery(each.channel, each.phase, each.tries, *times, each.why)
        deliveries[each.notice_id].append(made)
    return [
        Notice(
            *(row.id, row.kind, row.subject, row.name, row.facts, row.since_us / 1_000_000),
            *(seconds(row.told_at_us), seconds(row.ended_at_us), deliveries[row.id]),
        )
        for row in rows
    ]
