"""`distd recurrence …`."""

from __future__ import annotations

from typing import Any


def test_a_package_that_comes_again(site: Any) -> None:
    package_id = site.build()
    assert site("recurrence", "list").out == "Nothing comes again.\n"
    tried = site("recurrence", "create", package_id, "--every-days", "7", "--dry-run")
    assert tried.out.startswith(f"{package_id} would come every 7 days to those that have it: first at ")
    made = site(
        "recurrence", "create", package_id, "--every-days", "1", "--first-at", "2h", "--filter", "windows", "--json"
    ).json
    assert (made["who_kind"], made["who"], made["every_days"]) == ("filter", "windows", 1)
    second = site("recurrence", "create", package_id, "--every-days", "7")
    second = second.out.rpartition("(id ")[2].rstrip(").\n")
    listed = site("recurrence", "list").out.splitlines()
    assert [line.split()[:4] for line in listed[1:]] == [
        [str(made["id"]), package_id, "Hello", "1"],
        [second, package_id, "Hello", "7"],
    ]
    edited = site("recurrence", "edit", made["id"], "--every-days", "3", "--having")
    assert edited.out.startswith(f"{package_id} comes every 3 days to those that have it: next at ")
    assert site("recurrence", "edit", made["id"], "--tag", "x", "--json").json["who"] == "x"
    assert "--having" in site("recurrence", "edit", made["id"], "--tag", "x", "--having").err
    assert site("recurrence", "edit", made["id"]).status == 2
    assert site("recurrence", "delete", made["id"]).out == f"{package_id} does not come again.\n"
    assert site("recurrence", "list", "--json").json["total"] == 1
    assert site("recurrence", "delete", second, "--json").json["id"] == int(second)


def test_what_is_wrong_is_named_by_its_option(site: Any) -> None:
    package_id = site.build()
    for options, text in (
        (("--first-at", "yesterday"), "--first-at"),
        (("--group", "none"), "--group"),
        (("--tag", "x", "--filter", "windows"), "one of filter, group and tag"),
    ):
        done = site("recurrence", "create", package_id, "--every-days", "7", *options)
        assert (done.status, text in done.err) == (2, True), done.err
    assert "see `distd recurrence list`" in site("recurrence", "delete", "7").err
