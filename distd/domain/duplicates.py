"""Which computers are the same one under two DEVICEIDs. Pure.

An agent makes a new DEVICEID when a computer is installed anew. Its serial number, its MACs or its name are the old
ones then, but many computers have values that say nothing: serial numbers that nobody filled in, MACs of virtual
interfaces, and of docks and adapters that pass from one computer to the next.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class DuplicateReason(StrEnum):
    """What the computers have in common."""

    SERIAL = "serial"
    MAC = "mac"
    NAME = "name"


MIN_SERIAL: Final = 4  # characters

# As keys: see `domain.folding`. Those of OCS Inventory's own list, and others that makers leave in a BIOS.
JUNK_SERIALS: Final = frozenset(
    (
        *("n/a", "none", "null", "(null string)", "invalid", "unknown", "not specified", "not applicable", "empty"),
        *("not available", "not settable", "default string", "default", "standard", "chassis serial number"),
        *("system serial number", "serial number", "serial number xxxxxx", "to be filled by o.e.m.", "o.e.m.", "oem"),
        *("to be filled by oem", "tobefilledbyo.e.m.", "system", "xxxx", "xxxxxxx", "xxxxxxxxxx", "xxxxxxxxxxx"),
        *("nnnnnnn", "eval", "iatpass", "tulip computers", "sys-1234567890", "sys-9876543210", "sn-12345"),
        *("sn-1234567890", "sn-123456fvgv3i0b8o5n6n7k", "mb-1234567890", "123456789000", "12345678901234567"),
        *("1111111", "1111111111", "0123456789", "01234567890123456789abcdef", "12345", "123456", "1234567"),
        *("12345678", "123456789", "1234567890", "abcdefghij", "default_string", "vmware", "virtualbox", "qemu"),
        *("0" * length for length in range(MIN_SERIAL, 33)),
        *("f" * length for length in range(MIN_SERIAL, 33)),
        *("." * length for length in range(MIN_SERIAL, 33)),
    )
)
# Virtual interfaces that have the same MAC on every computer.
JUNK_MACS: Final = frozenset(
    (
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
        "44:45:53:54:00:00",  # PPP of Windows 9x
        "44:45:53:54:00:01",
        "50:50:54:50:30:30",  # PPTP
        "33:50:6f:45:30:30",  # PPPoE
        "20:41:53:59:4e:ff",  # asynchronous RAS
        "02:00:4c:4f:4f:50",  # Microsoft's loopback
        "00:05:9a:3c:78:00",  # Cisco's VPN
        "00:05:9a:3c:7a:00",
        "00:09:0f:fe:00:01",  # Fortinet's VPN
        "00:09:0f:aa:00:01",
        "0a:00:27:00:00:00",  # VirtualBox, host only
        "00:50:56:c0:00:01",  # VMware, host only
        "00:50:56:c0:00:08",
        "00:01:02:7d:9b:1c",
        "00:53:45:00:00:00",
    )
)
# The first digits of the MACs of adapters that pass from one computer to the next, and of bridges.
JUNK_MAC_PREFIXES: Final = (
    "02:42:",  # Docker's bridges
    "00:15:5d:",  # Hyper-V's switches
    "00:e0:4c:",  # Realtek: adapters for USB
    "00:0e:c6:",  # ASIX: adapters for USB
    "00:24:9b:",  # Action Star: docks
    "00:50:b6:",  # Good Way: docks
    "00:13:3b:",  # Speed Dragon: adapters for USB
    "8c:ae:4c:",  # Plugable: docks
    "9c:eb:e8:",  # BizLink: docks of Dell
    "0c:37:96:",
    "a0:ce:c8:",  # CE Link: docks
)


def is_telling_serial(key: str) -> bool:
    """Whether a serial number, folded, is of one computer only."""
    return len(key) >= MIN_SERIAL and key not in JUNK_SERIALS


def is_telling_mac(mac: str) -> bool:
    """Whether a MAC in its usual form is of one computer only."""
    return bool(mac) and mac not in JUNK_MACS and not mac.startswith(JUNK_MAC_PREFIXES)
