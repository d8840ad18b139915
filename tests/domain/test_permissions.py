"""Who may do what."""

from __future__ import annotations

import pytest

from distd.domain.errors import BadInput
from distd.domain.permissions import TABLE, Act, OperatorRights, Role, highest, least, missing, read_acts, read_role

TOKEN = OperatorRights(Role.ADMINISTRATOR, is_token=True)
MANAGER = OperatorRights(Role.ADMINISTRATOR, acts=frozenset({Act.OPERATORS_WRITE}), is_token=True)
WRITING = {act for act in Act if not act.endswith(".read")}
OF_ADMINISTRATORS = {
    Act.PARAMETERS_WRITE_SITE,
    Act.MIRRORS_WRITE,
    Act.AUDIT_READ,
    Act.SETTINGS_READ,
    Act.OPERATORS_READ,
    Act.OPERATORS_WRITE,
    Act.SOURCES_WRITE,
    Act.NOTICES_WRITE,
}
OF_EVERYBODY = {Act.PASSWORD_CHANGE, Act.TOKENS_WRITE}  # the own ones


def test_the_table_has_every_act() -> None:
    assert set(TABLE) == set(Act)


@pytest.mark.parametrize("act", Act)
def test_each_role_may_what_the_one_below_it_may(act: Act) -> None:
    may = [not missing(OperatorRights(role), act) for role in Role]
    assert may == sorted(may)
    assert may[-1]
    assert (not may[1]) == (act in OF_ADMINISTRATORS)


def test_a_viewer_changes_nothing_but_its_own() -> None:
    assert {act for act in WRITING if not missing(OperatorRights(Role.VIEWER), act)} == OF_EVERYBODY


@pytest.mark.parametrize("act", sorted(OF_ADMINISTRATORS | {Act.PACKAGES_WRITE, Act.GROUPS_WRITE, Act.UPLOADS_WRITE}))
def test_who_is_restricted_reaches_no_further(act: Act) -> None:
    assert missing(OperatorRights(Role.ADMINISTRATOR, "tag = x"), act) == f"an operator of all computers for {act}"
    assert not missing(OperatorRights(Role.ADMINISTRATOR), act)


@pytest.mark.parametrize(
    ("access", "act", "lacking"),
    [
        (OperatorRights(Role.VIEWER), Act.DEPLOYMENTS_WRITE, "the role operator for deployments.write"),
        (TOKEN, Act.PACKAGES_WRITE, ""),
        (TOKEN, Act.OPERATORS_READ, ""),
        (
            TOKEN,
            Act.OPERATORS_WRITE,
            "a token whose acts include operators.write",
        ),
        (
            MANAGER,
            Act.OPERATORS_WRITE,
            "",
        ),
        (
            MANAGER,
            Act.PACKAGES_READ,
            "a token whose acts include packages.read",
        ),
        (
            TOKEN,
            Act.TOKENS_WRITE,
            "an operator, not a token, for tokens.write",
        ),
        (
            OperatorRights(Role.VIEWER, is_token=True),
            Act.PASSWORD_CHANGE,
            "an operator, not a token, for password.change",
        ),
    ],
)
def test_what_is_missing(access: OperatorRights, act: Act, lacking: str) -> None:
    assert missing(access, act) == lacking


def test_a_token_never_makes_another() -> None:
    for act in (Act.TOKENS_WRITE, Act.PASSWORD_CHANGE):
        with pytest.raises(BadInput, match="acts: expected acts that tokens may do"):
            read_acts([act])


def test_names_are_read() -> None:
    assert read_role(" Viewer ") is Role.VIEWER
    assert read_acts(["Packages.Read"]) == {Act.PACKAGES_READ}
    with pytest.raises(BadInput, match="role: expected one of viewer, operator, administrator, got root"):
        read_role("root")
    with pytest.raises(BadInput, match=r"acts: expected some of packages.read"):
        read_acts(["all"])


def test_roles_have_an_order() -> None:
    assert least(Role.ADMINISTRATOR, Role.VIEWER) is Role.VIEWER
    assert highest([Role.VIEWER, Role.OPERATOR]) is Role.OPERATOR
    assert highest([]) is None
