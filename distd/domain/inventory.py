"""What is kept of an inventory: a table of sections and fields with their limits. Pure.

An agent is not authenticated, so what it sends decides neither how much is stored nor what. The fields are those by
which computers are searched and shown; all others are only in the document as it was sent.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distd.domain.records import InventoryRequest

NUMBER: Final = 32  # characters of a number, a date, a word
TEXT: Final = 255  # of a name, an address, a version
LONG_TEXT: Final = 1024  # of a description

MAX_ACCOUNT_KEYS: Final = 64
# The package ids of the agent's own history. More are on no computer: a package a week for ten years are 520.
MAX_HISTORY: Final = 1000
# What an item or a field takes beside its texts, in the sums that are compared with `Section.characters`.
ITEM_CHARACTERS: Final = 16
_COMPRESSION: Final = 3  # twice as quick as 6, and 15 % larger


@dataclass(frozen=True, slots=True)
class Section:
    """A section of an inventory. `name` is its field in `InventoryRequest` and in what is stored; with `single` there
    is one of it, else at most `items`. `fields`: the elements that are kept, and how many characters of each.
    `characters`: of all of them together."""

    name: str
    fields: Mapping[str, int]
    items: int = 64
    single: bool = False
    characters: int = 65_536


def _fields(numbers: str, texts: str, long_texts: str = "") -> Mapping[str, int]:
    limits = ((numbers, NUMBER), (texts, TEXT), (long_texts, LONG_TEXT))
    return MappingProxyType({name: limit for names, limit in limits for name in names.split()})


# By the element in CONTENT. An agent repeats it for each item.
SECTIONS: Final[Mapping[str, Section]] = MappingProxyType(
    {
        "HARDWARE": Section(
            "hardware",
            _fields(
                "ARCH CHECKSUM DATELASTLOGGEDUSER ETIME INSTALLDATE LASTDATE MEMORY PROCESSORN PROCESSORS SWAP TYPE",
                "DEFAULTGATEWAY DNS IPADDR LASTLOGGEDUSER NAME OSNAME OSVERSION PROCESSORT USERDOMAIN USERID UUID "
                "VMSYSTEM WINCOMPANY WINOWNER WINPRODID WORKGROUP",
                "DESCRIPTION OSCOMMENTS",
            ),
            single=True,
        ),
        "BIOS": Section(
            "bios",
            _fields(
                "BDATE",
                "ASSETTAG BMANUFACTURER BVERSION MMANUFACTURER MMODEL MSN SMANUFACTURER SMODEL SSN TYPE",
            ),
            single=True,
        ),
        "CPUS": Section(
            "cpus",
            _fields(
                "CORES CPUARCH CPUSTATUS CURRENT_ADDRESS_WIDTH CURRENT_SPEED DATA_WIDTH L2CACHESIZE LOGICAL_CPUS "
                "NBSOCKET SPEED THREADS VOLTAGE",
                "MANUFACTURER SERIALNUMBER SOCKET TYPE",
            ),
        ),
        "MEMORIES": Section(
            "memories", _fields("CAPACITY NUMSLOTS SPEED TYPE", "CAPTION DESCRIPTION PURPOSE SERIALNUMBER")
        ),
        "NETWORKS": Section(
            "networks",
            _fields(
                "DUPLEX MTU SPEED STATUS TYPE TYPEMIB VIRTUALDEV",
                "BASE DESCRIPTION DRIVER IPADDRESS IPADDRESS6 IPDHCP IPGATEWAY IPGATEWAY6 IPMASK IPMASK6 IPSUBNET "
                "IPSUBNET6 MACADDR SLAVE",
            ),
        ),
        "DRIVES": Section(
            "drives",
            _fields("CREATEDATE FILESYSTEM FREE NUMFILES TOTAL", "LABEL LETTER SERIAL TYPE VOLUMN"),
            items=128,
        ),
        "STORAGES": Section(
            "storages",
            _fields("DISKSIZE FIRMWARE INTERFACE", "DESCRIPTION MANUFACTURER MODEL NAME SERIALNUMBER TYPE"),
        ),
        "PRINTERS": Section("printers", _fields("", "DRIVER NAME PORT", "DESCRIPTION")),
        "MONITORS": Section("monitors", _fields("", "CAPTION DESCRIPTION MANUFACTURER SERIAL TYPE")),
        "VIDEOS": Section("videos", _fields("MEMORY RESOLUTION", "CHIPSET NAME"), characters=16_384),
        # A Debian server has 900 packages with 60 characters each, a workstation 4,000.
        "SOFTWARES": Section(
            "software",
            _fields("", "NAME PUBLISHER VERSION"),
            items=8000,
            characters=1_048_576,
        ),
    }
)

KEPT_AS_SENT: Final = tuple(section for section in SECTIONS.values() if section.name != "software")


def content_of(request: InventoryRequest) -> dict[str, Any]:
    """What is stored of an inventory as its agent wrote it, in plain values: "hardware", "account" and "bios" are
    objects, the other sections lists of objects, by the names of `SECTIONS`; "is_cut" says whether something was beyond
    the limits. Software is not among it: it has tables of its own."""
    sections = {section.name: getattr(request, section.name) for section in KEPT_AS_SENT}
    return sections | {"account": request.account, "is_cut": request.is_cut}


def pack(content: Mapping[str, Any]) -> bytes:
    """Deflated JSON, as the catalogue keeps it."""
    return zlib.compress(msgspec.json.encode(content), _COMPRESSION)


def unpack(packed: bytes) -> dict[str, Any]:
    """The opposite of `pack`."""
    content: dict[str, Any] = msgspec.json.decode(zlib.decompress(packed))
    return content
