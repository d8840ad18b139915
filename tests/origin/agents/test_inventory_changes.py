"""What an inventory changes in the tables: what has changed, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from distd.catalogue import schema
from distd.catalogue.event_log import Kind
from distd.domain.computer_facts import MIB
from distd.domain.page import EVERYTHING
from distd.domain.records import InventoryRequest
from distd.origin.computers import computer_settings, computers
from distd.wire import ocs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.origin import TestOrigin

HARDWARE = {"NAME": "Zoé", "OSNAME": "Debian GNU/Linux 12", "OSVERSION": "12", "MEMORY": "2048", "USERID": "ada"}
NETWORKS = ({"DESCRIPTION": "eth0", "IPADDRESS": "10.1.0.7", "MACADDR": "52:54:00:12:34:56", "IPSUBNET": "10.1.0.0"},)
DRIVES = ({"TYPE": "/", "FILESYSTEM": "ext4", "TOTAL": "100", "FREE": "40"},)
SOFTWARE = tuple({"NAME": f"program {number}", "VERSION": f"1.{number}"} for number in range(40))
WHOLE = InventoryRequest(
    "pc",
    HARDWARE,
    {"TAG": "Salle É", "ROOM": "B12"},
    NETWORKS,
    frozenset({"17"}),
    bios={"SSN": "ABC1234", "SMODEL": "OptiPlex"},
    drives=DRIVES,
    software=SOFTWARE,
)


@pytest.fixture
def statements(origin: TestOrigin) -> Iterator[list[str]]:
    """The statements that change a table."""
    found: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        verb, *words = statement.replace("INTO ", "").replace("FROM ", "").split(maxsplit=2)
        if verb in ("INSERT", "UPDATE", "DELETE"):
            found.append(f"{verb} {words[0]}")

    engine = origin.catalogue._engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def test_all_of_it_is_in_tables(origin: TestOrigin) -> None:
    origin.post(WHOLE)
    (row,) = origin.rows(schema.computers)
    assert (row["name_key"], row["tag_key"], row["serial_key"], row["device_id_key"]) == (
        "zoe",
        "salle e",
        "abc1234",
        "pc",
    )
    assert (row["agent"], row["agent_version"], row["memory_bytes"]) == (
        "OCS-NG_unified_unix_agent",
        "2.10.0",
        2048 * MIB,
    )
    assert (row["disk_free_bytes"], row["system_free_bytes"]) == (40 * MIB, 40 * MIB)
    detail = origin.read(computers.show, "pc")
    assert detail.accounts == {"TAG": "Salle É", "ROOM": "B12"}
    assert [(each.ip, each.ip_key, each.subnet) for each in detail.interfaces] == [
        ("10.1.0.7", "40a010007", "10.1.0.0")
    ]
    assert [(each.letter, each.free_bytes) for each in detail.drives] == [("/", 40 * MIB)]
    listed = origin.read(computers.software_of, "pc", "PROGRAM 1?", EVERYTHING).items
    assert [each.version for each in listed] == [f"1.{number}" for number in range(10, 20)]


def test_the_same_again_touches_nothing_but_times(origin: TestOrigin, statements: list[str]) -> None:
    origin.post(WHOLE)
    origin.now_s += 60
    statements.clear()
    origin.post(WHOLE)
    assert statements == ["UPDATE computers", "UPDATE computers", "INSERT events"]
    computer = origin.read(computers.show, "pc").computer
    assert computer.last_inventory_at_s == computer.last_seen_at_s == origin.now_s
    assert len(origin.events(Kind.INVENTORY)) == 2


@pytest.mark.parametrize(
    ("change", "tables"),
    [
        ({"hardware": HARDWARE | {"USERID": "bob"}}, set()),
        ({"drives": (DRIVES[0] | {"FREE": "39"},)}, {"drives"}),
        ({"networks": (NETWORKS[0] | {"STATUS": "Up"},)}, {"interfaces"}),
        ({"account": {"TAG": "R2", "ROOM": "B12"}}, {"computer_accounts"}),
        ({"software": (*SOFTWARE, {"NAME": "Git"})}, {"software", "installed"}),
        ({"software": SOFTWARE[1:]}, {"installed"}),
    ],
)
def test_a_section_is_taken_over_when_it_has_changed(
    origin: TestOrigin, statements: list[str], change: dict[str, Any], tables: set[str]
) -> None:
    origin.post(WHOLE)
    statements.clear()
    origin.post(replace(WHOLE, **change))
    of_inventories = {"drives", "interfaces", "computer_accounts", "software", "installed"}
    assert {statement.split()[1] for statement in statements} & of_inventories == tables
    statements.clear()
    origin.post(replace(WHOLE, **change))
    assert not {statement.split()[1] for statement in statements} & of_inventories


def test_two_inventories_of_a_computer_in_one_batch(origin: TestOrigin) -> None:
    """Both were compared with what was there before the batch."""
    origin.post(WHOLE)
    other = replace(WHOLE, software=SOFTWARE[:3], drives=())
    for requests, count in (((other, WHOLE), 40), ((WHOLE, other), 3), ((WHOLE, other, WHOLE), 40)):
        origin.post_all(*requests)
        detail = origin.read(computers.show, "pc")
        assert (detail.software, len(detail.drives)) == (count, 1 if count == 40 else 0)


def test_a_result_in_between_is_corrected_by_the_same_inventory(origin: TestOrigin) -> None:
    """The agent's own history is what it says."""
    origin.post(WHOLE)
    origin.report("18", "SUCCESS")
    assert origin.read(computers.show, "pc").history == ["17", "18"]
    origin.post(WHOLE)
    assert origin.read(computers.show, "pc").history == ["17"]


def test_what_an_operator_sets_counts_more_than_what_the_agent_says(origin: TestOrigin) -> None:
    origin.post(WHOLE)
    origin.act(computer_settings.change, ["pc"], {"tag": "Atelier", "account.Étage": "2"}, origin.now_s)
    for request in (WHOLE, replace(WHOLE, account={"TAG": "R9", "etage": "7"})):
        assert ocs.read_inventory_reply(origin.post(request)) == {"TAG": "Atelier"}
        detail = origin.read(computers.show, "pc")
        assert (detail.computer.tag, detail.accounts["TAG"], detail.accounts["Étage"]) == ("Atelier", "Atelier", "2")
    origin.act(computer_settings.change, ["pc"], {"tag": "", "account.Étage": ""}, origin.now_s)
    origin.post(replace(WHOLE, account={"TAG": "R9", "etage": "7"}))
    detail = origin.read(computers.show, "pc")
    assert (detail.computer.tag, detail.accounts) == ("R9", {"TAG": "R9", "etage": "7"})


def test_a_tag_stays_where_the_agent_says_none(origin: TestOrigin) -> None:
    origin.post(WHOLE)
    origin.post(replace(WHOLE, account={}))
    detail = origin.read(computers.show, "pc")
    assert (detail.computer.tag, detail.accounts) == ("Salle É", {"TAG": "Salle É"})


def test_software_beyond_the_limit_is_tried_again(origin: TestOrigin) -> None:
    origin.values["agents.new_software_per_day"] = 50
    origin.post(WHOLE)
    assert origin.read(computers.show, "pc").software == 10
    assert origin.events(Kind.INVENTORY)[-1].detail == {"software_left_out": 30}
    origin.values["agents.new_software_per_day"] = 0
    origin.post(WHOLE)
    assert origin.read(computers.show, "pc").software == 40
