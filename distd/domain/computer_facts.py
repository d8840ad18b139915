"""What searches, lists and groups read of an inventory: columns, and rows of tables. Pure.

The texts of agents become values with one meaning here: bytes, canonical addresses, keys to compare by. The catalogue's
tables have exactly these values, so that what is judged in memory and what SQL finds agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from distd.domain.addresses import address_key, read_address
from distd.domain.folding import fold
from distd.domain.versions import version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from distd.domain.records import InventoryRequest, Items

TEXT: Final = 255  # characters of a column
SHORT_TEXT: Final = 32
MIB: Final = 1_048_576
MAX_BYTES: Final = 2**62
MAX_ADDRESSES: Final = 256  # rows of one computer

# A column of `computers`, and the field of HARDWARE or BIOS that fills it. Each has a folded copy, or another key.
HARDWARE_COLUMNS: Final = {
    "name": "NAME",
    "os_name": "OSNAME",
    "os_version": "OSVERSION",
    "os_comments": "OSCOMMENTS",
    "ip": "IPADDR",
    "workgroup": "WORKGROUP",
    "userdomain": "USERDOMAIN",
    "userid": "USERID",
    "cpu": "PROCESSORT",
}
BIOS_COLUMNS: Final = {"manufacturer": "SMANUFACTURER", "model": "SMODEL"}
FOLDED: Final = (
    *("name", "os_name", "workgroup", "userdomain", "userid", "description"),
    *("manufacturer", "model", "cpu"),
)
# What an agent for Unix writes as description: the machine, and how long it has run.
_UPTIME: Final = re.compile(r"([^/]*)/\d+-\d+-\d+ \d+:\d+:\d+")
_MAC: Final = re.compile("[0-9a-f]{12}")
_PROGRAM: Final = re.compile(r"(.*?)[_/ ]?v?([0-9]+(?:\.[0-9A-Za-z]+)*)")
_NOT_FIXED: Final = re.compile("removable|cd-?rom|network|ram disk|floppy", re.IGNORECASE)
_NOT_A_DISK: Final = frozenset(
    ("tmpfs", "devtmpfs", "ramfs", "overlay", "squashfs", "iso9660", "udf", "nfs", "nfs4", "cifs", "smbfs", "smb3")
)
# What agents download to, the more exact first: folders of Unix, a drive of Windows, whatever is there.
_SYSTEM_DRIVES: Final = ("/var/lib", "/var", "/", "C:", "c:")


@dataclass(frozen=True, slots=True)
class Interface:
    """An address of a network interface, or an interface without one. The keys are those of `domain.addresses`;
    addresses and MACs are canonical, in small letters; what is no address stays as it is."""

    description: str = ""
    ip: str = ""
    ip_key: str = ""
    mask: str = ""
    subnet: str = ""
    subnet_key: str = ""
    gateway: str = ""
    mac: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive or file system. `letter`: "C:", or where it is mounted; `kind`: as the agent says it. `fixed`: it is a
    disk of this computer."""

    letter: str = ""
    volume: str = ""
    kind: str = ""
    filesystem: str = ""
    fixed: bool = False
    size_bytes: int | None = None
    free_bytes: int | None = None


