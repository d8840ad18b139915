"""The event log: what happened, in the order of the commits. Sequence numbers only grow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import delete, func, select

from distd.catalogue.dialect import many_rows
from distd.catalogue.schema import events, micros
from distd.domain.actor import Actor, ActorKind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection, Row


class Kind(StrEnum):
    """What an event says; comments name the fields of its `detail`."""

    PACKAGE_PUBLISHED = "PACKAGE_PUBLISHED"
    PACKAGE_ACTIVATED = "PACKAGE_ACTIVATED"
    PACKAGE_DEACTIVATED = "PACKAGE_DEACTIVATED"
    PACKAGE_EDITED = "PACKAGE_EDITED"  # detail.version
    PACKAGE_SIGNED = "PACKAGE_SIGNED"  # by another signer; detail.version
    PACKAGE_RENAMED = "PACKAGE_RENAMED"  # detail.name
    PACKAGE_DESCRIBED = "PACKAGE_DESCRIBED"  # detail.description
    PACKAGE_SUPERSEDED = "PACKAGE_SUPERSEDED"  # detail.by
    PACKAGE_WITHDRAWN = "PACKAGE_WITHDRAWN"
    PACKAGE_DELETED = "PACKAGE_DELETED"
    MIRROR_ADDED = "MIRROR_ADDED"  # detail.mirror, as in all of these
    MIRROR_JOINED = "MIRROR_JOINED"
    MIRROR_REVOKED = "MIRROR_REVOKED"
    MIRROR_RULES = "MIRROR_RULES"  # detail.rules, .before
    MIRROR_CONNECTED = "MIRROR_CONNECTED"
    MIRROR_LOST = "MIRROR_LOST"
    MIRROR_READY = "MIRROR_READY"  # detail.version
    MIRROR_GONE = "MIRROR_GONE"  # it no longer has a package
    MIRROR_HEALED = "MIRROR_HEALED"  # detail.name: a bad file on its disk was replaced
    MIRROR_BAD = "MIRROR_BAD"  # detail.name: a bad file that could not be replaced
    ACTIVATION_PLANNED = "ACTIVATION_PLANNED"
    ACTIVATION_CANCELLED = "ACTIVATION_CANCELLED"  # detail.why: it was impossible when its time had come
    OPERATOR_ADDED = "OPERATOR_ADDED"  # detail.operator, .after: role, filter, source
    OPERATOR_CHANGED = "OPERATOR_CHANGED"  # detail.operator, .before, .after
    OPERATOR_DELETED = "OPERATOR_DELETED"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # detail.operator, .tokens: how many of its tokens were revoked
    API_TOKEN_ADDED = "API_TOKEN_ADDED"  # detail.token: its name; .after: owner, role, acts, filter, expires_at_s
    API_TOKEN_REVOKED = "API_TOKEN_REVOKED"  # detail.token, .owner
    PARAMETERS_SET = "PARAMETERS_SET"  # detail.level, .group, .before, .after: those that have changed; null: inherited
    LOGGED_IN = "LOGGED_IN"  # detail.address; an operator's from an address once an hour
    LOG_IN_FAILED = "LOG_IN_FAILED"  # detail.address, .names, .count, .unchecked: of an address in a minute
    KEYS_ROTATED = "KEYS_ROTATED"  # detail.keys: which
    CERTIFICATES_REVOKED = "CERTIFICATES_REVOKED"  # detail.serials, .epoch of the trust file (0: not signed yet)
    AGENT_LOGIN_SET = "AGENT_LOGIN_SET"  # detail.login: agents may log in by it; it is new, or has another password
    AGENT_LOGIN_DELETED = "AGENT_LOGIN_DELETED"  # detail.login
    COMPUTER_ENROLLED = "COMPUTER_ENROLLED"  # distd's own agent has a key; detail.login: by which it came in
    COMPUTER_SEEN = "COMPUTER_SEEN"  # for the first time
    COMPUTER_DELETED = "COMPUTER_DELETED"  # detail.device_id
    COMPUTER_ADMITTED = "COMPUTER_ADMITTED"  # out of the waiting room
    COMPUTER_MERGED = "COMPUTER_MERGED"  # with another, which is deleted: detail.device_id
    CONTACT_REFUSED = "CONTACT_REFUSED"  # detail.why, .address; .device_id, where it is of no computer
    COMPUTER_CHANGED = "COMPUTER_CHANGED"  # detail.fact (address, agent, serial, mac), .before, .after, .flagged
    COMPUTER_SET = "COMPUTER_SET"  # an operator's settings of a computer: the values in detail; .before: earlier ones
    TOKENS_REVOKED = "TOKENS_REVOKED"  # of a computer
    FILTER_SAVED = "FILTER_SAVED"  # detail.name, .text, .shared
    FILTER_DELETED = "FILTER_DELETED"  # detail.name, .text, .shared
    GROUP_CREATED = "GROUP_CREATED"  # detail.group, as in all of these; .filter (null: static), .members
    GROUP_CHANGED = "GROUP_CHANGED"  # detail.before, .after
    GROUP_DELETED = "GROUP_DELETED"  # detail.filter, .members
    GROUP_MEMBERS_SET = "GROUP_MEMBERS_SET"  # by hand: detail.added, .removed, .reset: how many
    GROUP_JOINED = "GROUP_JOINED"  # a computer is in it from now on
    GROUP_LEFT = "GROUP_LEFT"
    GROUP_GIVES = "GROUP_GIVES"  # a package to its members, now and later
    GROUP_GIVES_NO_MORE = "GROUP_GIVES_NO_MORE"  # detail.computers: from how many it was taken back
    GROUP_CANNOT_GIVE = "GROUP_CANNOT_GIVE"  # detail.computers: to how many; .why
    INVENTORY = "INVENTORY"  # detail.software_left_out: how many new names or versions were beyond the limit
    ASSIGNED = "ASSIGNED"
    UNASSIGNED = "UNASSIGNED"  # detail.listed: the agent had been notified, so it stays listed until its final status
    NOTIFIED = "NOTIFIED"
    FRAGMENTS_FETCHED = "FRAGMENTS_FETCHED"  # the first ones: detail.numbers "1-3", .bytes; mirror: .mirror, .address
    PACKAGE_PROGRESS = "PACKAGE_PROGRESS"  # of all computers: `progress_events` says what detail has
    RESULT = "RESULT"  # detail.code; detail.ignored: why it is the result of no assignment
    ARCHIVED = "ARCHIVED"  # an operator took note of the result; detail.code
    RENOTIFIED = "RENOTIFIED"  # another attempt: detail.attempt, .force, .before: the result of the one before
    CANCELLED = "CANCELLED"  # the agent gets no more of it, and reports ERR_BAD_DIGEST
    DEPLOYMENT_ACT = "DEPLOYMENT_ACT"  # one act on many computers: detail.act, .computers: on how many
    # Of roll-outs: detail.rollout, .name, .wave (from 1), .computers, and the figures that the decision rests on.
    ROLLOUT_CREATED = "ROLLOUT_CREATED"
    ROLLOUT_CHANGED = "ROLLOUT_CHANGED"  # detail.before, .after: of its plan what is different
    ROLLOUT_DELETED = "ROLLOUT_DELETED"
    ROLLOUT_APPROVED = "ROLLOUT_APPROVED"
    ROLLOUT_STARTED = "ROLLOUT_STARTED"
    ROLLOUT_JOINED = "ROLLOUT_JOINED"  # computers that began to match
    ROLLOUT_WAVE_OPENED = "ROLLOUT_WAVE_OPENED"
    ROLLOUT_ASSIGNED = "ROLLOUT_ASSIGNED"
    ROLLOUT_RETRIED = "ROLLOUT_RETRIED"
    ROLLOUT_RECALLED = "ROLLOUT_RECALLED"  # what was assigned, and not notified yet, waits
    ROLLOUT_PAUSED = "ROLLOUT_PAUSED"
    ROLLOUT_RESUMED = "ROLLOUT_RESUMED"
    ROLLOUT_HALTED = "ROLLOUT_HALTED"  # detail.cause
    ROLLOUT_STOPPED = "ROLLOUT_STOPPED"
    ROLLOUT_FINISHED = "ROLLOUT_FINISHED"
    ROLLOUT_ROLLED_BACK = "ROLLOUT_ROLLED_BACK"  # detail.to: the package
    ROLLOUT_RESTARTED = "ROLLOUT_RESTARTED"  # detail.before, .after: the packages
    SET_CREATED = "SET_CREATED"  # of packages: detail.set, as in all of these; .packages, .chain
    SET_CHANGED = "SET_CHANGED"  # detail.before, .after
    SET_DELETED = "SET_DELETED"
    RECURRENCE_CREATED = "RECURRENCE_CREATED"  # detail.recurrence, as in all of these; .every_days, .who, .first_at_s
    RECURRENCE_CHANGED = "RECURRENCE_CHANGED"  # detail.before, .after: every_days, who, next_at_s
    RECURRENCE_DELETED = "RECURRENCE_DELETED"
    RECURRENCE_RUN = "RECURRENCE_RUN"  # detail.again, .new: to how many computers
    RECURRENCE_FAILED = "RECURRENCE_FAILED"  # detail.why
    SOURCE_WATCHED = "SOURCE_WATCHED"  # detail.source, as in all of these; .place, .every_s
    SOURCE_EDITED = "SOURCE_EDITED"  # detail.before, .after: name, place, every_s, with_assignments
    SOURCE_CHANGED = "SOURCE_CHANGED"  # detail.digest, .size_bytes, .job: which makes a package of this version
    SOURCE_FAILED = "SOURCE_FAILED"  # an outage begins: detail.why
    SOURCE_RECOVERED = "SOURCE_RECOVERED"
    SOURCE_DELETED = "SOURCE_DELETED"
    # Of notices: detail.notice, .condition (`domain.conditions`), .name: of what.
    NOTICE_BEGAN = "NOTICE_BEGAN"
    NOTICE_ENDED = "NOTICE_ENDED"
    NOTICE_NOT_SENT = "NOTICE_NOT_SENT"  # detail.channel, .why
    UNPROVEN = "UNPROVEN"  # only the agent claims to have it: detail.code, or none: it is in its history
    ACCEPTED = "ACCEPTED"  # an operator takes what was unproven for a success; detail.code


# The events that mirrors are sent.
OF_PACKAGES: Final = (
    Kind.PACKAGE_PUBLISHED,
    Kind.PACKAGE_ACTIVATED,
    Kind.PACKAGE_DEACTIVATED,
    Kind.PACKAGE_EDITED,
    Kind.PACKAGE_SIGNED,
    Kind.PACKAGE_SUPERSEDED,
    Kind.PACKAGE_WITHDRAWN,
    Kind.PACKAGE_DELETED,
)
MAX_NUMBERS: Final = 10_000
# In `Connection.info` once events were appended in a transaction; `Catalogue.write` takes it out again.
APPENDED: Final = "events_appended"


class Note(NamedTuple):
    """An event that is to be written. A tuple: a batch has hundreds."""

    kind: Kind
    actor: Actor
    at_s: float
    package_id: str | None
    computer_id: int | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the log. `actor` None: an earlier version wrote it."""

    seq: int
    at_s: float
    kind: Kind
    actor: Actor | None
    package_id: str | None
    computer_id: int | None
    detail: dict[str, Any]


