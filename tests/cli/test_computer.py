"""`distd computer …`: what an operator decides of computers."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from distd.catalogue.schema import computers
from distd.domain.settings import Settings
from distd.origin.agents import posts, requests
from distd.origin.installation import open_installation

PC = "pc-2026-01-01-00-00-00"
OTHER = "pc-2026-01-01-00-00-01"


@pytest.fixture
def room(site: Any) -> Any:
    """Two computers: one in the waiting room, one of whose identity something has changed."""
    for name, column, value in ((PC, "waiting", True), (OTHER, "changed", "address mac")):
        site.computer(name)
        with site.write() as conn:
            conn.execute(update(computers).where(computers.c.device_id == name).values({column: value}))
    return site


def listed(site: Any, *options: str) -> list[str]:
    return [row["device_id"] for row in site("computer", "list", "--json", *options).json["items"]]


def test_the_waiting_room(room: Any) -> None:
    assert listed(room, "--waiting") == [PC]
    assert "in the waiting room" in room("computer", "show", PC).out
    assert room("computer", "admit", PC, OTHER).out == "1 computer admitted.\n"
    assert listed(room, "--waiting") == []
    assert room("computer", "list", "--waiting").out == "No such computers.\n"
    assert room("computer", "admit", "--all").out == "0 computers admitted.\n"
    for words in ([], [PC, "--all"]):
        assert room("computer", "admit", *words).status == 2


def test_what_has_changed(room: Any) -> None:
    assert listed(room, "--changed") == [OTHER]
    assert "address, mac" in room("computer", "show", OTHER).out
    assert room("computer", "set", OTHER, "changed=").out == f"Computer {OTHER}: changed set.\n"
    assert listed(room, "--changed") == []


def test_a_computer_is_bound_to_networks(room: Any) -> None:
    assert room("computer", "set", PC, "networks=10.0.0.0/8,fd00::/8").status == 0
    assert room("computer", "show", PC, "--json").json["computer"]["networks"] == ["10.0.0.0/8", "fd00::/8"]
    before = room.snapshot()
    for words in (["networks=10.0.0.1/8"], ["networks"], ["colour=red"], []):
        done = room("computer", "set", PC, *words)
        assert (done.status, len(done.err.splitlines())) == (2, 1), words
    assert room.snapshot() == before


def test_tokens_are_revoked(room: Any) -> None:
    assert room("computer", "revoke", PC, OTHER).out.splitlines() == [
        f"Computer {PC}: its tokens are revoked.",
        f"Computer {OTHER}: its tokens are revoked.",
    ]
    assert room("computer", "revoke", "nobody").status == 2
    kinds = [event["kind"] for event in room("events", "--audit", "--json").json["items"]]
    assert kinds.count("TOKENS_REVOKED") == 2


XML = """<REQUEST><CONTENT><HARDWARE><NAME>pc</NAME><MEMORY>2048</MEMORY></HARDWARE>
<BIOS><SSN>ABC1234</SSN></BIOS><NETWORKS><DESCRIPTION>eth0</DESCRIPTION><IPADDRESS>10.1.0.7</IPADDRESS></NETWORKS>
<DRIVES><TYPE>/</TYPE><TOTAL>1000</TOTAL><FREE>400</FREE></DRIVES>
<ACCOUNTINFO><KEYNAME>ROOM</KEYNAME><KEYVALUE>B12</KEYVALUE></ACCOUNTINFO>
<SOFTWARES><NAME>Git</NAME><VERSION>2.1</VERSION></SOFTWARES><SOFTWARES><NAME>7-Zip</NAME></SOFTWARES>
</CONTENT><DEVICEID>{}</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>
"""


@pytest.fixture
def inventoried(site: Any) -> Any:
    """Two DEVICEIDs of one computer, each with an inventory."""
    with open_installation(site.data) as installation, installation.catalogue.write() as conn:
        context = posts.ReplyContext(Settings(), b"k" * 32, "origin:80", "origin:443")
        limits = requests.ReadLimits.of_settings(Settings())
        for name in (PC, OTHER):
            post = requests.Post(XML.format(name).encode(), "10.0.0.9", "OCS-NG_unified_unix_agent_v2.10.0", 1e9)
            posts.answer(conn, [requests.read(post, limits)], context)
    return site


def test_all_of_a_computer_is_shown(inventoried: Any) -> None:
    text = inventoried("computer", "show", PC).out
    for part in ("ABC1234", "2.0 GiB", "10.1.0.7", "eth0", "ROOM", "B12", "2 installed"):
        assert part in text, part
    detail = inventoried("computer", "show", PC, "--json").json
    assert detail["computer"]["disk_free_bytes"] == 400 * 1_048_576
    assert (detail["interfaces"][0]["ip"], detail["drives"][0]["letter"]) == ("10.1.0.7", "/")
    assert (detail["accounts"], detail["software"]) == ({"ROOM": "B12"}, 2)
    assert inventoried("computer", "show", PC, "--raw").out == XML.format(PC) + "\n"


def test_software_of_a_computer(inventoried: Any) -> None:
    assert [line.split()[0] for line in inventoried("computer", "software", PC).out.splitlines()[1:]] == [
        "7-Zip",
        "Git",
    ]
    found = inventoried("computer", "software", PC, "--name", "GI*", "--json").json
    assert found["items"] == [{"name": "Git", "version": "2.1", "publisher": ""}]
    assert inventoried("computer", "software", PC, "--name", "none").out == "No such software.\n"
    assert inventoried("computer", "software", "nobody").status == 2


def test_duplicates_are_found_and_merged(inventoried: Any) -> None:
    done = inventoried("computer", "duplicates", "--reason", "serial", "--json")
    assert done.err == ""
    found = done.json["items"]
    assert [(each["reason"], each["value"], each["count"]) for each in found] == [("serial", "abc1234", 2)]
    assert PC in inventoried("computer", "duplicates").out
    assert inventoried("computer", "merge", PC, OTHER).out == f"Computer {PC} is {OTHER} now.\n"
    assert listed(inventoried) == [OTHER]
    assert inventoried("computer", "duplicates").out == "No duplicates.\n"
    assert inventoried("computer", "merge", OTHER, OTHER).status in (1, 2)


def test_account_info_is_set(room: Any) -> None:
    assert room("computer", "set", PC, "tag=R1", "account.ROOM=B12").status == 0
    detail = room("computer", "show", PC, "--json").json
    assert (detail["computer"]["tag"], detail["accounts"]) == ("R1", {"TAG": "R1", "ROOM": "B12"})
    assert room("computer", "set", PC, "account.=x").status == 2