class InstalledSoftware(NamedTuple):
    """A program, or a package of the system. A tuple: there are hundreds of a computer, which are compared as keys."""

    name: str
    version: str = ""
    publisher: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A value of the account info."""

    key: str
    value: str


def columns_of(request: InventoryRequest) -> dict[str, Any]:
    """Columns of `computers`, their keys too; all but the serial number, the tag, and what a User-Agent says. Texts are
    empty and numbers None where the inventory does not say it."""
    hardware, bios = request.hardware, request.bios
    row: dict[str, Any] = {column: hardware.get(field, "")[:TEXT] for column, field in HARDWARE_COLUMNS.items()}
    row |= {column: bios.get(field, "")[:TEXT] for column, field in BIOS_COLUMNS.items()}
    uptime = _UPTIME.fullmatch(hardware.get("DESCRIPTION", ""))
    row["description"] = "" if uptime else hardware.get("DESCRIPTION", "")[:TEXT]
    row["arch"] = hardware.get("ARCH", "") or (uptime[1][:TEXT] if uptime else "") or _first(request.cpus, "CPUARCH")
    row |= {f"{column}_key": _fold(row[column]) for column in FOLDED}
    row["os_version_key"] = version_key(row["os_version"])
    row["ip_key"] = next((key for key in map(address_key, _addresses(row["ip"])) if key), "")
    memory_mib = _number(hardware.get("MEMORY", ""))
    row["memory_bytes"] = None if memory_mib is None else memory_mib * MIB
    row["cores"] = _cores(request)
    found = drives_of(request)
    row["disk_free_bytes"] = _sum(drive.free_bytes for drive in found if drive.fixed)
    row["disk_total_bytes"] = _sum(drive.size_bytes for drive in found if drive.fixed)
    row["system_free_bytes"] = _system_free_bytes(found)
    return row


@lru_cache(maxsize=1024)
def agent_columns(user_agent: str) -> dict[str, str]:
    """Columns of `computers` that a User-Agent says: "OCS-NG_unified_unix_agent_v2.10.0" is the agent
    "OCS-NG_unified_unix_agent" with the version "2.10.0". Not to be changed."""
    match = _PROGRAM.fullmatch(user_agent)
    agent, version = (match[1], match[2]) if match else (user_agent, "")
    return {
        "agent": agent[:TEXT],
        "agent_key": fold(agent),
        "agent_version": version[:TEXT],
        "agent_version_key": version_key(version),
    }


def accounts_of(request: InventoryRequest) -> dict[str, Account]:
    """The account info by the folded key."""
    return {fold(key): Account(key[:TEXT], value) for key, value in request.account.items() if fold(key)}


def interfaces_of(request: InventoryRequest) -> tuple[Interface, ...]:
    """One for each address of each interface, IPv4 and IPv6, and one where an interface has none. The address that
    HARDWARE names is among them."""
    found: dict[Interface, None] = {}
    for each in request.networks:
        common = Interface(
            description=each.get("DESCRIPTION", "")[:TEXT],
            mac=canonical_mac(each.get("MACADDR", "")),
            status=each.get("STATUS", "")[:SHORT_TEXT],
        )
        addressed = [_with_address(common, each, six) for six in ("", "6") if each.get(f"IPADDRESS{six}")]
        found |= dict.fromkeys(addressed or [common])
    known = {interface.ip for interface in found}
    for address in _addresses(request.hardware.get("IPADDR", "")):
        ip = canonical_address(address)
        if ip not in known and address_key(ip):
            found[Interface(ip=ip, ip_key=address_key(ip))] = None
    return tuple(found)[:MAX_ADDRESSES]


def drives_of(request: InventoryRequest) -> tuple[Drive, ...]:
    """As the inventory has them. Agents for Windows write the kind as TYPE and the letter as "C:/", those for Unix
    where it is mounted as TYPE, and the device as VOLUMN. Sizes come in MiB."""
    return tuple(map(_drive, request.drives))


def software_of(request: InventoryRequest) -> tuple[InstalledSoftware, ...]:
    """Each once; lines without a name are none."""
    found = (
        InstalledSoftware(row["NAME"][:TEXT], row.get("VERSION", "")[:TEXT], row.get("PUBLISHER", "")[:TEXT])
        for row in request.software
        if row.get("NAME")
    )
    return tuple(dict.fromkeys(found))


def canonical_address(text: str) -> str:
    """An address in its usual form; any other text in small letters."""
    address = read_address(text)
    return text.strip().lower()[:TEXT] if address is None else str(address)


def canonical_mac(text: str) -> str:
    """ "02:00:5e:10:00:01", however it is written; any other text in small letters."""
    plain = text.strip().lower()
    digits = plain.replace(":", "").replace("-", "").replace(".", "")
    if not _MAC.fullmatch(digits):
        return plain[:TEXT]
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


_fold: Final = lru_cache(maxsize=16_384)(fold)


def _with_address(common: Interface, each: Mapping[str, str], six: str) -> Interface:
    ip, subnet = canonical_address(each[f"IPADDRESS{six}"]), canonical_address(each.get(f"IPSUBNET{six}", ""))
    return replace(
        common,
        ip=ip,
        ip_key=address_key(ip),
        mask=canonical_address(each.get(f"IPMASK{six}", "")),
        subnet=subnet,
        subnet_key=address_key(subnet),
        gateway=canonical_address(each.get(f"IPGATEWAY{six}", "")),
    )


def _drive(row: Mapping[str, str]) -> Drive:
    letter, kind, filesystem = row.get("LETTER", ""), row.get("TYPE", ""), row.get("FILESYSTEM", "")
    if kind.startswith("/"):
        letter, kind = kind, ""
    size, free = _number(row.get("TOTAL", "")), _number(row.get("FREE", ""))
    return Drive(
        letter=(letter.rstrip("/\\") or letter)[:TEXT],
        volume=row.get("VOLUMN", "")[:TEXT],
        kind=kind[:TEXT],
        filesystem=filesystem[:SHORT_TEXT],
        fixed=not _NOT_FIXED.search(kind) and filesystem.lower() not in _NOT_A_DISK,
        size_bytes=None if size is None else size * MIB,
        free_bytes=None if free is None else free * MIB,
    )


def _system_free_bytes(drives: Iterable[Drive]) -> int | None:
    free = {drive.letter: drive.free_bytes for drive in drives if drive.fixed and drive.free_bytes is not None}
    places = (*_SYSTEM_DRIVES, *free)
    return next((free[place] for place in places if place in free), None)


def _cores(request: InventoryRequest) -> int | None:
    """Of all processors; where they do not say it, the number of processors."""
    counted = [_number(cpu.get("CORES", "")) for cpu in request.cpus]
    return _sum(counted) or _number(request.hardware.get("PROCESSORN", ""), 65_536)


def _addresses(text: str) -> list[str]:
    """Old agents write several addresses, with "/" or "," between them."""
    return [part.strip() for part in re.split("[/,]", text) if part.strip()]


def _first(items: Items, field: str) -> str:
    return next((item[field] for item in items if item.get(field)), "")


def _number(text: str, limit: int = MAX_BYTES // MIB) -> int | None:
    """The whole part of a number that is not negative and not too large; None: it is none."""
    digits = text.strip().partition(".")[0]
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 20):
        return None
    return min(int(digits), limit)


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return min(sum(known), MAX_BYTES) if known else None
