"""Who may do what: one table of acts and roles. Pure.

A role may all that the role below it may. An operator may be restricted to computers that match a filter; then it may
not do what would reach beyond them. A token has a role too, and perhaps a list of acts beyond which it may nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Role(StrEnum):
    """From the least to the most."""

    VIEWER = "viewer"  # sees
    OPERATOR = "operator"  # deploys
    ADMINISTRATOR = "administrator"  # decides who may, and what holds for the whole site


class Act(StrEnum):
    """What an operation does, by what it needs."""

    PACKAGES_READ = "packages.read"
    PACKAGES_WRITE = "packages.write"
    COMPUTERS_READ = "computers.read"
    COMPUTERS_WRITE = "computers.write"
    DUPLICATES_READ = "duplicates.read"  # whatever computers they are
    FILTERS_READ = "filters.read"
    FILTERS_WRITE = "filters.write"  # also shared ones
    GROUPS_READ = "groups.read"
    GROUPS_WRITE = "groups.write"
    DEPLOYMENTS_READ = "deployments.read"
    DEPLOYMENTS_WRITE = "deployments.write"
    ROLLOUTS_READ = "rollouts.read"  # how many computers are where, whatever computers they are
    ROLLOUTS_WRITE = "rollouts.write"
    RECURRENCES_READ = "recurrences.read"
    RECURRENCES_WRITE = "recurrences.write"
    SOURCES_READ = "sources.read"
    SOURCES_WRITE = "sources.write"  # they read files and addresses as the server
    NOTICES_READ = "notices.read"
    NOTICES_WRITE = "notices.write"
    STATISTICS_READ = "statistics.read"  # of all computers
    PARAMETERS_READ = "parameters.read"
    PARAMETERS_WRITE = "parameters.write"  # of computers
    PARAMETERS_WRITE_GROUP = "parameters.write_group"
    PARAMETERS_WRITE_SITE = "parameters.write_site"
    MIRRORS_READ = "mirrors.read"
    MIRRORS_WRITE = "mirrors.write"
    UPLOADS_READ = "uploads.read"
    UPLOADS_WRITE = "uploads.write"
    EVENTS_READ = "events.read"
    AUDIT_READ = "audit.read"
    SETTINGS_READ = "settings.read"  # of the server; what agents are told: parameters.read
    OPERATORS_READ = "operators.read"
    OPERATORS_WRITE = "operators.write"
    PASSWORD_CHANGE = "password.change"  # the own one
    TOKENS_READ = "tokens.read"  # the own ones; those of all: administrators
    TOKENS_WRITE = "tokens.write"


@dataclass(frozen=True, slots=True)
class Permission:
    """`role`: the least role that may. `restricted`: also one who is restricted to some computers. `by_token`: whether
    a token may, too: by its role, only where its acts name it, or never."""

    role: Role
    restricted: bool = True
    by_token: bool | None = True


NAMED_ONLY: Final = None
TABLE: Final[Mapping[Act, Permission]] = {
    Act.PACKAGES_READ: Permission(Role.VIEWER),
    Act.PACKAGES_WRITE: Permission(Role.OPERATOR, restricted=False),
    Act.COMPUTERS_READ: Permission(Role.VIEWER),
    Act.COMPUTERS_WRITE: Permission(Role.OPERATOR),
    Act.DUPLICATES_READ: Permission(Role.VIEWER, restricted=False),
    Act.FILTERS_READ: Permission(Role.VIEWER),
    Act.FILTERS_WRITE: Permission(Role.OPERATOR, restricted=False),
    Act.GROUPS_READ: Permission(Role.VIEWER),
    Act.GROUPS_WRITE: Permission(Role.OPERATOR, restricted=False),
    Act.DEPLOYMENTS_READ: Permission(Role.VIEWER),
    Act.DEPLOYMENTS_WRITE: Permission(Role.OPERATOR),
    Act.ROLLOUTS_READ: Permission(Role.VIEWER, restricted=False),
    Act.ROLLOUTS_WRITE: Permission(Role.OPERATOR, restricted=False),
    Act.RECURRENCES_READ: Permission(Role.VIEWER, restricted=False),
    Act.RECURRENCES_WRITE: Permission(Role.OPERATOR, restricted=False),
    Act.SOURCES_READ: Permission(Role.VIEWER, restricted=False),
    Act.SOURCES_WRITE: Permission(Role.ADMINISTRATOR, restricted=False),
    Act.NOTICES_READ: Permission(Role.VIEWER, restricted=False),
    Act.NOTICES_WRITE: Permission(Role.ADMINISTRATOR, restricted=False),
    Act.STATISTICS_READ: Permission(Role.VIEWER, restricted=False),
    Act.PARAMETERS_READ: Permission(Role.VIEWER),
    Act.PARAMETERS_WRITE: Permission(Role.OPERATOR),
    Act.PARAMETERS_WRITE_GROUP: Permission(Role.OPERATOR, restricted=False),
    Act.PARAMETERS_WRITE_SITE: Permission(Role.ADMINISTRATOR, restricted=False),
    Act.MIRRORS_READ: Permission(Role.VIEWER),
    Act.MIRRORS_WRITE: Permission(Role.ADMINISTRATOR, restricted=False),
    Act.UPLOADS_READ: Permission(Role.OPERATOR, restricted=False),
    Act.UPLOADS_WRITE: Permission(Role.OPERATOR, restricted=False),
    Act.EVENTS_READ: Permission(Role.VIEWER),
    Act.AUDIT_READ: Permission(Role.ADMINISTRATOR, restricted=False),
    Act.SETTINGS_READ: Permission(Role.ADMINISTRATOR, restricted=False),
    Act.OPERATORS_READ: Permission(Role.ADMINISTRATOR, restricted=False),
    Act.OPERATORS_WRITE: Permission(Role.ADMINISTRATOR, restricted=False, by_token=NAMED_ONLY),
    Act.PASSWORD_CHANGE: Permission(Role.VIEWER, by_token=False),
    Act.TOKENS_READ: Permission(Role.VIEWER, by_token=NAMED_ONLY),
    Act.TOKENS_WRITE: Permission(Role.VIEWER, by_token=False),
}

_RANK: Final[Mapping[Role, int]] = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class OperatorRights:
    """What somebody who has signed in may do. `filter`: only with computers that match it; "": with all. `acts`: of a
    token, only these; none: all that its role may. `is_token`: not the operator in person."""

    role: Role
    filter: str = ""
    acts: frozenset[Act] = frozenset()
    is_token: bool = False


def missing(access: OperatorRights, act: Act) -> str:
    """What is missing to do `act`, in words that follow "expected"; empty: nothing."""
    rule = TABLE[act]
    if _RANK[access.role] < _RANK[rule.role]:
        return f"the role {rule.role} for {act}"
    if access.is_token and rule.by_token is False:
        return f"an operator, not a token, for {act}"
    if (access.acts or rule.by_token is NAMED_ONLY) and access.is_token and act not in access.acts:
        return f"a token whose acts include {act}"
    if access.filter and not rule.restricted:
        return f"an operator of all computers for {act}"
    return ""


def least(one: Role, other: Role) -> Role:
    """The lower one of two roles."""
    return min(one, other, key=_RANK.__getitem__)


def highest(roles: Iterable[Role]) -> Role | None:
    """The highest of some roles; None: there is none."""
    return max(roles, key=_RANK.__getitem__, default=None)


def read_role(text: str, field: str = "role") -> Role:
    """A role by its name. Raises `BadInput`."""
    try:
        return Role(text.strip().lower())
    except ValueError:
        raise BadInput(field, f"one of {', '.join(Role)}", text) from None


def read_acts(texts: Iterable[str], field: str = "acts") -> frozenset[Act]:
    """Acts by their names, such as a token is for. Raises `BadInput`, also for one that no token may do."""
    found = set()
    for text in texts:
        try:
            act = Act(text.strip().lower())
        except ValueError:
            raise BadInput(field, f"some of {', '.join(Act)}", text) from None
        if TABLE[act].by_token is False:
            raise BadInput(field, "acts that tokens may do", text)
        found.add(act)
    return frozenset(found)
