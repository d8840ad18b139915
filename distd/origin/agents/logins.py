"""Names and passwords by which agents log in: many agents have the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import delete as delete_from
from sqlalchemy import select

from distd.catalogue import dialect, event_log
from distd.catalogue.access_schema import agent_logins
from distd.catalogue.lists import read_page
from distd.catalogue.schema import NAME_LIMIT, micros
from distd.domain.errors import BadInput, NotFound

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window

PLACE = (str,)  # of a login in the list: its name
MAX_PASSWORD_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class AgentLogin:
    """A name by which agents log in."""

    name: str
    added_at_s: float


def put(conn: Connection, actor: Actor, name: str, password: str, now_s: float) -> None:
    """Add a login, or give it another password; only the Argon2id hash of it is kept. Raises `BadInput`."""
    if not name or len(name) > NAME_LIMIT or not name.isprintable() or ":" in name:  # HTTP Basic ends the name by it
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters without a colon", name)
    if not 1 <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise BadInput("password", f"1 to {MAX_PASSWORD_CHARACTERS} characters", f"{len(password)}")
    row = {"name": name, "password_hash": PasswordHasher().hash(password), "added_at_us": micros(now_s)}
    dialect.upsert(conn, agent_logins, [row], keep=("added_at_us",))
    event_log.append(conn, event_log.Kind.AGENT_LOGIN_SET, actor, at_s=now_s, login=name)


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> None:
    """Agents can no longer log in by it. Raises `NotFound`."""
    if not conn.execute(delete_from(agent_logins).where(agent_logins.c.name == name)).rowcount:
        raise NotFound("name", "the name of a login of agents", name)
    event_log.append(conn, event_log.Kind.AGENT_LOGIN_DELETED, actor, at_s=now_s, login=name)


def list_logins(conn: Connection, window: Window) -> Page[AgentLogin]:
    """By name."""
    query = select(agent_logins.c.name, agent_logins.c.added_at_us)
    return read_page(
        conn, query, (agent_logins.c.name,), window, lambda row: AgentLogin(row.name, row.added_at_us / 1_000_000)
    )


def hashes(conn: Connection) -> dict[str, str]:
    """The hash of the password of each."""
    return {row.name: row.password_hash for row in conn.execute(select(agent_logins))}


def verify(known: str | None, password: str) -> bool:
    """Whether this is the password of the hash; None, an unknown name, takes as long. Some 50 ms of a core."""
    hasher = PasswordHasher()
    if known is None:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(known, password)
    except VerifyMismatchError:
        return False
