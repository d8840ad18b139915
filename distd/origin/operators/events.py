"""What happened, for operators: the event log by package, computer, actor, kind and time; the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, and_, func, literal_column, not_, or_, select

from distd.catalogue.event_log import OF_PACKAGES, Kind
from distd.catalogue.lists import read_page
from distd.catalogue.schema import BY_PEOPLE, computers, events, micros, packages
from distd.domain.actor import PEOPLE, SYSTEM, Actor, ActorKind
from distd.domain.errors import BadInput
from distd.domain.page import Page
from distd.origin.operators.restrictions import is_restricted, visible

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row, Select

    from distd.domain.page import Window

PLACE: Final = (int,)  # of an event in the list: its sequence number


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event with the names of its package and its computer; None: it has none. `actor` is a kind, or a kind and a
    name ("operator:admin"); "": an earlier version wrote the event. `address`: from where it acted; "": from this
    machine, or nobody knows. `detail` depends on `kind`."""

    seq: int
    at_s: float
    kind: str
    actor: str
    address: str
    package_id: str | None
    package_name: str | None
    device_id: str | None
    computer_name: str | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; None or nothing: all. `actor`: a kind, a name, or both ("operator", "admin", "operator:admin");
    `since_s`: from this time on; `by_people`: those of operators, tokens and command lines alone; `reader`:
    those of computers that it may see, and of packages. `audit`: also who may sign in, who did, and which filters
    others keep for themselves."""

    package_id: str | None = None
    device_id: str | None = None
    actor: str | None = None
    kinds: tuple[Kind, ...] = ()
    since_s: float | None = None
    by_people: bool = False
    reader: Actor = SYSTEM
    audit: bool = True


# What only those are told who may read the audit trail.
OF_AUDIT: Final = frozenset(
    {
        *(Kind.OPERATOR_ADDED, Kind.OPERATOR_CHANGED, Kind.OPERATOR_DELETED, Kind.PASSWORD_CHANGED),
        *(Kind.API_TOKEN_ADDED, Kind.API_TOKEN_REVOKED, Kind.LOGGED_IN, Kind.LOG_IN_FAILED),
        *(Kind.AGENT_LOGIN_SET, Kind.AGENT_LOGIN_DELETED),
    }
)
# Of these only what is shared, and one's own.
OF_FILTERS: Final = frozenset({Kind.FILTER_SAVED, Kind.FILTER_DELETED})
ALL: Final = Wanted()
_PEOPLE: Final = frozenset(kind.value for kind in PEOPLE)
_BY_PEOPLE: Final[ColumnElement[bool]] = literal_column(
    BY_PEOPLE, Boolean
)  # in words: an index of these alone is found by them


def newest(conn: Connection, wanted: Wanted, window: Window) -> Page[LoggedEvent]:
    """The newest first. A computer or package that is unknown has no events."""
    conditions = _conditions(conn, wanted)
    query, count = _select().where(*conditions), partial(_count, conn, conditions)
    return read_page(conn, query, (events.c.seq,), window, _entry, newest_first=True, count=count)


def latest(conn: Connection, wanted: Wanted, limit: int) -> list[LoggedEvent]:
    """The newest ones, the newest first; how many there are in all is not counted."""
    query = _select().where(*_conditions(conn, wanted)).order_by(events.c.seq.desc())
    return [_entry(row) for row in conn.execute(query.limit(limit))]


def last_of_people(conn: Connection) -> int:
    """The sequence number of the last event of an operator, a token or a command line; 0: there is none."""
    return conn.scalar(select(func.max(events.c.seq)).where(_BY_PEOPLE)) or 0


def following(conn: Connection, wanted: Wanted, seq: int, limit: int, last: int | None = None) -> list[LoggedEvent]:
    """The oldest `limit` events after sequence number `seq`, up to `last`, the oldest first."""
    query = _select().where(*_conditions(conn, wanted), events.c.seq > seq).order_by(events.c.seq)
    if last is not None:
        query = query.where(events.c.seq <= last)
    return [_entry(row) for row in conn.execute(query.limit(limit))]


def following_page(conn: Connection, wanted: Wanted, seq: int, limit: int) -> Page[LoggedEvent]:
    """As `following`. `next` is the sequence number to go on from, in text; `total` counts all that are `wanted`."""
    found = following(conn, wanted, seq, limit + 1)
    items = found[:limit]
    return Page(items, str(items[-1].seq) if len(found) > limit else None, _count(conn, _conditions(conn, wanted)))


def matches(wanted: Wanted, event: LoggedEvent) -> bool:
    """Whether this event is one of those that `following` finds, for a reader who may see all computers."""
    kind, _, name = event.actor.partition(":")
    return (
        wanted.package_id in (None, event.package_id)
        and wanted.device_id in (None, event.device_id)
        and (wanted.actor is None or _names(wanted.actor, kind, name))
        and (not wanted.kinds or event.kind in wanted.kinds)
        and (wanted.since_s is None or micros(event.at_s) >= micros(wanted.since_s))
        and (not wanted.by_people or kind in _PEOPLE)
        and (wanted.audit or _is_for_all(event, wanted.reader))
    )


def read_kinds(texts: tuple[str, ...], field: str) -> tuple[Kind, ...]:
    """Kinds of events by their names, in any case. Raises `BadInput`."""
    try:
        return tuple(Kind(text.strip().upper().replace("-", "_")) for text in texts)
    except ValueError:
        wrong = next(text for text in texts if text.strip().upper().replace("-", "_") not in set(Kind))
        raise BadInput(field, f"one of {', '.join(Kind)}", wrong) from None


def _select() -> Select[Any]:
    joined = events.outerjoin(packages, packages.c.id == events.c.package_id)
    joined = joined.outerjoin(computers, computers.c.id == events.c.computer_id)
    names = (packages.c.name.label("package_name"), computers.c.device_id, computers.c.name.label("computer_name"))
    return select(events, *names).select_from(joined)


def _conditions(conn: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.package_id is not None:
        found.append(events.c.package_id == wanted.package_id)
    if wanted.device_id is not None:
        one = select(computers.c.id).where(computers.c.device_id == wanted.device_id)
        found.append(events.c.computer_id == one.scalar_subquery())
    if wanted.actor is not None:
        found.append(_is_of(wanted.actor))
    if wanted.kinds:
        found.append(events.c.kind.in_([kind.value for kind in wanted.kinds]))
    if wanted.since_s is not None:
        found.append(events.c.at_us >= micros(wanted.since_s))
    if wanted.by_people:
        found.append(_BY_PEOPLE)
    if not wanted.audit:
        found += _for_all(wanted.reader)
    if is_restricted(conn, wanted.reader):
        found.append(_may_read(visible(conn, wanted.reader)))
    return found


def _for_all(reader: Actor) -> list[ColumnElement[bool]]:
    is_filter = events.c.kind.in_([kind.value for kind in OF_FILTERS])
    is_own = and_(events.c.actor_kind == str(reader.kind), events.c.actor_name == reader.name)
    is_shared = events.c.detail["shared"].as_boolean()
    return [events.c.kind.not_in([kind.value for kind in OF_AUDIT]), or_(not_(is_filter), is_own, is_shared)]


def _is_for_all(event: LoggedEvent, reader: Actor) -> bool:
    """As `_for_all`, in memory."""
    if event.kind in OF_FILTERS:
        return event.actor == str(reader) or event.detail.get("shared") is True
    return event.kind not in OF_AUDIT


def _may_read(seen: ColumnElement[bool]) -> ColumnElement[bool]:
    mine = select(computers.c.id).where(seen).correlate(None)
    of_packages = and_(events.c.computer_id.is_(None), events.c.kind.in_([kind.value for kind in OF_PACKAGES]))
    return or_(events.c.computer_id.in_(mine), of_packages)


def _is_of(text: str) -> ColumnElement[bool]:
    kind, colon, name = text.partition(":")
    if colon and kind in set(ActorKind):
        return and_(events.c.actor_kind == kind, events.c.actor_name == name)
    return or_(events.c.actor_kind == text, events.c.actor_name == text)


def _names(text: str, actor_kind: str, actor_name: str) -> bool:
    """As `_is_of`, in memory."""
    kind, colon, name = text.partition(":")
    if colon and kind in set(ActorKind):
        return (actor_kind, actor_name) == (kind, name)
    return text in (actor_kind, actor_name)


def _count(conn: Connection, conditions: list[ColumnElement[bool]]) -> int:
    return conn.scalar(select(func.count()).select_from(events).where(*conditions)) or 0


def _entry(row: Row[Any]) -> LoggedEvent:
    actor = str(Actor(ActorKind(row.actor_kind), row.actor_name)) if row.actor_kind else ""
    names = (row.package_id, row.package_name, row.device_id, row.computer_name)
    return LoggedEvent(row.seq, row.at_us / 1_000_000, row.kind, actor, row.actor_address, *names, row.detail)
