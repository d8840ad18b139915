"""The inventory of this computer: what the standard library, /proc and /sys say to a process without special rights."""

from __future__ import annotations

import fcntl
import getpass
import os
import platform
import socket
import struct
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

_SIOCGIFADDR, _SIOCGIFNETMASK = 0x8915, 0x891B  # linux/sockios.h


def hardware(device_id: str, server: str) -> dict[str, str]:
    """HARDWARE of an INVENTORY. `server` is a host name: IPADDR is the address that faces it."""
    release = _os_release()
    memory = _memory_mib()
    return {
        "NAME": platform.node() or device_id,
        "OSNAME": release.get("PRETTY_NAME", platform.system()),
        "OSVERSION": release.get("VERSION_ID", platform.release()),
        "OSCOMMENTS": f"{platform.release()} {platform.version()}",
        "IPADDR": _address_towards(server),
        "DEFAULTGATEWAY": next(iter(_gateways().values()), ""),
        "DNS": "/".join(_words_after("/etc/resolv.conf", "nameserver")),
        "WORKGROUP": next(iter(_words_after("/etc/resolv.conf", "search")), "WORKGROUP"),
        "MEMORY": str(memory.get("MemTotal", 0)),
        "SWAP": str(memory.get("SwapTotal", 0)),
        "PROCESSORN": str(os.cpu_count() or 1),
        "PROCESSORT": next(iter(_values_of("/proc/cpuinfo", "model name")), platform.machine()),
        "USERID": _user(),
    }


def networks() -> tuple[dict[str, str], ...]:
    """NETWORKS: one mapping an interface, without the loopback."""
    gateways = _gateways()
    return tuple(_network(name, gateways) for _, name in socket.if_nameindex() if name != "lo")


def _network(name: str, gateways: dict[str, str]) -> dict[str, str]:
    facts = {
        "DESCRIPTION": name,
        "MACADDR": _line(f"/sys/class/net/{name}/address"),
        "STATUS": "Down" if _line(f"/sys/class/net/{name}/operstate") == "down" else "Up",
        "TYPE": "ethernet",
    }
    address, mask = _interface(name, _SIOCGIFADDR), _interface(name, _SIOCGIFNETMASK)
    if address and mask:
        subnet = IPv4Network(f"{address}/{mask}", strict=False).network_address
        facts |= {"IPADDRESS": address, "IPMASK": mask, "IPSUBNET": str(subnet), "IPGATEWAY": gateways.get(name, "")}
    return facts


def _interface(name: str, request: int) -> str:
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, request, struct.pack("256s", name.encode()[:15]))
        return str(IPv4Address(answer[20:24]))
    return ""


def _gateways() -> dict[str, str]:
    """Interface → its default gateway."""
    rows = [line.split() for line in _lines("/proc/net/route")[1:]]
    return {row[0]: str(IPv4Address(struct.pack("<I", int(row[2], 16)))) for row in rows if row[1] == "00000000"}


def _address_towards(server: str) -> str:
    with suppress(OSError):
        family, kind, _, _, where = socket.getaddrinfo(server, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as unsent:  # connecting a datagram socket sends nothing
            unsent.connect(where)
            return str(unsent.getsockname()[0])
    return ""


def _os_release() -> dict[str, str]:
    with suppress(OSError):
        return platform.freedesktop_os_release()
    return {}


def _memory_mib() -> dict[str, int]:
    rows = [line.split() for line in _lines("/proc/meminfo")]
    return {row[0].rstrip(":"): int(row[1]) // 1024 for row in rows if len(row) > 1}


def _user() -> str:
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return str(os.getuid())


def _words_after(file: str, word: str) -> list[str]:
    return [line.split()[1] for line in _lines(file) if line.split()[:1] == [word] and len(line.split()) > 1]


def _values_of(file: str, name: str) -> list[str]:
    pairs = [line.partition(":") for line in _lines(file)]
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def _line(file: str) -> str:
    return next(iter(_lines(file)), "")


def _lines(file: str) -> list[str]:
    with suppress(OSError):
        return Path(file).read_text(errors="replace").splitlines()
    return []
