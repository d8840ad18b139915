"""Who acts: each use case is told, and each event says it. Read together, these events are the audit trail."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_NAME: Final = 255  # characters


class ActorKind(StrEnum):
    """What kind of actor it is, and what its name then is."""

    OPERATOR = "operator"  # the operator's name; none: somebody who failed to sign in as one
    TOKEN = "token"  # the token's name
    CLI = "cli"  # the Unix user who ran the command
    MIRROR = "mirror"  # the mirror's name
    AGENT = "agent"  # none: the event's computer says which
    SYSTEM = "system"  # none: the server itself, by a plan or after a crash


PEOPLE: Final = (ActorKind.OPERATOR, ActorKind.TOKEN, ActorKind.CLI)  # whose acts the audit trail has


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. In text: "operator:admin", "cli:root", "mirror:paris", "agent", "system". `address`: from where, if it
    is known; it does not say who it is."""

    kind: ActorKind
    name: str = ""
    address: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)


AGENT: Final = Actor(ActorKind.AGENT)
SYSTEM: Final = Actor(ActorKind.SYSTEM)


def operator(name: str, address: str = "") -> Actor:
    """An operator who has signed in."""
    return Actor(ActorKind.OPERATOR, name, address)
