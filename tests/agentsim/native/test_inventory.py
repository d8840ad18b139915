"""The inventory of the computer that runs the tests."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from agentsim.native import inventory

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
        "/proc/net/route": "Iface\tDestination\tGateway\neth1\t0000010A\t00000000\neth0\t00000000\t0101A8C0\n",
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
