"""Computers that do not exist: names, addresses, systems and software such as a large site has.

Everything about a computer follows from the seed and its number, so nothing is stored, and a later run has the same.
"""

from __future__ import annotations

import random
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from distd.domain.records import Dialect
from distd.wire import xml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentsim.fleet.programs import Program

# Sites by size, the largest first: as many computers as 1, 1/2, 1/3, … to each other.
_SITE_CODES: Final = (
    "PAR LYO MAR TOU NIC NAN STR MON BOR LIL REN REI LEH STE TLN GRE DIJ ANG NIM VIL CLE LEM AIX BRE TOR AMI LIM ANN "
    "PER BES MET ORL MUL ROU CAE NCY ARG TRC SAV AVI"
)
SITES: Final = tuple(_SITE_CODES.split())
_BOUNDS: Final = list(accumulate(1 / rank for rank in range(1, len(SITES) + 1)))
DEPARTMENTS: Final = ("ACC", "HR", "LAB", "IT", "SALES", "CLASS", "LIB", "DESK")

# Name, version, comments, share: of each dialect's systems.
_SYSTEMS: Final[Mapping[str, Sequence[tuple[str, str, str, int]]]] = {
    "windows": (
        ("Microsoft Windows 11 Pro", "10.0.22631", "", 55),
        ("Microsoft Windows 10 Enterprise", "10.0.19045", "", 35),
        ("Microsoft Windows Server 2022 Standard", "10.0.20348", "", 10),
    ),
    "unix": (
        ("Debian GNU/Linux 12 (bookworm)", "12", "6.1.0-26-amd64 #1 SMP Debian 6.1.112-1", 40),
        ("Ubuntu 22.04.5 LTS", "22.04", "5.15.0-122-generic #132-Ubuntu SMP", 35),
        ("Rocky Linux 9.4 (Blue Onyx)", "9.4", "5.14.0-427.el9.x86_64 #1 SMP", 15),
        ("macOS 14.6", "14.6", "Darwin Kernel Version 23.6.0", 10),
    ),
}
_PROCESSORS: Final = (
    "Intel(R) Core(TM) i5-10500 CPU @ 3.10GHz",
    "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz",
    "13th Gen Intel(R) Core(TM) i5-1335U",
    "AMD Ryzen 5 PRO 4650G with Radeon Graphics",
)
_MAKERS: Final = (("Dell Inc.", "OptiPlex 7090"), ("HP", "EliteDesk 800 G6"), ("LENOVO", "ThinkCentre M70q"))
_NAMES: Final = "anna ben carla denis emma felix gina hugo ines jan kira leo mia noah olga paul rita sam"
_FIRST_NAMES: Final = tuple(_NAMES.split())
_PROGRAMS: Final = (
    "LibreOffice Firefox Thunderbird 7-Zip VLC GIMP Inkscape Python PuTTY WinSCP Notepad++ KeePassXC Zoom Teams "
    "Acrobat Java OpenJDK Git CMake Maven Node.js PostgreSQL-client MariaDB-client QGIS R RStudio GeoGebra Scratch "
    "Audacity Blender FreeCAD Wireshark Nmap FileZilla OpenVPN Chrome Edge Printer-driver Scanner-driver Antivirus "
    "Fonts curl"
)
_PRODUCTS: Final = tuple(_PROGRAMS.split())
SOFTWARE_LISTS: Final = 32
_AGENTS: Final = {Dialect.UNIX: "OCS-NG_unified_unix_agent_v2.10.0", Dialect.WINDOWS: "OCS-NG_WINDOWS_AGENT_v2.10.1.0"}
_COMPRESSION: Final = 6


@dataclass(frozen=True, slots=True)
class EmulatedComputer:
    """`site` is the rank of its site, from 0."""

    device_id: str
    name: str
    site: int
    address: str
    dialect: Dialect


def user_agent(dialect: Dialect) -> str:
    """What an agent of that dialect sends as User-Agent."""
    return _AGENTS.get(dialect, "distd-agent")


