"""Who vouches for an operator, and which role its groups there give it here. Pure.

administrator: cn=distd-admins,ou=groups,dc=example,dc=org; operator: technicians; viewer: teachers [tag = "Lyon"]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.domain.permissions import Role, highest

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_ENTRIES: Final = 64

_ENTRY: Final = re.compile(r"\s*(\w+)\s*:\s*([^\[\]]*?)\s*(?:\[([^\[\]]*)\])?\s*")


class SignInSource(StrEnum):
    """Who vouches for an operator."""

    LOCAL = "local"  # a password that is kept here
    LDAP = "ldap"
    OIDC = "oidc"
    HEADER = "header"  # a proxy in front


@dataclass(frozen=True, slots=True)
class GroupRole:
    """Members of `group` (a name, or an LDAP DN; compared in lower case) have `role`, restricted to `filter` ("": to
    nothing)."""

    role: Role
    group: str
    filter: str = ""


@dataclass(frozen=True, slots=True)
class OperatorIdentity:
    """Somebody for whom `source` vouches. `filter` None: as an administrator has set it here."""

    name: str
    source: SignInSource
    role: Role
    filter: str | None = None


def read_roles(text: str, where: str = "sign_in.roles") -> tuple[GroupRole, ...]:
    """The entries of `ROLE: GROUP; …`. Raises `BadInput` that names `where` it stood. Whether a restriction is a filter
    is looked at by `domain.restriction`."""
    found = []
    for entry in filter(None, map(str.strip, text.split(";"))):
        match = _ENTRY.fullmatch(entry)
        if match is None or match.group(1).lower() not in set(Role) or not match.group(2):
            raise BadInput(where, f"ROLE: GROUP; …, with a ROLE of {', '.join(Role)}", entry)
        role, group, restriction = match.group(1).lower(), normal_group(match.group(2)), match.group(3)
        if restriction is not None and not restriction.strip():
            raise BadInput(where, "a filter between the brackets", entry)
        found.append(GroupRole(Role(role), group, restriction or ""))
    if len(found) > MAX_ENTRIES:
        raise BadInput(where, f"at most {MAX_ENTRIES} groups", len(found))
    return tuple(found)


def normal_group(name: str) -> str:
    """A group's name, or its DN without the spaces that mean nothing, in lower case."""
    return ",".join(part.strip() for part in name.strip().lower().split(",")) if "=" in name else name.strip().lower()


def identify(
    name: str, source: SignInSource, groups: Collection[str], roles: Collection[GroupRole]
) -> OperatorIdentity | None:
    """Who that is here: the highest role that one of its `groups` gives; None: none does.

    It is restricted only where every group that gives this role restricts it, then to the first one's filter.
    """
    mine = {normal_group(group) for group in groups}
    matching = [entry for entry in roles if entry.group in mine]
    role = highest(entry.role for entry in matching)
    if role is None:
        return None
    filters = [entry.filter for entry in matching if entry.role is role]
    return OperatorIdentity(name, source, role, filters[0] if all(filters) else None)
