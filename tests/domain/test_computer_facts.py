"""What searches read of an inventory: values with one meaning."""

from __future__ import annotations

from typing import Any

import pytest

from distd.domain.computer_facts import (
    MAX_ADDRESSES,
    MIB,
    Account,
    Drive,
    InstalledSoftware,
    Interface,
    accounts_of,
    agent_columns,
    canonical_mac,
    columns_of,
    drives_of,
    interfaces_of,
    software_of,
)
from distd.domain.records import InventoryRequest
from distd.domain.versions import version_key

GIB = 1024 * MIB


def inventory(**sections: Any) -> InventoryRequest:
    return InventoryRequest("pc", **{"hardware": {}, "account": {}, "networks": (), "history": None, **sections})


def test_columns_of_a_windows_computer() -> None:
    hardware = {
        "NAME": "PC-É",
        "OSNAME": "Microsoft Windows 11 Pro",
        "OSVERSION": "10.0.22631",
        "ARCH": "64-bit",
        "WORKGROUP": "LAB",
        "USERDOMAIN": "École",
        "USERID": "Zoë",
        "DESCRIPTION": "Room 7",
        "MEMORY": "16384",
        "PROCESSORN": "1",
        "PROCESSORT": "Intel Core i5",
        "IPADDR": "10.1.2.3",
    }
    row = columns_of(inventory(hardware=hardware, bios={"SMANUFACTURER": "Dell Inc.", "SMODEL": "OptiPlex"}))
    assert (row["name"], row["name_key"], row["userid_key"], row["userdomain_key"]) == ("PC-É", "pc-e", "zoe", "ecole")
    assert (row["description"], row["arch"], row["os_version_key"]) == ("Room 7", "64-bit", version_key("10.0.22631"))
    assert (row["memory_bytes"], row["cores"], row["cpu"]) == (16 * GIB, 1, "Intel Core i5")
    assert (row["manufacturer_key"], row["model"], row["ip_key"]) == ("dell inc.", "OptiPlex", "40a010203")
    assert row["disk_free_bytes"] is None


def test_a_unix_agent_has_no_description_but_how_long_it_runs() -> None:
    row = columns_of(inventory(hardware={"DESCRIPTION": "x86_64/00-00-12 09:42:54"}))
    assert (row["description"], row["arch"]) == ("", "x86_64")


@pytest.mark.parametrize(
    ("cpus", "cores"),
    [((), 3), (({"CORES": "6"}, {"CORES": "6"}), 12), (({"TYPE": "x"},), 3), (({"CORES": "six"},), 3)],
)
def test_cores(cpus: tuple[dict[str, str], ...], cores: int) -> None:
    assert columns_of(inventory(hardware={"PROCESSORN": "3"}, cpus=cpus))["cores"] == cores


@pytest.mark.parametrize("text", ["", "-1", "many", "١٢", "1e9"])
def test_numbers_that_are_none(text: str) -> None:
    assert columns_of(inventory(hardware={"MEMORY": text}))["memory_bytes"] is None


def test_numbers_that_are_too_large_fit_into_the_database() -> None:
    drives = ({"TYPE": "/", "FREE": "9" * 20, "TOTAL": "9" * 20},) * 2
    row = columns_of(inventory(hardware={"MEMORY": "9" * 20}, drives=drives))
    assert all(0 < row[name] < 2**63 for name in ("memory_bytes", "disk_free_bytes", "system_free_bytes"))


WINDOWS_DRIVES = (
    {"LETTER": "D:/", "TYPE": "Hard Drive", "FILESYSTEM": "NTFS", "VOLUMN": "DATA", "TOTAL": "1000", "FREE": "700"},
    {"LETTER": "C:/", "TYPE": "Hard Drive", "FILESYSTEM": "NTFS", "TOTAL": "500", "FREE": "20"},
    {"LETTER": "E:/", "TYPE": "CD-Rom Drive", "FILESYSTEM": "UDF", "TOTAL": "4", "FREE": "0"},
    {"LETTER": "U:/", "TYPE": "Network Drive", "TOTAL": "90000", "FREE": "80000"},
    {"LETTER": "F:/", "TYPE": "Removable Drive", "TOTAL": "16", "FREE": "16"},
)
UNIX_DRIVES = (
    {"TYPE": "/", "VOLUMN": "/dev/vda1", "FILESYSTEM": "ext4", "TOTAL": "100", "FREE": "30"},
    {"TYPE": "/var", "VOLUMN": "/dev/vda2", "FILESYSTEM": "xfs", "TOTAL": "50", "FREE": "5"},
    {"TYPE": "/run", "VOLUMN": "tmpfs", "FILESYSTEM": "tmpfs", "TOTAL": "9", "FREE": "9"},
    {"TYPE": "/home", "VOLUMN": "nas:/home", "FILESYSTEM": "nfs4", "TOTAL": "9000", "FREE": "8000"},
)


