"""`distd token …`."""

from __future__ import annotations

from typing import Any


def test_a_token_is_created_listed_and_revoked(site: Any) -> None:
    made = site(
        "token", "create", "backup", "--role", "viewer", "--act", "packages.read", "--days", "30", "--json"
    ).json
    assert made["secret"].startswith("distd_")
    assert (made["token"]["role"], made["token"]["acts"], made["token"]["owner"]) == ("viewer", ["packages.read"], "")
    listed = site("token", "list")
    assert "backup" in listed.out
    assert made["secret"] not in listed.out
    assert site("token", "revoke", "backup").out == "Token backup is revoked.\n"
    gone = site("token", "revoke", "backup")
    expected = "distd: NAME: expected the name of a token, got backup; see `distd token list`\n"
    assert (gone.status, gone.err) == (2, expected)


def test_what_no_token_can_be(site: Any) -> None:
    refused = site("token", "create", "t", "--act", "deployments.write")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "acts that the role viewer may do" in refused.err
    assert site("token", "create", "t", "--days", "0").status == 2
