"""Who vouches for operators: by which rules, and what happens when it does not answer."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.domain.errors import BadInput, Unavailable
from distd.domain.permissions import Role
from distd.domain.settings import load
from distd.domain.sign_in import OperatorIdentity, SignInSource, read_roles
from distd.domain.sign_in_settings import NO_SIGN_IN
from distd.origin.operators import operators
from distd.web.sign_in.from_settings import make_sources
from distd.web.sign_in.sources import RETRY_S, SignInMember, Sources
from tests.web.api.conftest import basic, new_logins

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.fixtures.origin import TestOrigin

LOG = logging.getLogger("distd.web")
ROLES = read_roles('administrator: admins; viewer: staff [tag = "x"]')
HEADERS = {"x-remote-user": "zoë", "x-remote-groups": "staff, cooks"}


class FakeDirectory:
    """`members` by name; the password is the name backwards. `error` is raised while it is set."""

    def __init__(self, **members: str) -> None:
        self.members = members
        self.error: Exception | None = None
        self.asked: list[str] = []

    def check(self, name: str, password: str) -> SignInMember | None:
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        if name not in self.members or password != name[::-1]:
            return None
        return SignInMember(name, frozenset(self.members[name].split()))

    def read(self, token: str) -> SignInMember | None:
        return self.check(token.partition(".")[0], token.partition(".")[2])


def fields(name: str, password: str) -> dict[str, str]:
    return {key.lower(): value for key, value in basic(name, password).items()}


@pytest.mark.parametrize(
    ("address", "headers", "expected"),
    [
        ("10.1.0.5", HEADERS, OperatorIdentity("zoë", SignInSource.HEADER, Role.VIEWER, 'tag = "x"')),
        ("::ffff:10.1.0.5", HEADERS, OperatorIdentity("zoë", SignInSource.HEADER, Role.VIEWER, 'tag = "x"')),
        ("10.2.0.5", HEADERS, None),
        ("", HEADERS, None),
        ("10.1.0.5", {"x-remote-groups": "admins"}, None),
        ("10.1.0.5", {"x-remote-user": "zoë"}, None),
    ],
)
def test_only_listed_proxies_say_who_signs_in(address: str, headers: Any, expected: OperatorIdentity | None) -> None:
    roles = 'administrator: admins; viewer: staff [tag = "x"]'
    settings = dataclasses.replace(NO_SIGN_IN, roles=roles, header_proxies="10.1.0.0/24 fd00::/8")
    assert make_sources(settings, LOG).by_header(headers, address) == expected
    assert make_sources(NO_SIGN_IN, LOG).by_header(headers, address) is None


async def test_a_member_of_the_directory_signs_in(origin: TestOrigin, reader: Any, writer: Any) -> None:
    directory = FakeDirectory(ada="admins", eve="cooks", admin="admins")
    logins = new_logins(reader, writer, Sources(ROLES, LOG, directory))
    found = await logins.check(fields("ada", "ada"), "10.0.0.1")
    assert found is not None
    assert (str(found.actor), found.access.role) == ("operator:ada", Role.ADMINISTRATOR)
    assert await logins.check(fields("ada", "ada"), "10.0.0.1") == found
    assert directory.asked == ["ada"]
    assert await logins.check(fields("eve", "eve"), "10.0.0.1") is None  # no group has a role
    assert await logins.check(fields("ada", ""), "10.0.0.1") is None
    assert await logins.check(fields("admin", "nimda"), "10.0.0.1") is None  # that is a local operator
    assert "admin" not in directory.asked


async def test_while_the_directory_is_away_others_sign_in(
    autojump_clock: MockClock, origin: TestOrigin, reader: Any, writer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    origin.act(operators.set_password, "admin", "secret", 0.0)
    directory = FakeDirectory(ada="admins")
    directory.error = Unavailable("the directory ldaps://x", "timed out")
    logins = new_logins(reader, writer, Sources(ROLES, LOG, directory, directory))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            with pytest.raises(Unavailable, match=r"does not answer|timed out"):
                await logins.check(fields("ada", "ada"), "10.0.0.1")
        assert await logins.check(fields("admin", "secret"), "10.0.0.1") is not None
        assert directory.asked == ["ada"]
        directory.error = None
        await trio.sleep(RETRY_S + 1)
        assert await logins.check(fields("ada", "ada"), "10.0.0.1") is not None
    assert caplog.messages == [
        "sign-in: the directory ldaps://x: timed out; operators with a password here can sign in",
        "sign-in: the directory (LDAP) answers again",
    ]


async def test_a_bearer_of_the_provider_signs_in(origin: TestOrigin, reader: Any, writer: Any) -> None:
    issuer = FakeDirectory(ada="staff")
    logins = new_logins(reader, writer, Sources(ROLES, LOG, issuer=issuer))
    found = await logins.check({"authorization": "Bearer ada.ada"}, "10.0.0.1")
    assert found is not None
    assert (found.access.role, found.access.filter, found.access.is_token) == (Role.VIEWER, 'tag = "x"', False)
    assert await logins.check({"authorization": "Bearer ada.eve"}, "10.0.0.1") is None
    assert origin.read(operators.show, "ada").source == "oidc"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ldap_url", "http://x"),
        ("ldap_url", "ldap://"),
        ("ldap_name", "uid)"),
        ("ldap_user_filter", "uid=x"),
        ("oidc_issuer", "http://example.org"),
        ("header_proxies", "10.0.0.1/8"),
        ("header_name", "X Remote"),
        ("roles", "viewer"),
    ],
)
def test_settings_that_cannot_be(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=rf"sign_in\.{name}"):
        load({}, {}, {f"sign_in.{name}": value})


def test_restrictions_of_roles_are_filters() -> None:
    make_sources(dataclasses.replace(NO_SIGN_IN, roles="viewer: staff [os ~ windows* NOT tag = x]"), LOG)
    with pytest.raises(BadInput, match=r"sign_in\.roles: expected a field"):
        make_sources(dataclasses.replace(NO_SIGN_IN, roles="viewer: staff [colour = x]"), LOG)
