"""Computers that are probably the same one: find them, and merge them where a rule says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, literal, not_, or_, select, union_all

from distd.catalogue.lists import read_page
from distd.catalogue.schema import computers, interfaces, micros
from distd.domain.actor import SYSTEM
from distd.domain.duplicates import JUNK_MAC_PREFIXES, JUNK_MACS, JUNK_SERIALS, MIN_SERIAL, DuplicateReason
from distd.domain.errors import BadInput
from distd.origin.computers.merging import merge

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import ColumnElement, Connection, Select

    from distd.domain.page import Page, Window

PLACE: Final = (str, str)  # in the list: the reason, the value
HOUR_S: Final = 3600.0
MAX_MEMBERS: Final = 100  # computers of one value that are listed
MAX_MERGED: Final = 100  # of one transaction


@dataclass(frozen=True, slots=True)
class DuplicateComputer:
    """One of several computers that are probably the same. Times are in seconds."""

    device_id: str
    name: str
    tag: str
    first_seen_at_s: float
    last_seen_at_s: float


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Computers that have a serial number, a MAC or a name in common: `value`, as a key. `count` of them; `computers`
    are the newest, at most 100."""

    reason: str
    value: str
    count: int
    computers: list[DuplicateComputer]


def _telling_serials() -> ColumnElement[bool]:
    key = computers.c.serial_key
    return and_(func.length(key) >= MIN_SERIAL, key.not_in(sorted(JUNK_SERIALS)))


def _telling_macs() -> ColumnElement[bool]:
    mac = interfaces.c.mac
    prefixes = (mac.startswith(prefix, autoescape=True) for prefix in JUNK_MAC_PREFIXES)
    return and_(mac != "", mac.not_in(sorted(JUNK_MACS)), not_(or_(*prefixes)))


# The values of each computer, and which of them say something.
_VALUES: Final[Mapping[DuplicateReason, tuple[Any, Any, ColumnElement[bool]]]] = {
    DuplicateReason.SERIAL: (computers.c.serial_key, computers.c.id, _telling_serials()),
    DuplicateReason.MAC: (interfaces.c.mac, interfaces.c.computer_id, _telling_macs()),
    DuplicateReason.NAME: (computers.c.name_key, computers.c.id, computers.c.name_key != ""),
}


def list_duplicates(conn: Connection, reasons: Collection[str], window: Window) -> Page[Duplicates]:
    """By reason and value; for these reasons, none: for all. Raises `BadInput` for what is no reason."""
    wrong = set(reasons) - set(DuplicateReason)
    if wrong:
        raise BadInput("reason", f"one of {', '.join(DuplicateReason)}", min(wrong))
    wanted = [reason for reason in DuplicateReason if not reasons or reason in reasons]
    shared = union_all(*map(_shared, wanted)).subquery()

    def item(row: Any) -> Duplicates:
        return Duplicates(row.reason, row.value, row.number, _members(conn, row.reason, row.value))

    return read_page(conn, select(shared), (shared.c.reason, shared.c.value), window, item)


def _shared(reason: DuplicateReason) -> Select[Any]:
    value, computer_id, telling = _VALUES[reason]
    count = func.count(computer_id.distinct())
    columns = literal(str(reason)).label("reason"), value.label("value"), count.label("number")
    return select(*columns).where(telling).group_by(value).having(count > 1)


def _members(conn: Connection, reason: str, value: str) -> list[DuplicateComputer]:
    column, computer_id, _ = _VALUES[DuplicateReason(reason)]
    ids = select(computer_id).where(column == value)
    query = (
        select(computers).where(computers.c.id.in_(ids)).order_by(computers.c.last_seen_at_us.desc(), computers.c.id)
    )
    return [
        DuplicateComputer(
            row.device_id,
            row.name or "",
            row.tag or "",
            row.first_seen_at_us / 1_000_000,
            row.last_seen_at_us / 1_000_000,
        )
        for row in conn.execute(query.limit(MAX_MEMBERS))
    ]


_OF_COMPUTER: Final = ("id", "device_id", "first_seen_at_us", "last_seen_at_us")


def merge_by_rule(conn: Connection, now_s: float, reason: DuplicateReason, silent_h: int) -> int:
    """Merge computers that share a value into the one that was first seen last, where they were in contact before it
    came and not for `silent_h` hours; at most `MAX_MERGED`. Gives how many.

    Of two that are in contact both, such as copies of a virtual machine, none is merged.
    """
    column, computer_id, _ = _VALUES[reason]
    shared = _shared(reason).subquery()
    query = (
        select(column.label("value"), *(computers.c[name] for name in _OF_COMPUTER))
        .select_from(computers if computer_id is computers.c.id else computers.join(interfaces))
        .where(column.in_(select(shared.c.value)))
        .order_by(column, computers.c.first_seen_at_us, computers.c.id)
        .distinct()
    )
    groups: dict[str, list[Any]] = {}
    for row in conn.execute(query):
        groups.setdefault(row.value, []).append(row)
    gone: set[str] = set()
    for *older, newest in groups.values():
        for row in _silent(older, newest, micros(now_s - silent_h * HOUR_S)):
            if row.device_id not in gone and newest.device_id not in gone and len(gone) < MAX_MERGED:
                merge(conn, SYSTEM, row.device_id, newest.device_id, now_s)
                gone.add(row.device_id)
    return len(gone)


def _silent(older: Collection[Any], newest: Any, before_us: int) -> list[Any]:
    return [row for row in older if row.last_seen_at_us < min(newest.first_seen_at_us, before_us)]
