"""`distd group …`, and packages for groups and filters."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from distd.catalogue.schema import computers
from distd.origin.installation import open_installation


@pytest.fixture
def lab(site: Any) -> Any:
    """Computers a and b in room 1, c in room 2, all Debian."""
    with open_installation(site.data) as installation, installation.catalogue.write() as conn:
        for number, (name, tag) in enumerate((("a", "room 1"), ("b", "room 1"), ("c", "room 2")), 1):
            row = {"id": number, "device_id": name, "device_id_key": name, "first_seen_at_us": 0, "last_seen_at_us": 0}
            row |= {"tag": tag, "tag_key": tag, "os_name": "Debian", "os_name_key": "debian"}
            conn.execute(insert(computers).values(**row))
    return site


def test_a_dynamic_group_from_its_creation_to_its_end(lab: Any) -> None:
    tried = lab("group", "create", "Room 1", "--filter", 'tag = "room 1"', "--dry-run")
    assert tried.out == "Group Room 1 would have 2 computers; nothing is done.\n"
    assert lab("group", "list").out == "No groups.\n"
    made = lab("group", "create", "Room 1", "--filter", 'tag = "room 1"', "--description", "by the door")
    assert (made.status, made.out) == (0, "Group Room 1: 2 computers.\n")
    assert (
        lab("group", "add", "room 1", "--computer", "c").out
        == "Group Room 1: 1 computer came, 0 left; 3 computers in it.\n"
    )
    assert lab("group", "remove", "Room 1", "--computer", "a", "--dry-run").out == (
        "Group Room 1: 0 computers would come, 1 would leave; 2 computers in it.\nNothing is done.\n"
    )
    assert lab("group", "remove", "Room 1", "--computer", "a", "--json").json["left"] == 1
    shown = lab("group", "show", "Room 1", "--json").json
    assert (shown["included"], shown["excluded"], shown["group"]["members"]) == (["c"], ["a"], 2)
    text = lab("group", "show", "Room 1")
    assert "by the door" in text.out
    assert "computer list 'group(\"Room 1\")'" in text.err
    assert lab("group", "reset", "Room 1", "--computer", "a", "--computer", "c", "--json").json["joined"] == 1
    assert lab("computer", "list", 'group("Room 1")', "--json").json["total"] == 2
    changed = lab("group", "edit", "Room 1", "--name", "Room 2", "--filter", 'tag = "room 2"')
    assert changed.out == "Group Room 2: 1 computer came, 2 left; 1 computer in it.\n"
    listed = lab("group", "list")
    assert listed.out.splitlines()[1].split()[:3] == ["Room", "2", "1"]
    assert lab("group", "delete", "Room 2").out == "Group Room 2 is deleted; it had 1 computer.\n"


def test_a_package_for_a_group(lab: Any) -> None:
    lab("group", "create", "Room 1", "--computer", "a")
    package = lab.build()
    lab("package", "activate", package)
    tried = lab("assign", package, "--group", "room 1", "--dry-run")
    assert tried.out.startswith(f"1 computer would be assigned {package}; nothing is done.")
    assert lab("group", "show", "Room 1", "--json").json["packages"] == []
    done = lab("assign", package, "--group", "room 1")
    assert done.out.splitlines() == [
        "room 1: 1 computer will be notified at the next contact.",
        "room 1: who comes later is assigned it then.",
    ]
    lab("group", "add", "Room 1", "--computer", "b")
    (given,) = lab("group", "show", "Room 1", "--json").json["packages"]
    assert (given["package_id"], given["active"]) == (package, True)
    assert f"Package {package} Hello, by cli:" in lab("group", "show", "Room 1").out
    results = lab("results", package, "--json").json["items"]
    assert [(each["device_id"], each["origin_kind"]) for each in results] == [("a", "group"), ("b", "group")]
    assert lab("unassign", package, "--group", "Room 1", "--dry-run").out.startswith("2 computers: would be")
    taken = lab("unassign", package, "--group", "Room 1")
    assert taken.out == "2 computers: the assignment is removed; the agent did not know of it.\n"
    assert lab("results", package, "--json").json["items"] == []


def test_a_package_for_a_filter(lab: Any) -> None:
    package = lab.build()
    lab("package", "activate", package)
    done = lab("assign", package, "--filter", 'tag = "room 1"')
    assert done.out == 'tag = "room 1": 2 computers will be notified at the next contact.\n'
    (first, _) = lab("results", package, "--json").json["items"]
    assert (first["origin_kind"], first["origin_name"]) == ("filter", 'tag = "room 1"')
    lab("filter", "save", "second", 'tag = "room 2"')
    assert lab("assign", package, "--filter", "@second", "--json").json["assigned"] == ["c"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("group", "create", "x", "--filter", "memory >"), "distd: --filter: expected"),
        (("group", "create", "x", "--filter", 'group("x")'), "distd: --filter: no group may ask for itself"),
        (("group", "create", "a/b"), "distd: NAME: expected 1 to 255 printable characters"),
        (("group", "show", "nobody"), "distd: NAME: expected the name of a group, got nobody; see `distd group list`"),
        (("group", "add", "x"), "distd: --computer: expected at least one DEVICEID"),
        (("group", "edit", "x"), "distd: --filter: expected --name, --filter or --description, got none of them"),
        (("assign", "1", "--group", "nobody"), "distd: --group: expected the name of a group, got nobody"),
        (("assign", "1", "--filter", "memory >"), "distd: --filter: expected"),
    ],
)
def test_what_is_refused(lab: Any, arguments: tuple[str, ...], message: str) -> None:
    done = lab(*arguments)
    assert (done.status in (1, 2), done.err.count("\n")) == (True, 1), done.err
    assert done.err.startswith(message), done.err
