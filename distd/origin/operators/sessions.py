"""Sessions of operators who have signed in to the console.

A browser keeps a random token; here is its BLAKE3, so that who reads the catalogue has no session.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3
from sqlalchemy import bindparam, delete, insert, select, update

from distd.catalogue.schema import NAME_LIMIT, micros
from distd.catalogue.sessions_schema import sessions

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

TOKEN_BYTES: Final = 32
MAX_OF_OPERATOR: Final = 20  # the least recently used one makes room
SEEN_S: Final = 300.0  # so exactly it is known when a session was last used
LONGEST_S: Final = 7 * 86_400.0  # whatever is done in it
_FIND: Final = select(sessions).where(sessions.c.id == bindparam("id"))  # made once: each page asks for it


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """`id` is for the catalogue alone; times are in seconds. `address` and `browser`: from where it was opened."""

    id: str
    operator: str
    opened_at_s: float
    seen_at_s: float
    address: str
    browser: str


def open_session(conn: Connection, operator: str, address: str, browser: str, now_s: float) -> str:
    """A new session of an operator whose log-in is good; gives its token."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    mine = select(sessions.c.id).where(sessions.c.operator == operator).order_by(sessions.c.seen_at_us.desc())
    older = conn.scalars(mine.offset(MAX_OF_OPERATOR - 1)).all()
    conn.execute(delete(sessions).where(sessions.c.id.in_(older)))
    values = {"id": _id(token), "operator": operator, "opened_at_us": micros(now_s), "seen_at_us": micros(now_s)}
    texts = {"address": address[:NAME_LIMIT], "browser": browser[:NAME_LIMIT]}
    conn.execute(insert(sessions).values(**values, **texts))
    return token


def find(conn: Connection, token: str, now_s: float, idle_s: float) -> ConsoleSession | None:
    """The session of a token; None: there is none, it was not used for `idle_s`, or is older than `LONGEST_S`."""
    row = conn.execute(_FIND, {"id": _id(token)}).one_or_none()
    if row is None or row.seen_at_us < micros(now_s - idle_s) or row.opened_at_us < micros(now_s - LONGEST_S):
        return None
    return _session(row)


def is_due(session: ConsoleSession, now_s: float) -> bool:
    """Whether it is to be noted that a session is used."""
    return now_s - session.seen_at_s > SEEN_S


def note_use(conn: Connection, session: ConsoleSession, now_s: float) -> None:
    """A session is used."""
    conn.execute(update(sessions).where(sessions.c.id == session.id).values(seen_at_us=micros(now_s)))


def close(conn: Connection, session: ConsoleSession) -> None:
    """An operator signs out."""
    conn.execute(delete(sessions).where(sessions.c.id == session.id))


def list_open(conn: Connection, operator: str) -> list[ConsoleSession]:
    """Those of an operator, the one that was used last first; at most `MAX_OF_OPERATOR`."""
    mine = select(sessions).where(sessions.c.operator == operator)
    return [_session(row) for row in conn.execute(mine.order_by(sessions.c.seen_at_us.desc()).limit(MAX_OF_OPERATOR))]


def close_others(conn: Connection, kept: ConsoleSession) -> None:
    """An operator signs out everywhere else."""
    conn.execute(delete(sessions).where(sessions.c.operator == kept.operator, sessions.c.id != kept.id))


def close_all(conn: Connection, operator: str) -> None:
    """Whoever has signed in as this operator must do so again: the password has changed, or there is no such operator
    any more."""
    conn.execute(delete(sessions).where(sessions.c.operator == operator))


def expire(conn: Connection, now_s: float, idle_s: float) -> None:
    """Delete the sessions that count no longer."""
    idle, old = sessions.c.seen_at_us < micros(now_s - idle_s), sessions.c.opened_at_us < micros(now_s - LONGEST_S)
    conn.execute(delete(sessions).where(idle | old))


def _session(row: Row[Any]) -> ConsoleSession:
    opened_at_s, seen_at_s = row.opened_at_us / 1_000_000, row.seen_at_us / 1_000_000
    return ConsoleSession(row.id, row.operator, opened_at_s, seen_at_s, row.address, row.browser)


def _id(token: str) -> str:
    return blake3(token.encode()).hexdigest()
