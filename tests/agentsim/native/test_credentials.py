"""The key of a native agent: made once, told until it is accepted, and told again when it is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentsim.cli import read_account
from agentsim.native.credentials import NO_ACCOUNT, AgentAccount, Credentials
from distd.domain.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

SCHOOL = AgentAccount("school", "p\u00e4ss")
BASIC = (("Authorization", "Basic c2Nob29sOnDDpHNz"),)
URL = "https://localhost:8443/ocsinventory"


def test_without_an_account_nothing_is_sent(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, NO_ACCOUNT)
    assert (credentials.fields(), credentials.key_to_tell) == ((), "")
    credentials.accepted()
    credentials.refused()
    assert list(tmp_path.iterdir()) == []


def test_it_tells_the_same_key_until_it_is_accepted(tmp_path: Path) -> None:
    first = Credentials(tmp_path, SCHOOL)
    key = first.key_to_tell
    assert (len(key), first.fields()) == (64, BASIC)
    again = Credentials(tmp_path, SCHOOL)  # killed before there was an answer
    assert again.key_to_tell == key
    again.accepted()
    for account in (SCHOOL, NO_ACCOUNT):
        later = Credentials(tmp_path, account)
        assert (later.fields(), later.key_to_tell) == ((("Authorization", f"Bearer {key}"),), "")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_forgotten_is_told_again_by_an_account_only(tmp_path: Path) -> None:
    Credentials(tmp_path, SCHOOL).accepted()
    without = Credentials(tmp_path, NO_ACCOUNT)
    without.refused()
    assert without.is_enrolled
    Credentials(tmp_path, SCHOOL).refused()
    assert Credentials(tmp_path, SCHOOL).fields() == BASIC


def test_the_account_of_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p\u00e4ss\n")
    assert read_account(URL, "", None) is NO_ACCOUNT
    assert read_account(URL, "school", file) == SCHOOL


@pytest.mark.parametrize(
    ("server", "user", "name", "field"),
    [
        (URL, "school", "", "--user"),
        (URL, "", "password", "--user"),
        (URL, "a:b", "password", "--user"),
        (URL, "school", "nothing", "--password-file"),
        (URL.replace("https", "http"), "school", "password", "--server"),
    ],
)
def test_what_is_no_account(tmp_path: Path, server: str, user: str, name: str, field: str) -> None:
    (tmp_path / "password").write_text("x")
    with pytest.raises(BadInput) as caught:
        read_account(server, user, tmp_path / name if name else None)
    assert caught.value.field == field
