"""Operators, who may use the console and the API: create, list, delete, set and check a password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, select, update

from distd.catalogue import event_log
from distd.catalogue.lists import read_page
from distd.catalogue.schema import NAME_LIMIT, operators
from distd.domain.errors import BadInput, Conflict, NotFound

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from distd.domain.actor import Actor
    from distd.domain.page import Page, Window


@dataclass(frozen=True, slots=True)
class Operator:
    """Who may use the console and the API."""

    name: str


def create(conn: Connection, actor: Actor, name: str, password: str, now_s: float) -> None:
    """Add an operator; only the Argon2id hash of `password` is kept. Raises `BadInput`, `Conflict` for a known name."""
    if not name or len(name) > NAME_LIMIT or not name.isprintable() or ":" in name:  # HTTP Basic ends the name by it
        raise BadInput("name", f"1 to {NAME_LIMIT} printable characters without a colon", name)
    _check_password(password)
    if password_hash(conn, name) is not None:
        raise Conflict("name", f"there is an operator {name} already")
    conn.execute(insert(operators).values(name=name, password_hash=PasswordHasher().hash(password)))
    event_log.append(conn, event_log.Kind.OPERATOR_ADDED, actor, at_s=now_s, operator=name)


def set_password(conn: Connection, actor: Actor, name: str, password: str, now_s: float) -> None:
    """Give an operator another password. Raises `BadInput`, `NotFound`."""
    _check_password(password)
    values = {"password_hash": PasswordHasher().hash(password)}
    if not conn.execute(update(operators).where(operators.c.name == name).values(**values)).rowcount:
        raise NotFound("name", "the name of an operator", name)
    event_log.append(conn, event_log.Kind.PASSWORD_CHANGED, actor, at_s=now_s, operator=name)


def list_operators(conn: Connection, window: Window) -> Page[Operator]:
    """By name."""
    return read_page(conn, select(operators.c.name), (operators.c.name,), window, lambda row: Operator(row.name))


def delete(conn: Connection, actor: Actor, name: str, now_s: float) -> None:
    """Delete an operator. Raises `NotFound`, and `Conflict` for the last one: nobody could use console and API then."""
    if password_hash(conn, name) is None:
        raise NotFound("name", "the name of an operator", name)
    if conn.scalar(select(func.count()).select_from(operators)) == 1:
        raise Conflict("name", f"{name} is the last operator", "`distd operator add` another one first")
    conn.execute(delete_from(operators).where(operators.c.name == name))
    event_log.append(conn, event_log.Kind.OPERATOR_DELETED, actor, at_s=now_s, operator=name)


def check(conn: Connection, name: str, password: str) -> bool:
    """Whether there is such an operator with this password; see `verify`."""
    return verify(password_hash(conn, name), password)


def verify(known: str | None, password: str) -> bool:
    """Whether `known` is the hash of this password; None: there is no such operator, which takes as long to say.

    Takes some 50 ms of a core, so it belongs in a thread.
    """
    hasher = PasswordHasher()
    if known is None:
        hasher.hash(password)
        return False
    try:
        return hasher.verify(known, password)
    except VerifyMismatchError:
        return False


def _check_password(password: str) -> None:
    if not password:
        raise BadInput("password", "a password", "nothing")


def password_hash(conn: Connection, name: str) -> str | None:
    """The hash of an operator's password; None: there is no such operator."""
    return conn.scalar(select(operators.c.password_hash).where(operators.c.name == name))
