"""The inventory of the computer that runs the tests."""

from __future__ import annotations

from ipaddress import IPv4Address

from agentsim.native import inventory


def test_hardware() -> None:
    facts = inventory.hardware("pc-1", "127.0.0.1")
    assert facts["IPADDR"] == "127.0.0.1"
    assert facts["NAME"]
    assert facts["OSNAME"]
    assert int(facts["MEMORY"]) > 0
    assert int(facts["PROCESSORN"]) > 0
    assert all(isinstance(value, str) for value in facts.values())


def test_a_server_that_is_not_found_does_not_matter() -> None:
    assert inventory.hardware("pc-1", "name.invalid")["IPADDR"] == ""


def test_networks() -> None:
    for network in inventory.networks():
        assert network["DESCRIPTION"] != "lo"
        assert network["STATUS"] in ("Up", "Down")
        if "IPADDRESS" in network:
            assert IPv4Address(network["IPSUBNET"]) <= IPv4Address(network["IPADDRESS"])
