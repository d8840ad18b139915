"""The inventory of the computer that runs the tests."""

from __future__ import annotations

import os
import platform
import socket
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from agentsim.native import inventory

if TYPE_CHECKING:
    from pathlib import Path


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


def test_what_the_kernel_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "/proc/net/route": "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\neth1\t0000010A\t00000000\n",
        "/proc/meminfo": "MemTotal:  2048000 kB\n\nHugePages:\nSwapTotal: 1024 kB\n",
        "/etc/resolv.conf": "search x\nnameserver\nnameserver 10.0.0.1\nnameserver 10.0.0.2 # two\n\n",
        "/proc/cpuinfo": "processor : 0\nmodel name\t: A CPU\nmodel name\t: Another\n",
    }
    monkeypatch.setattr(inventory, "_lines", lambda file: texts[file].splitlines())
    assert inventory._gateways() == {"eth0": "192.168.1.1"}
    assert inventory._memory_mib() == {"MemTotal": 2000, "SwapTotal": 1}
    assert inventory._words_after("/etc/resolv.conf", "nameserver") == ["10.0.0.1", "10.0.0.2"]
    assert inventory._values_of("/proc/cpuinfo", "model name") == ["A CPU", "Another"]
    assert inventory._line("/proc/cpuinfo") == "processor : 0"


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [(3, {"MemTotal": 2000, "SwapTotal": 7}, ("3", "2000", "7")), (None, {}, ("1", "0", "0"))],
)
def test_figures(
    cores: int | None, memory: dict[str, int], expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(inventory, "_memory_mib", lambda: memory)
    facts = inventory.hardware("pc-1", "127.0.0.1")
    assert (facts["PROCESSORN"], facts["MEMORY"], facts["SWAP"]) == expected


@pytest.mark.parametrize(("host", "name"), [("pc.example", "pc.example"), ("", "pc-1")])
def test_a_computer_without_a_host_name_has_that_of_its_device_id(
    host: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "node", lambda: host)
    assert inventory.hardware("pc-1", "127.0.0.1")["NAME"] == name


def test_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {("eth0", inventory._SIOCGIFADDR): "10.1.2.3", ("eth0", inventory._SIOCGIFNETMASK): "255.255.0.0"}
    addresses[("eth2", inventory._SIOCGIFADDR)] = "10.9.9.9"  # its mask is gone meanwhile
    states = {"eth0": "up", "eth1": "down", "eth2": "unknown"}
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0"), (3, "eth1"), (4, "eth2")])
    monkeypatch.setattr(inventory, "_interface", lambda name, request: addresses.get((name, request), ""))
    monkeypatch.setattr(inventory, "_gateways", lambda: {"eth0": "10.1.0.1"})
    monkeypatch.setattr(inventory, "_line", lambda file: states[file.split("/")[4]] if "state" in file else "aa:bb")
    first, second, third = inventory.networks()
    assert first == {
        "DESCRIPTION": "eth0",
        "MACADDR": "aa:bb",
        "STATUS": "Up",
        "TYPE": "ethernet",
        "IPADDRESS": "10.1.2.3",
        "IPMASK": "255.255.0.0",
        "IPSUBNET": "10.1.0.0",
        "IPGATEWAY": "10.1.0.1",
    }
    assert second == {"DESCRIPTION": "eth1", "MACADDR": "aa:bb", "STATUS": "Down", "TYPE": "ethernet"}
    assert third == {"DESCRIPTION": "eth2", "MACADDR": "aa:bb", "STATUS": "Up", "TYPE": "ethernet"}


def test_what_cannot_be_read_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "text"
    assert (inventory._lines(str(file)), inventory._line(str(file))) == ([], "")
    file.write_bytes(b"a\xff\nb\n")
    assert inventory._lines(str(file)) == ["a\ufffd", "b"]


def test_networks() -> None:
    for network in inventory.networks():
        assert network["DESCRIPTION"] != "lo"
        assert network["STATUS"] in ("Up", "Down")
        if "IPADDRESS" in network:
            assert IPv4Address(network["IPSUBNET"]) <= IPv4Address(network["IPADDRESS"])
