"""How mirrors authenticate: once by a join token, then by the key that they get for it.

Of tokens and keys only the BLAKE3 is kept.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from blake3 import blake3
from sqlalchemy import delete, select, update

from distd.catalogue import event_log
from distd.catalogue.mirrors_schema import mirror_packages, mirrors
from distd.catalogue.schema import micros
from distd.domain.actor import Actor, ActorKind
from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

TOKEN_S: Final = 7 * 86_400


@dataclass(frozen=True, slots=True)
class MirrorIdentity:
    """A mirror that has authenticated by its key."""

    id: int
    name: str

    @property
    def actor(self) -> Actor:
        """It, as the one who acts."""
        return Actor(ActorKind.MIRROR, self.name)


@dataclass(frozen=True, slots=True)
class Joined:
    """A mirror that has joined: `hosts` are the names of its certificate, `key` is what it authenticates by."""

    name: str
    hosts: list[str]
    key: str


def join(conn: Connection, secret: str, now_s: float) -> Joined:
    """Let the mirror of this join token in; the token cannot be used again.

    Raises `BadInput` for an unknown token, or one that is too old.
    """
    row = conn.execute(select(mirrors).where(mirrors.c.token_hash == hash_secret(secret))).one_or_none()
    if row is None or row.token_until_us < micros(now_s) or row.revoked_at_us is not None:
        hint = "a token is good for one use within 7 days; `distd mirror add` gives another"
        raise BadInput("token", "a token that has not been used", "another one", hint)
    key = secrets.token_hex(32)
    values: dict[str, Any] = {
        "token_hash": None,
        "key_hash": hash_secret(key),
        "joined_at_us": micros(now_s),
        "heard_seq": 0,
        "status": {},
    }
    conn.execute(update(mirrors).where(mirrors.c.id == row.id).values(**values))
    conn.execute(delete(mirror_packages).where(mirror_packages.c.mirror_id == row.id))
    event_log.append(conn, event_log.Kind.MIRROR_JOINED, Actor(ActorKind.MIRROR, row.name), at_s=now_s, mirror=row.name)
    return Joined(row.name, hosts_of(row), key)


def hosts_of(row: Row[Any]) -> list[str]:
    """The names of a mirror's certificate: those of its addresses."""
    hosts = [server.rpartition(":")[0].strip("[]") for server in (row.http, row.https)]
    return list(dict.fromkeys([*hosts, *filter(None, [row.address])]))


def identify(conn: Connection, key: str) -> MirrorIdentity | None:
    """The mirror that has this key; None for an unknown key, or when the mirror was revoked."""
    digest = hash_secret(key)
    row = conn.execute(select(mirrors).where(mirrors.c.key_hash == digest)).one_or_none()
    if row is None or row.revoked_at_us is not None or not hmac.compare_digest(row.key_hash, digest):
        return None
    return MirrorIdentity(row.id, row.name)


def hash_secret(secret: str) -> str:
    """What the catalogue keeps of a token or a key."""
    return blake3(secret.encode()).hexdigest()