def append(
    conn: Connection,
    kind: Kind,
    actor: Actor,
    *,
    at_s: float,
    package_id: str | None = None,
    computer_id: int | None = None,
    **detail: Any,
) -> None:
    """Write one event."""
    append_many(conn, [Note(kind, actor, at_s, package_id, computer_id, detail)])


def append_many(conn: Connection, notes: Sequence[Note]) -> None:
    """Write events in their order, by one statement."""
    if notes:
        conn.info[APPENDED] = True
        many_rows.insert_rows(conn, events, [_row(note) for note in notes])


def newest(conn: Connection) -> int:
    """The sequence number of the newest event; 0: there is none."""
    return conn.scalar(select(func.max(events.c.seq))) or 0


def oldest(conn: Connection) -> int:
    """The sequence number of the oldest event that is still kept; 0: there is none."""
    return conn.scalar(select(func.min(events.c.seq))) or 0


def numbers(conn: Connection, after: int, kinds: Collection[Kind]) -> list[int]:
    """The sequence numbers of the events of these kinds after `after`, ascending; only the newest `MAX_NUMBERS`."""
    query = select(events.c.seq).where(events.c.seq > after, events.c.kind.in_([kind.value for kind in kinds]))
    return sorted(conn.scalars(query.order_by(events.c.seq.desc()).limit(MAX_NUMBERS)))


