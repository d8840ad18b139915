"""Log-ins of operators, and wrong passwords, as events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from distd.catalogue import event_log
from distd.catalogue.event_log import Kind, Note
from distd.domain import actor
from distd.domain.actor import Actor, ActorKind
from distd.origin.operators import operators

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

# Who tried a password that was wrong. The name that was given is of no operator, or of one who did not do it.
NOBODY = Actor(ActorKind.OPERATOR)


@dataclass(frozen=True, slots=True)
class LogIn:
    """An operator has signed in, from this address."""

    at_s: float
    address: str
    name: str


@dataclass(frozen=True, slots=True)
class WrongPasswords:
    """So many passwords from an address were wrong, and so many not even checked; `names` are some that were given."""

    at_s: float
    address: str
    names: tuple[str, ...]
    count: int
    unchecked: int


def record(conn: Connection, found: Sequence[LogIn | WrongPasswords]) -> None:
    """Write them as events."""
    for each in found:
        match each:
            case LogIn(at_s, address, name):
                event_log.append(conn, Kind.LOGGED_IN, actor.operator(name), at_s=at_s, address=address)
                operators.mark_seen(conn, name, at_s)
            case WrongPasswords(at_s, address, names, count, unchecked):
                detail = {"address": address, "names": list(names), "count": count, "unchecked": unchecked}
                event_log.append_many(conn, [Note(Kind.LOG_IN_FAILED, NOBODY, at_s, None, None, detail)])