def computer(seed: int, number: int, dialects: Mapping[Dialect, float]) -> EmulatedComputer:
    """Number `number` of the fleet of this seed. Addresses repeat after some 400,000."""
    draw = random.Random(f"{seed} {number}")
    site = bisect_right(_BOUNDS, draw.random() * _BOUNDS[-1])
    dialect = draw.choices(list(dialects), list(dialects.values()))[0]
    name = f"{SITES[site]}-{DEPARTMENTS[draw.randrange(len(DEPARTMENTS))]}-{number:06d}"
    installed = f"20{draw.randint(19, 25)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}"
    at = f"{draw.randint(7, 18):02d}-{draw.randint(0, 59):02d}-{draw.randint(0, 59):02d}"
    # A site's subnets of 256 lie 40 apart from each other: 10.x.y.z has x·256 + y = site + 40 · (a block of numbers).
    block = (number // 254) * len(SITES) + site
    address = f"10.{block // 256 % 256}.{block % 256}.{number % 254 + 1}"
    return EmulatedComputer(f"{name}-{installed}-{at}", name, site, address, dialect)


def inventory(
    seed: int, computer: EmulatedComputer, history: Iterable[str], software: Iterable[Program] | None = None
) -> bytes:
    """The body of its INVENTORY, deflated: some 15 kB of XML where `software` does not say what is installed."""
    kind, number = _kind(computer), zlib.crc32(computer.name.encode()) % SOFTWARE_LISTS
    content = "".join(
        (
            xml.element("HARDWARE", {}, _leaves(_hardware(seed, computer))),
            xml.element("NETWORKS", {}, _leaves(_network(computer))),
            xml.element("ACCOUNTINFO", {}, _leaves({"KEYNAME": "TAG", "KEYVALUE": computer.name.rpartition("-")[0]})),
            _bios(seed, computer),
            _software(kind, number) if software is None else "".join(map(_line, software)),
            xml.element("DOWNLOAD", {}, xml.element("HISTORY", {}, _packages(history))),
        )
    )
    return _request(xml.element("CONTENT", {}, content), computer.device_id)


def _request(content: str, device_id: str) -> bytes:
    content += xml.leaf("DEVICEID", device_id) + xml.leaf("QUERY", "INVENTORY")
    text = "<?xml version='1.0' encoding='UTF-8'?>\n" + xml.element("REQUEST", {}, content)
    return zlib.compress(text.encode(), _COMPRESSION)


def _hardware(seed: int, computer: EmulatedComputer) -> dict[str, str]:
    draw = random.Random(f"{seed} {computer.name}")
    systems = _SYSTEMS[_kind(computer)]
    name, version, comments, _ = draw.choices(systems, [share for *_, share in systems])[0]
    memory = draw.choice((4096, 8192, 8192, 16384, 32768))
    return {
        "NAME": computer.name,
        "OSNAME": name,
        "OSVERSION": version,
        "OSCOMMENTS": comments,
        "IPADDR": computer.address,
        "DEFAULTGATEWAY": _gateway(computer),
        "DNS": "10.0.0.53",
        "WORKGROUP": f"{SITES[computer.site]}.example.org".lower(),
        "MEMORY": str(memory),
        "SWAP": str(memory // 2),
        "PROCESSORN": str(draw.choice((4, 6, 8, 12))),
        "PROCESSORS": str(draw.choice((2400, 3100, 3200))),
        "PROCESSORT": draw.choice(_PROCESSORS),
        "USERID": draw.choice(_FIRST_NAMES) + str(draw.randint(1, 99)),
        "CHECKSUM": str(draw.getrandbits(18)),
    }


def _kind(computer: EmulatedComputer) -> str:
    return "windows" if computer.dialect is Dialect.WINDOWS else "unix"


def _gateway(computer: EmulatedComputer) -> str:
    return f"{computer.address.rpartition('.')[0]}.254"


def _network(computer: EmulatedComputer) -> dict[str, str]:
    parts = [int(part) for part in computer.address.split(".")]
    return {
        "DESCRIPTION": "Ethernet" if computer.dialect is Dialect.WINDOWS else "eth0",
        "IPADDRESS": computer.address,
        "IPMASK": "255.255.255.0",
        "IPGATEWAY": _gateway(computer),
        "IPSUBNET": f"{computer.address.rpartition('.')[0]}.0",
        "MACADDR": "02:" + ":".join(f"{part:02x}" for part in (*parts, computer.site)),
        "STATUS": "Up",
        "TYPE": "ethernet",
    }


def _bios(seed: int, computer: EmulatedComputer) -> str:
    draw = random.Random(f"{seed} {computer.name} bios")
    maker, model = draw.choice(_MAKERS)
    bios = {"SMANUFACTURER": maker, "SMODEL": model, "SSN": f"{draw.getrandbits(40):010X}", "BVERSION": "1.24.0"}
    drive = {"TYPE": "Hard Drive", "TOTAL": "488000", "FREE": str(draw.randint(20_000, 400_000)), "FILESYSTEM": "ext4"}
    return xml.element("BIOS", {}, _leaves(bios)) + xml.element("DRIVES", {}, _leaves(drive))


@lru_cache(maxsize=2 * SOFTWARE_LISTS)
def _software(kind: str, number: int) -> str:
    """One of few lists: computers of an image have the same."""
    draw = random.Random(f"{kind} {number}")
    rows = []
    for name in draw.sample(_PRODUCTS, 36):
        version = f"{draw.randint(1, 30)}.{draw.randint(0, 20)}.{draw.randint(0, 400)}"
        known = {
            "NAME": f"{name} {version}",
            "VERSION": version,
            "PUBLISHER": f"The {name} project",
            "COMMENTS": f"{name} for {kind}, as it is on the image {number}",
            "FILESIZE": str(draw.getrandbits(26)),
            "INSTALLDATE": f"2025/{draw.randint(1, 12):02d}/{draw.randint(1, 28):02d}",
            "FROM": "deb" if kind == "unix" else "Registry",
        }
        rows.append(xml.element("SOFTWARES", {}, _leaves(known)))
    return "".join(rows)


@lru_cache(maxsize=65_536)
def _line(program: Program) -> str:
    known = {
        "NAME": program.name,
        "VERSION": program.version,
        "PUBLISHER": program.publisher,
        "COMMENTS": f"{program.name}, as its maker describes it",
        "FILESIZE": "0",
        "FROM": "Registry" if program.publisher else "deb",
    }
    return xml.element("SOFTWARES", {}, _leaves(known))


def _packages(history: Iterable[str]) -> str:
    return "".join(xml.element("PACKAGE", {"ID": package_id}) for package_id in sorted(history))


def _leaves(values: Mapping[str, str]) -> str:
    return "".join(xml.leaf(name, value) for name, value in values.items())
