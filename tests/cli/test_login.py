"""`distd login …`: names and passwords by which agents log in."""

from __future__ import annotations

import io
from typing import Any

import pytest

from distd.origin.agents import logins


def may_log_in(site: Any, name: str, password: str) -> bool:
    with site.read() as conn:
        return logins.verify(logins.hashes(conn).get(name), password)


def test_logins_are_set_listed_and_deleted(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site("login", "list").out == "No logins: agents need none.\n"
    made = site("login", "set", "school", "--json").json
    assert may_log_in(site, "school", made["password"])
    monkeypatch.setattr("sys.stdin", io.StringIO("corréct horse\n"))
    assert site("login", "set", "school", "--password-stdin").out == "Login school has this password now.\n"
    assert may_log_in(site, "school", "corréct horse")
    assert [row["name"] for row in site("login", "list", "--json").json["items"]] == ["school"]
    assert site("login", "delete", "school").out == "Login school is deleted.\n"
    assert site("login", "delete", "school").status == 2


@pytest.mark.parametrize("name", ["a:b", ""])
def test_a_name_that_cannot_be(site: Any, name: str) -> None:
    done = site("login", "set", name)
    assert (done.status, len(done.err.splitlines())) == (2, 1)