@pytest.mark.parametrize(
    ("drives", "free", "total", "system"), [(WINDOWS_DRIVES, 720, 1500, 20), (UNIX_DRIVES, 35, 150, 5)]
)
def test_free_space_is_that_of_fixed_drives(drives: Any, free: int, total: int, system: int) -> None:
    row = columns_of(inventory(drives=drives))
    assert row["disk_free_bytes"] == free * MIB
    assert row["disk_total_bytes"] == total * MIB
    assert row["system_free_bytes"] == system * MIB


def test_drives() -> None:
    found = drives_of(inventory(drives=(WINDOWS_DRIVES[0], UNIX_DRIVES[0], {"LETTER": "Z:/", "TYPE": "Hard Drive"})))
    assert found == (
        Drive("D:", "DATA", "Hard Drive", "NTFS", fixed=True, size_bytes=1000 * MIB, free_bytes=700 * MIB),
        Drive("/", "/dev/vda1", "", "ext4", fixed=True, size_bytes=100 * MIB, free_bytes=30 * MIB),
        Drive("Z:", "", "Hard Drive", "", fixed=True),
    )


def test_interfaces_have_a_row_for_each_address() -> None:
    card = {"DESCRIPTION": "eth0", "MACADDR": "52-54-00-12-34-AB", "STATUS": "Up"}
    four = {"IPADDRESS": "192.0.2.2", "IPMASK": "255.255.255.0", "IPSUBNET": "192.0.2.0", "IPGATEWAY": "192.0.2.1"}
    six = {"IPADDRESS6": "2001:DB8:0::2", "IPSUBNET6": "2001:db8::", "IPMASK6": "ffff:ffff:ffff:ffff::"}
    down = {"DESCRIPTION": "wlan0", "MACADDR": "", "STATUS": "Down"}
    found = interfaces_of(inventory(networks=(card | four | six, down)))
    mac, both = "52:54:00:12:34:ab", {"description": "eth0", "status": "Up"}
    assert found == (
        Interface(
            ip="192.0.2.2",
            ip_key="4c0000202",
            mask="255.255.255.0",
            subnet="192.0.2.0",
            subnet_key="4c0000200",
            gateway="192.0.2.1",
            mac=mac,
            **both,
        ),
        Interface(
            ip="2001:db8::2",
            ip_key="620010db8000000000000000000000002",
            mask="ffff:ffff:ffff:ffff::",
            subnet="2001:db8::",
            subnet_key="620010db8000000000000000000000000",
            mac=mac,
            **both,
        ),
        Interface(description="wlan0", status="Down"),
    )


def test_the_address_of_hardware_is_among_them() -> None:
    networks = ({"IPADDRESS": "10.0.0.1"},)
    found = interfaces_of(inventory(hardware={"IPADDR": "10.0.0.1/10.0.0.2/nonsense"}, networks=networks))
    assert [each.ip for each in found] == ["10.0.0.1", "10.0.0.2"]


def test_addresses_are_bounded() -> None:
    networks = tuple({"IPADDRESS": f"10.0.{number // 256}.{number % 256}"} for number in range(1000))
    assert len(interfaces_of(inventory(networks=networks))) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("52-54-00-12-34-AB", "52:54:00:12:34:ab"),
        ("5254.0012.34ab", "52:54:00:12:34:ab"),
        ("525400 1234", "525400 1234"),
        ("", ""),
    ],
)
def test_macs(text: str, mac: str) -> None:
    assert canonical_mac(text) == mac


def test_software_is_listed_once_and_needs_a_name() -> None:
    rows = ({"NAME": "Git", "VERSION": "2.1"}, {"NAME": "Git", "VERSION": "2.1"}, {"VERSION": "7"}, {"NAME": ""})
    assert software_of(inventory(software=rows)) == (InstalledSoftware("Git", "2.1", ""),)


def test_accounts_are_known_by_their_folded_keys() -> None:
    found = accounts_of(inventory(account={"Étage": "2", "TAG": "R1", " ": "x"}))
    assert found == {"etage": Account("Étage", "2"), "tag": Account("TAG", "R1")}


@pytest.mark.parametrize(
    ("user_agent", "agent", "version"),
    [
        ("OCS-NG_unified_unix_agent_v2.10.0", "OCS-NG_unified_unix_agent", "2.10.0"),
        ("OCS-NG_WINDOWS_AGENT_v2.9.2.0", "OCS-NG_WINDOWS_AGENT", "2.9.2.0"),
        ("distd-agent/1.0", "distd-agent", "1.0"),
        ("curl", "curl", ""),
        ("", "", ""),
    ],
)
def test_the_agent(user_agent: str, agent: str, version: str) -> None:
    row = agent_columns(user_agent)
    assert (row["agent"], row["agent_version"]) == (agent, version)
    assert (row["agent_key"], row["agent_version_key"]) == (agent.lower(), version_key(version))
