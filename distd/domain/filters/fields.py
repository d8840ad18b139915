"""The fields that filters compare: one table, from which the grammar's errors, both interpreters, completion and the
guide take what they know."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from distd.domain.errors import BadInput
from distd.domain.folding import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ACCOUNT: Final = "account."
KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is", "empty"})  # words only between quotes
MAX_ACCOUNT_KEY: Final = 64  # characters


class Kind(StrEnum):
    """What the values of a field are."""

    TEXT = "text"
    VERSION = "version"  # a text that is also compared as versions are
    ADDRESS = "address"  # IPv4 or IPv6
    MAC = "MAC address"
    NUMBER = "number"
    SIZE = "size"  # bytes
    TIME = "time"


class ReadSection(StrEnum):
    """Where a value comes from: the sections of an inventory by the names in `domain.inventory`, and what else changes
    a computer."""

    IDENTITY = "identity"  # it never changes, or an operator changes it
    CONTACT = "contact"  # any contact changes it
    INVENTORY = "inventory"  # any inventory changes it
    HARDWARE = "hardware"
    BIOS = "bios"
    CPUS = "cpus"
    NETWORKS = "networks"
    DRIVES = "drives"
    ACCOUNT = "account"
    SOFTWARE = "software"
    ASSIGNMENTS = "assignments"
    GROUPS = "groups"


@dataclass(frozen=True, slots=True)
class FilterField:
    """`column` of the table of computers, or with `many`, of which a computer has several values, of interfaces;
    `key_column` is what is compared. `suggests`: values are offered by completion, the most frequent first. `meaning`
    for people."""

    name: str
    kind: Kind
    section: ReadSection
    column: str
    meaning: str
    many: bool = False
    suggests: bool = False

    @property
    def key_column(self) -> str:
        """The column with what is compared; texts have a folded copy, versions and addresses a key."""
        has_key = self.kind in (Kind.TEXT, Kind.VERSION, Kind.ADDRESS) and self.column not in WITHOUT_KEY
        return f"{self.column}_key" if has_key else self.column


WITHOUT_KEY: Final = ("address",)  # they are in small letters and canonical as they are
_TABLE: Final = (
    FilterField("name", Kind.TEXT, ReadSection.HARDWARE, "name", "the computer's name"),
    FilterField("device_id", Kind.TEXT, ReadSection.IDENTITY, "device_id", "its DEVICEID"),
    FilterField("tag", Kind.TEXT, ReadSection.ACCOUNT, "tag", "its TAG", suggests=True),
    FilterField("os", Kind.TEXT, ReadSection.HARDWARE, "os_name", "name of the system", suggests=True),
    FilterField("os_version", Kind.VERSION, ReadSection.HARDWARE, "os_version", "version of the system", suggests=True),
    FilterField("agent", Kind.TEXT, ReadSection.CONTACT, "agent", "the agent, as it names itself", suggests=True),
    FilterField(
        "agent_version", Kind.VERSION, ReadSection.CONTACT, "agent_version", "version of the agent", suggests=True
    ),
    FilterField("ip", Kind.ADDRESS, ReadSection.NETWORKS, "ip", "addresses of its interfaces", many=True),
    FilterField("address", Kind.TEXT, ReadSection.CONTACT, "address", "where its last contact came from"),
    FilterField(
        "subnet", Kind.ADDRESS, ReadSection.NETWORKS, "subnet", "subnets of its interfaces", many=True, suggests=True
    ),
    FilterField("mac", Kind.MAC, ReadSection.NETWORKS, "mac", "MAC addresses of its interfaces", many=True),
    FilterField("domain", Kind.TEXT, ReadSection.HARDWARE, "workgroup", "domain or workgroup", suggests=True),
    FilterField("userdomain", Kind.TEXT, ReadSection.HARDWARE, "userdomain", "domain of the user", suggests=True),
    FilterField("user", Kind.TEXT, ReadSection.HARDWARE, "userid", "user of the computer", suggests=True),
    FilterField("description", Kind.TEXT, ReadSection.HARDWARE, "description", "its description"),
    FilterField("serial", Kind.TEXT, ReadSection.BIOS, "serial", "serial number"),
    FilterField("manufacturer", Kind.TEXT, ReadSection.BIOS, "manufacturer", "manufacturer", suggests=True),
    FilterField("model", Kind.TEXT, ReadSection.BIOS, "model", "model", suggests=True),
    FilterField("memory", Kind.SIZE, ReadSection.HARDWARE, "memory_bytes", "memory, as its agent counts it"),
    FilterField("cpu", Kind.TEXT, ReadSection.HARDWARE, "cpu", "processor", suggests=True),
    FilterField("cores", Kind.NUMBER, ReadSection.CPUS, "cores", "cores of the processors", suggests=True),
    FilterField(
        "disk_free", Kind.SIZE, ReadSection.DRIVES, "disk_free_bytes", "free space of its fixed drives together"
    ),
    FilterField(
        "system_free",
        Kind.SIZE,
        ReadSection.DRIVES,
        "system_free_bytes",
        "free space of the drive on which its agent downloads",
    ),
    FilterField("first_contact", Kind.TIME, ReadSection.IDENTITY, "first_seen_at_us", "time of the first contact"),
    FilterField("last_contact", Kind.TIME, ReadSection.CONTACT, "last_seen_at_us", "time of the last contact"),
    FilterField(
        "last_inventory", Kind.TIME, ReadSection.INVENTORY, "last_inventory_at_us", "time of the last inventory"
    ),
)
FIELDS: Final[Mapping[str, FilterField]] = MappingProxyType({field.name: field for field in _TABLE})
# Where a word is looked for: last what takes longest, as an ip may be that of any interface.
WORD_FIELDS: Final = ("name", "os", "tag", "user", "address", "ip")


def find_field(name: str) -> FilterField:
    """The field of this name, in capitals or not; `account.KEY` for any key. Raises `BadInput` with the nearest."""
    lowered = name.lower()
    if lowered.startswith(ACCOUNT):
        key = name[len(ACCOUNT) :].strip()
        if not fold(key) or len(key) > MAX_ACCOUNT_KEY or not key.isprintable():
            raise BadInput("filter", f"{ACCOUNT}KEY with a key of 1 to {MAX_ACCOUNT_KEY} characters", name)
        meaning = "this value of its account info"
        return FilterField(f"{ACCOUNT}{key}", Kind.TEXT, ReadSection.ACCOUNT, "value", meaning, suggests=True)
    found = FIELDS.get(lowered)
    if found is None:
        raise BadInput("filter", "a field", name, nearest(name, [*FIELDS, f"{ACCOUNT}KEY"]))
    return found


def account_key(name: str) -> str | None:
    """The folded key of the field `account.KEY`; None: it is another field."""
    return fold(name[len(ACCOUNT) :]) if name.startswith(ACCOUNT) else None


def account_field(name: str) -> str:
    """The name of a field, the key of `account.KEY` folded."""
    key = account_key(name)
    return name if key is None else f"{ACCOUNT}{key}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: "perhaps memory", or nothing."""
    near = get_close_matches(name.lower(), list(known), 1, 0.6)
    return f"perhaps {near[0]}" if near else ""
