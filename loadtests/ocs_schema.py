"""The tables of OCS Inventory's database that its search of computers reads, with the indexes that its console 2.12
makes: as MariaDB gets them from this description."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE: Final = "ocsweb"
CREATE_DATABASE: Final = f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb3"
OPTIONS: Final = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3"
TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text": "varchar(255) DEFAULT NULL",
        "name": "varchar(255) NOT NULL",
        "int": "int DEFAULT NULL",
        "id": "int NOT NULL",
        "new": "int NOT NULL AUTO_INCREMENT",
        "new_big": "bigint NOT NULL AUTO_INCREMENT",
        "big": "bigint DEFAULT NULL",
        "small": "smallint DEFAULT NULL",
        "share": "decimal(7,4) DEFAULT NULL",
        "time": "datetime DEFAULT NULL",
        "long": "text DEFAULT NULL",
        "short": "varchar(50) DEFAULT NULL",
        "arch": "varchar(10) DEFAULT NULL",
        "flag": "tinyint(1) DEFAULT 0",
    }
)


@dataclass(frozen=True, slots=True)
class OcsTable:
    """`columns`: their types by `TYPES`, in OCS's order; the first is the primary key. `keys`: the columns of each
    index."""

    name: str
    columns: Mapping[str, str]
    keys: tuple[str, ...]

    def create(self) -> str:
        """The statement that makes it, without its indexes."""
        lines = [f"{column} {TYPES[kind]}" for column, kind in self.columns.items()]
        key = next(iter(self.columns))
        return f"CREATE TABLE {self.name} ({', '.join(lines)}, PRIMARY KEY ({key})) {OPTIONS}"

    def index(self) -> str:
        """The statement that makes its indexes, which is quicker after it was filled."""
        unique = "UNIQUE " if self.name.startswith("software_") else ""
        added = [f"ADD {unique}KEY `{columns}` ({columns})" for columns in self.keys]
        return f"ALTER TABLE {self.name} {', '.join(added)}"


def _columns(text: str) -> dict[str, str]:
    """From "text: A B, int: C" in the order of the columns."""
    found: dict[str, str] = {}
    for part in text.split(","):
        kind, _, names = part.partition(":")
        found.update(dict.fromkeys(names.split(), kind.strip()))
    return found


HARDWARE: Final = OcsTable(
    "hardware",
    _columns(
        "new: ID, name: DEVICEID, text: NAME WORKGROUP USERDOMAIN OSNAME OSVERSION OSCOMMENTS PROCESSORT, "
        "int: PROCESSORS, small: PROCESSORN, int: MEMORY SWAP, text: IPADDR DNS DEFAULTGATEWAY, "
        "time: ETIME LASTDATE LASTCOME, share: QUALITY, big: FIDELITY, text: USERID, int: TYPE, "
        "text: DESCRIPTION WINCOMPANY WINOWNER WINPRODID WINPRODKEY, short: USERAGENT, big: CHECKSUM, int: SSTATE, "
        "text: IPSRC UUID, arch: ARCH, int: CATEGORY_ID ARCHIVE"
    ),
    ("DEVICEID", "NAME", "CHECKSUM", "USERID", "WORKGROUP", "OSNAME", "MEMORY"),
)
ACCOUNTINFO: Final = OcsTable("accountinfo", _columns("id: HARDWARE_ID, text: TAG"), ("TAG",))
BIOS: Final = OcsTable(
    "bios",
    _columns(
        "id: HARDWARE_ID, text: SMANUFACTURER SMODEL SSN TYPE BMANUFACTURER BVERSION BDATE ASSETTAG MMANUFACTURER "
        "MMODEL MSN"
    ),
    ("SSN", "ASSETTAG"),
)
CPUS: Final = OcsTable(
    "cpus",
    _columns(
        "new: ID, id: HARDWARE_ID, text: MANUFACTURER TYPE SERIALNUMBER SPEED, int: CORES, text: L2CACHESIZE CPUARCH, "
        "int: DATA_WIDTH CURRENT_ADDRESS_WIDTH LOGICAL_CPUS, text: VOLTAGE CURRENT_SPEED SOCKET"
    ),
    ("HARDWARE_ID",),
)
NETWORKS: Final = OcsTable(
    "networks",
    _columns(
        "new: ID, id: HARDWARE_ID, text: DESCRIPTION TYPE TYPEMIB SPEED MTU MACADDR STATUS IPADDRESS IPMASK IPGATEWAY "
        "IPSUBNET IPDHCP, flag: VIRTUALDEV"
    ),
    ("MACADDR", "IPADDRESS", "IPGATEWAY", "IPSUBNET", "HARDWARE_ID"),
)
SOFTWARE: Final = OcsTable(
    "software",
    _columns(
        "new_big: ID, id: HARDWARE_ID NAME_ID PUBLISHER_ID VERSION_ID, long: FOLDER COMMENTS, text: FILENAME, "
        "int: FILESIZE SOURCE, text: GUID LANGUAGE, time: INSTALLDATE, int: BITSWIDTH, text: ARCHITECTURE"
    ),
    ("HARDWARE_ID", "NAME_ID", "PUBLISHER_ID", "VERSION_ID", "HARDWARE_ID, NAME_ID, VERSION_ID"),
)
SOFTWARE_NAME: Final = OcsTable("software_name", _columns("new: ID, name: NAME"), ("NAME",))
SOFTWARE_PUBLISHER: Final = OcsTable("software_publisher", _columns("new: ID, name: PUBLISHER"), ("PUBLISHER",))
SOFTWARE_VERSION: Final = OcsTable("software_version", _columns("new: ID, name: VERSION"), ("VERSION",))

TABLES: Final[Mapping[str, OcsTable]] = MappingProxyType(
    {
        table.name: table
        for table in (
            HARDWARE,
            ACCOUNTINFO,
            BIOS,
            CPUS,
            NETWORKS,
            SOFTWARE,
            SOFTWARE_NAME,
            SOFTWARE_PUBLISHER,
            SOFTWARE_VERSION,
        )
    }
)
