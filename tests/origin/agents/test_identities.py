"""What a computer is known by follows its contacts; what may be another computer is flagged."""

from __future__ import annotations

from typing import Any

import pytest

from distd.domain.identity_facts import IdentityFacts
from distd.domain.records import InventoryRequest, PrologRequest
from distd.origin.agents.batch import ComputerState
from distd.origin.agents.identities import identity_columns, update_identity

_ROW: Any = None
AGENT = "OCS-NG_WINDOWS_AGENT_v2.9.2.0"
MAC = "00:11:22:33:44:55"


@pytest.fixture
def computer() -> ComputerState:
    known = IdentityFacts("10.0.0.1", AGENT, "S-1", frozenset({MAC}))
    return ComputerState(1, AGENT, None, None, _ROW, identity=known)


def inventory(serial: str, mac: str) -> InventoryRequest:
    return InventoryRequest("pc", {}, {}, ({"MACADDR": mac},), None, bios={"SSN": serial})


def test_a_prolog_tells_the_address_alone(computer: ComputerState) -> None:
    update_identity(computer, "10.0.0.2", PrologRequest("pc"))
    assert computer.identity == IdentityFacts("10.0.0.2", AGENT, "S-1", frozenset({MAC}))
    assert computer.changed == set()


def test_what_an_inventory_does_not_say_stays_known(computer: ComputerState) -> None:
    assert update_identity(computer, "10.0.0.1", inventory("", "")) == []
    assert (computer.identity.serial, set(computer.identity.macs)) == ("S-1", {MAC})


def test_another_serial_number_is_flagged_until_somebody_looks(computer: ComputerState) -> None:
    found = update_identity(computer, "10.0.0.1", inventory("S-2", MAC))
    assert [(change.before, change.after, change.flagged) for change in found] == [("S-1", "S-2", True)]
    update_identity(computer, "10.0.0.1", inventory("S-2", MAC))
    columns = identity_columns(computer)
    assert (columns["serial"], columns["serial_key"], columns["macs"]) == ("S-2", "s-2", MAC)
    assert columns["changed"] == str(found[0].fact)
    assert (columns["agent"], columns["agent_version"]) == ("OCS-NG_WINDOWS_AGENT", "2.9.2.0")


def test_nothing_known_is_nothing(computer: ComputerState) -> None:
    computer.identity = IdentityFacts()
    assert [identity_columns(computer)[name] for name in ("serial", "macs", "changed")] == [None, None, ""]
