"""Operators, who may use the console and the API: create, check a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import insert, select

from distd.catalogue.schema import NAME_LIMIT, operators
from distd.domain.errors import BadInput, Conflict

if TYPE_CHECKING:
    from sqlalchemy import Connection


def create(conn: Connection, name: str, password: str) -> None:
    """Add an operator; only the Argon2id hash of `password` is kept. Raises `BadInput`, `Conflict` for a known name."""
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters", name)
    if not password:
        raise BadInput("password", "a password", "nothing")
    if _hash(conn, name) is not None:
        raise Conflict("name", f"there is an operator {name} already")
    conn.execute(insert(operators).values(name=name, password_hash=PasswordHasher().hash(password)))


def check(conn: Connection, name: str, password: str) -> bool:
    """Whether there is such an operator with this password. Takes some 50 ms of a core, so it belongs in a thread.

    An unknown name takes as long as a known one.
    """
    known = _hash(conn, name)
    hasher = PasswordHasher()
    if known is None:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(known, password)
    except VerifyMismatchError:
        return False


def _hash(conn: Connection, name: str) -> str | None:
    return conn.scalar(select(operators.c.password_hash).where(operators.c.name == name))
