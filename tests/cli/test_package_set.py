"""`distd set …`, and `distd assign` of several packages."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def two(site: Any) -> tuple[str, str]:
    """Two active packages, and a computer pc."""
    site.computer("pc")
    ids = site.build(), site.build()
    for package_id in ids:
        site("package", "activate", package_id)
    return ids


def test_a_set_from_its_creation_to_its_end(site: Any, two: tuple[str, str]) -> None:
    first, second = two
    made = site("set", "create", "Office", second, first, "--chain", "--description", "for all")
    assert (made.status, made.out.splitlines()[-2:]) == (0, [f"Package {second} Hello.", f"Package {first} Hello."])
    assert site("set", "list").out.splitlines()[1].split()[:4] == ["Office", "2", "each", "after"]
    edited = site("set", "edit", "office", first, "--name", "Room", "--no-chain", "--json").json
    assert (edited["name"], edited["chain"], len(edited["packages"])) == ("Room", False, 1)
    assert site("set", "show", "Room").out.splitlines()[0].split() == ["Set", "Room"]
    assert site("set", "delete", "Room").out == "Set Room is deleted; it had 1 package.\n"
    gone = site("set", "show", "Room")
    assert (gone.status, "see `distd set list`" in gone.err) == (2, True)
    assert site("set", "edit", "Room").status == 2


def test_a_set_is_assigned_as_one(site: Any, two: tuple[str, str]) -> None:
    first, second = two
    site("set", "create", "Office", first, second, "--chain")
    tried = site("assign", "--set", "Office", "--computer", "pc", "--any-os", "--dry-run")
    assert tried.out.splitlines() == [
        f"1 computer would be assigned {first}; nothing is done.",
        f"1 computer would be assigned {second}; nothing is done.",
    ]
    assert site("results", first, "--json").json["items"] == []
    done = site("assign", "--set", "office", "--computer", "pc", "--any-os", "--json").json
    assert [(each["package_id"], each["after"], each["assigned"]) for each in done] == [
        (first, None, ["pc"]),
        (second, first, ["pc"]),
    ]


def test_a_chain_of_packages_by_name(site: Any, two: tuple[str, str]) -> None:
    done = site("assign", *two, "--chain", "--tag", "*", "--any-os")
    assert (done.status, "computer" in done.err) == (2, True)
    done = site("assign", *two, "--chain", "--computer", "pc", "--any-os")
    assert done.out.splitlines()[0] == f"pc: will be notified of {two[0]} at its next contact."
    assert [each["after"] for each in site("results", two[1], "--json").json["items"]] == [two[0]]


@pytest.mark.parametrize("arguments", [(), ("17", "--set", "x")])
def test_packages_or_a_set(site: Any, arguments: tuple[str, ...]) -> None:
    done = site("assign", *arguments, "--computer", "pc")
    assert (done.status, "at least one PACKAGE, or --set" in done.err) == (2, True)
