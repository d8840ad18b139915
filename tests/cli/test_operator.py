from __future__ import annotations

import io
from typing import Any

import pytest

from distd.origin.operators import operators


def may_sign_in(site: Any, name: str, password: str) -> bool:
    with site.read() as conn:
        return operators.check(conn, name, password)


def test_operators_are_added_and_get_other_passwords(site: Any) -> None:
    added = site("operator", "add", "alice", "--json").json
    assert may_sign_in(site, "alice", added["password"])
    listed = site("operator", "list", "--json").json["items"]
    assert [(row["name"], row["role"]) for row in listed] == [("admin", "administrator"), ("alice", "operator")]
    assert site("operator", "list").out.splitlines()[1].split()[:2] == ["admin", "administrator"]
    changed = site("operator", "password", "alice").out
    assert not may_sign_in(site, "alice", added["password"])
    assert may_sign_in(site, "alice", changed.split()[3])
    kinds = [event["kind"] for event in site("events", "--audit", "--json").json["items"]]
    assert kinds == ["OPERATOR_ADDED", "OPERATOR_ADDED", "PASSWORD_CHANGED"]


def test_an_operator_is_deleted_but_not_the_last_one(site: Any) -> None:
    added = site("operator", "add", "alice", "--json").json
    assert site("operator", "delete", "alice").out == "Operator alice is deleted.\n"
    assert not may_sign_in(site, "alice", added["password"])
    assert [row["name"] for row in site("operator", "list", "--json").json["items"]] == ["admin"]
    assert (
        site("events", "--kind", "OPERATOR_DELETED", "--audit", "--json").json["items"][0]["actor"].startswith("cli:")
    )
    last = site("operator", "delete", "admin")
    assert (last.status, last.err.count("\n")) == (1, 1)
    assert last.err.startswith(
        "distd: NAME: admin is the last administrator with a password here; add another one first"
    )


def test_an_operator_gets_another_role_and_another_filter(site: Any) -> None:
    site("operator", "add", "alice", "--role", "viewer", "--filter", "tag = Lyon")
    changed = site("operator", "set", "alice", "--role", "operator")
    assert changed.out == "Operator alice: operator, only with computers where tag = Lyon.\n"
    assert site("operator", "set", "alice", "--filter", "", "--json").json["filter"] == ""
    assert site("operator", "set", "alice").err == "distd: --role: expected --role or --filter, got neither\n"
    refused = site("operator", "set", "alice", "--filter", "colour = x")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert refused.err.startswith("distd: --filter: expected a field, got colour")


def test_a_password_may_be_given(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("corréct horse\n"))
    done = site("operator", "password", "admin", "--password-stdin", "--json")
    assert done.json == {"operator": "admin"}
    assert may_sign_in(site, "admin", "corréct horse")


@pytest.mark.parametrize("text", ["", "\n", "two\nlines\n", "x" * 1025])
def test_bad_passwords_change_nothing(site: Any, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    before = site.snapshot()
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    done = site("operator", "password", "admin", "--password-stdin")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert done.err.startswith("distd: --password-stdin: expected one line")
    assert site.snapshot() == before


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (("password", "nobody"), 2, "NAME: expected the name of an operator, got nobody; see `distd operator list`"),
        (("delete", "nobody"), 2, "NAME: expected the name of an operator, got nobody; see `distd operator list`"),
        (("add", "admin"), 1, "NAME: there is an operator admin already"),
        (("add", ""), 2, "NAME: expected 1 to 255 printable characters without a colon, got nothing"),
    ],
)
def test_names_that_cannot_be(site: Any, command: Any, status: int, message: str) -> None:
    done = site("operator", *command)
    assert (done.status, done.err) == (status, f"distd: {message}\n")
