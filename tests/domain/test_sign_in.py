"""Which role groups elsewhere give."""

from __future__ import annotations

import pytest

from distd.domain.errors import BadInput
from distd.domain.permissions import Role
from distd.domain.sign_in import GroupRole, OperatorIdentity, SignInSource, identify, read_roles

ROLES = read_roles(
    'administrator: CN=Admins, OU=Groups,DC=x; operator: technicians; operator: lyon-tech [tag = "Lyon"];'
    ' viewer: teachers [tag in (a, b)]; viewer: pupils [tag = "c"]'
)


def test_entries_are_read() -> None:
    assert ROLES[0] == GroupRole(Role.ADMINISTRATOR, "cn=admins,ou=groups,dc=x")
    assert ROLES[2] == GroupRole(Role.OPERATOR, "lyon-tech", 'tag = "Lyon"')
    assert read_roles(" ; ") == ()


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["cn=admins,ou=groups,dc=x", "teachers"], (Role.ADMINISTRATOR, None)),
        (["Technicians"], (Role.OPERATOR, None)),
        (["lyon-tech"], (Role.OPERATOR, 'tag = "Lyon"')),
        (["lyon-tech", "technicians"], (Role.OPERATOR, None)),
        (["pupils", "teachers"], (Role.VIEWER, "tag in (a, b)")),
        (["cooks"], None),
        ([], None),
    ],
)
def test_the_highest_role_of_all_groups_holds(groups: list[str], expected: tuple[Role, str | None] | None) -> None:
    found = identify("zoë", SignInSource.OIDC, groups, ROLES)
    assert found == (None if expected is None else OperatorIdentity("zoë", SignInSource.OIDC, *expected))


@pytest.mark.parametrize(
    "text", ["root: x", "viewer", "viewer:", "viewer: x [ ]", "viewer: x [tag = y", "; ".join(["viewer: x"] * 65)]
)
def test_bad_entries_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"^sign_in\.roles|^where"):
        read_roles(text)
