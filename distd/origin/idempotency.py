"""Requests that are done once, however often they are sent: `Idempotency-Key`.

The key is written in the transaction of what was asked for. Who asks again with the same key gets the same answer, for
a day; with another request he is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select

from distd.catalogue.jobs_schema import idempotency_keys
from distd.catalogue.schema import micros
from distd.domain.errors import BadInput, Conflict

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.actor import Actor

KEPT_S: Final = 86_400.0
MAX_KEYS: Final = 10_000  # of all actors; the oldest are forgotten
MAX_ANSWER_BYTES: Final = 65_536  # of JSON; a longer one is not kept
FIELD: Final = "Idempotency-Key"


class KeyReused(BadInput):
    """A key that was sent with another request (HTTP 422)."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with a key: `digest` is that of method, path and body, in hexadecimal."""

    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered before."""

    answer: Any


def find(conn: Connection, actor: Actor, request: KeyedRequest, now_s: float) -> Answered | None:
    """None: it is asked for the first time. Raises `KeyReused`, and `Conflict` where the answer is not kept."""
    mine = (idempotency_keys.c.actor == str(actor), idempotency_keys.c.key == request.key)
    fresh = idempotency_keys.c.at_us >= micros(now_s - KEPT_S)
    row = conn.execute(select(idempotency_keys).where(*mine, fresh)).one_or_none()
    if row is None:
        return None
    if row.digest != request.digest:
        raise KeyReused(FIELD, "a key that was not sent with another request", request.key)
    if row.answer is None:
        hint = f"its answer held a secret, or more than {MAX_ANSWER_BYTES:,} bytes, and is not kept"
        raise Conflict(FIELD, f"what was asked for with {request.key} is done already", hint)
    return Answered(row.answer)


def remember(conn: Connection, actor: Actor, request: KeyedRequest, answer: Any, now_s: float) -> None:
    """Keep what was answered, unless it is long; None: it holds a secret. What is too old goes."""
    if len(json.dumps(answer)) > MAX_ANSWER_BYTES:
        answer = None
    old = idempotency_keys.c.at_us < micros(now_s - KEPT_S)
    mine = (idempotency_keys.c.actor == str(actor)) & (idempotency_keys.c.key == request.key)
    conn.execute(delete(idempotency_keys).where(old | mine))
    if (conn.scalar(select(func.count()).select_from(idempotency_keys)) or 0) >= MAX_KEYS:
        oldest = select(idempotency_keys.c.at_us).order_by(idempotency_keys.c.at_us.desc()).offset(MAX_KEYS - 1)
        conn.execute(delete(idempotency_keys).where(idempotency_keys.c.at_us <= oldest.limit(1).scalar_subquery()))
    row = {"actor": str(actor), "key": request.key, "digest": request.digest, "answer": answer, "at_us": micros(now_s)}
    conn.execute(insert(idempotency_keys).values(**row))
