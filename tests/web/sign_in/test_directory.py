"""Passwords of a directory: Debian's slapd."""

from __future__ import annotations

import dataclasses
import socket
from typing import TYPE_CHECKING, Any

import pytest
import trio

from distd.domain.errors import Unavailable
from distd.domain.sign_in_settings import SignInSettings
from distd.storage import pki
from distd.web.sign_in.directory import LdapDirectory
from tests.programs.slapd import ADMIN, ADMIN_PASSWORD, BASE, slapd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.programs.slapd import Slapd

PERSON = """
dn: uid={name},ou=people,{base}
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
userPassword: {password}
"""
GROUP = """
dn: cn={name},ou=groups,{base}
objectClass: groupOfNames
cn: {name}
member: {member}
"""
UNIT = "\ndn: ou={name},{base}\nobjectClass: organizationalUnit\nou: {name}\n"


def person(name: str, password: str) -> str:
    return PERSON.format(name=name, password=password, base=BASE)


def group(name: str, *members: str) -> str:
    return GROUP.format(name=name, member="\nmember: ".join(f"{each},{BASE}" for each in members), base=BASE)


ENTRIES = "".join(
    (
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n",
        UNIT.format(name="people", base=BASE),
        UNIT.format(name="groups", base=BASE),
        person("ada", "of ada"),
        person("eve*", "of eve"),
        person("zoe", "of zoe"),
        group("technicians", "uid=ada,ou=people"),
        group("staff", "cn=technicians,ou=groups", "uid=zoe,ou=people"),
        group("everybody", "cn=staff,ou=groups", "cn=everybody,ou=groups"),  # in itself, too
        group("others", "uid=eve*,ou=people"),
    )
)


@pytest.fixture
async def running(tmp_path: Path, data: Any) -> AsyncIterator[Slapd]:
    ca, keys = data.ca_certificate, data.keys
    async with slapd(tmp_path / "ldap", ENTRIES, ca, keys / pki.SERVER_CERTIFICATE, keys / pki.SERVER_KEY) as found:
        yield found


@pytest.fixture
def settings(running: Slapd, data: Any, tmp_path: Path) -> SignInSettings:
    (tmp_path / "password").write_text(f"{ADMIN_PASSWORD}\n")
    return SignInSettings(
        ldap_url=running.ldaps,
        ldap_ca=str(data.ca_certificate),
        ldap_bind_dn=ADMIN,
        ldap_password_file=str(tmp_path / "password"),
        ldap_users=f"ou=people,{BASE}",
        ldap_groups=f"ou=groups,{BASE}",
    )


async def check(settings: SignInSettings, name: str, password: str) -> Any:
    return await trio.to_thread.run_sync(LdapDirectory(settings).check, name, password)


async def test_passwords_and_nested_groups(settings: SignInSettings, running: Slapd) -> None:
    for url in (running.ldaps, running.ldap):
        found = await check(dataclasses.replace(settings, ldap_url=url), "ADA", "of ada")
        assert found.name == "ada"
        names = {each for each in found.groups if "=" not in each}
        assert names == {"technicians", "staff", "everybody"}
        assert f"cn=staff,ou=groups,{BASE}" in found.groups
    assert await check(settings, "ada", "of eve") is None
    assert await check(settings, "nobody", "of ada") is None
    for name in ("*", "ad*", "ada)(uid=*", "eve\\2a", "\0"):
        assert await check(settings, name, "of ada") is None
        assert await check(settings, name, "of eve") is None
    assert (await check(settings, "eve*", "of eve")).name == "eve*"


async def test_nothing_is_told_to_a_server_that_is_not_the_one(settings: SignInSettings, running: Slapd) -> None:
    """Without its CA, or by another name, no password is sent."""
    by_address = running.ldaps.replace("localhost", "127.0.0.2")
    wrong: list[dict[str, Any]] = [{"ldap_ca": ""}, {"ldap_url": by_address}, {"ldap_url": running.ldap, "ldap_ca": ""}]
    for changes in wrong:
        with pytest.raises(Unavailable, match="the directory ldap"):
            await check(dataclasses.replace(settings, **changes), "ada", "of ada")


async def test_what_is_wrong_with_the_directory_is_told(settings: SignInSettings, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = f"ldaps://localhost:{silent.getsockname()[1]}"
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"ldap_password_file": str(tmp_path / "wrong")}, f"it refuses {ADMIN}"),
            ({"ldap_password_file": str(tmp_path / "none")}, "sign_in.ldap_password_file: .*No such file"),
            ({"ldap_users": "ou=nowhere,dc=x"}, "the search in ou=nowhere,dc=x failed: noSuchObject"),
            ({"ldap_url": "ldaps://localhost:1"}, "the directory ldaps://localhost:1: "),
            ({"ldap_url": silent_url, "timeout_s": 1}, f"the directory {silent_url}: "),
        ]
        for changes, message in wrong:
            with pytest.raises(Unavailable, match=message):
                await check(dataclasses.replace(settings, **changes), "ada", "of ada")