def newest_of_kinds(conn: Connection, after: int, last: int) -> dict[str, int]:
    """The newest sequence number of each kind of which there are events after `after`, up to `last`."""
    query = select(events.c.kind, func.max(events.c.seq)).where(events.c.seq > after, events.c.seq <= last)
    return dict(conn.execute(query.group_by(events.c.kind)).all())


def has_any(conn: Connection, after: int, last: int, kinds: Collection[Kind]) -> bool:
    """Whether there is an event of these kinds after `after`, up to `last`."""
    query = select(events.c.seq).where(events.c.seq > after, events.c.seq <= last)
    wanted = [kind.value for kind in kinds]
    return conn.scalar(query.where(events.c.kind.in_(wanted)).limit(1)) is not None


def since(conn: Connection, seq: int, limit: int, kinds: Collection[Kind] = (), last: int | None = None) -> list[Event]:
    """The oldest `limit` events after sequence number `seq`, up to `last`; only of these `kinds`, unless there are
    none."""
    query = select(events).where(events.c.seq > seq).order_by(events.c.seq).limit(limit)
    if last is not None:
        query = query.where(events.c.seq <= last)
    if kinds:
        query = query.where(events.c.kind.in_([kind.value for kind in kinds]))
    return [event_of(row) for row in conn.execute(query)]


def event_of(row: Row[Any]) -> Event:
    """The event in a row of the table."""
    actor = Actor(ActorKind(row.actor_kind), row.actor_name, row.actor_address) if row.actor_kind else None
    return Event(row.seq, row.at_us / 1_000_000, Kind(row.kind), actor, row.package_id, row.computer_id, row.detail)


def prune(conn: Connection, keep: int) -> int:
    """Delete all but about the newest `keep` events; gives how many."""
    return conn.execute(delete(events).where(events.c.seq <= newest(conn) - keep)).rowcount


def _row(note: Note) -> dict[str, Any]:
    return {
        "at_us": micros(note.at_s),
        "kind": str(note.kind),  # the driver of SQLite takes a member of an enumeration three times as long
        "actor_kind": str(note.actor.kind),
        "actor_name": note.actor.name,
        "actor_address": note.actor.address,
        "package_id": note.package_id,
        "computer_id": note.computer_id,
        "detail": note.detail,
    }
