"""Tokens and keys of computers that are valid no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, text, update

from distd.catalogue import dialect, event_log
from distd.catalogue.schema import HAS_REVOKED_TOKENS, computers
from distd.origin.deployments.named_computers import find_computers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from distd.domain.actor import Actor


def revoke(conn: Connection, actor: Actor, device_ids: Sequence[str], now_s: float) -> None:
    """No token that these computers were told is valid any more; at their next contacts they are told others. The keys
    of distd's own agents are forgotten: they enrol anew.

    Raises `NotFound` for the first that is unknown; then nothing is changed.
    """
    ids = [row.id for row in find_computers(conn, device_ids, actor).values()]
    counted = update(computers).values(token_generation=computers.c.token_generation + 1, key_hash=None)
    for some in dialect.chunks(ids):
        conn.execute(counted.where(computers.c.id.in_(some)))
    kind = event_log.Kind.TOKENS_REVOKED
    event_log.append_many(conn, [event_log.Note(kind, actor, now_s, None, computer_id, {}) for computer_id in ids])


def generations(conn: Connection) -> dict[int, int]:
    """How often the tokens of each computer were revoked, by its id; not those where they never were."""
    rows = conn.execute(select(computers.c.id, computers.c.token_generation).where(text(HAS_REVOKED_TOKENS)))
    return {row.id: row.token_generation for row in rows}


def generations_of(conn: Connection, ids: Collection[int]) -> Mapping[int, int]:
    """The same, of these computers alone."""
    found: dict[int, int] = {}
    query = select(computers.c.id, computers.c.token_generation)
    for some in dialect.chunks(sorted(ids)):
        found.update((row.id, row.token_generation) for row in conn.execute(query.where(computers.c.id.in_(some))))
    return found
