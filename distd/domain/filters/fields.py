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


class Section(StrEnum):
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
class Field:
    """`column` of the table of computers, or with `many`, of which a computer has several values, of interfaces;
    `key_column` is what is compared. `suggests`: values are offered by completion, the most frequent first. `meaning`
    for people."""

    name: str
    kind: Kind
    section: Section
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
    Field("name", Kind.TEXT, Section.HARDWARE, "name", "the computer's name"),
    Field("device_id", Kind.TEXT, Section.IDENTITY, "device_id", "its DEVICEID"),
    Field("tag", Kind.TEXT, Section.ACCOUNT, "tag", "its TAG", suggests=True),
    Field("os", Kind.TEXT, Section.HARDWARE, "os_name", "name of the system", suggests=True),
    Field("os_version", Kind.VERSION, Section.HARDWARE, "os_version", "version of the system", suggests=True),
    Field("agent", Kind.TEXT, Section.CONTACT, "agent", "the agent, as it names itself", suggests=True),
    Field("agent_version", Kind.VERSION, Section.CONTACT, "agent_version", "version of the agent", suggests=True),
    Field("ip", Kind.ADDRESS, Section.NETWORKS, "ip", "addresses of its interfaces", many=True),
    Field("address", Kind.TEXT, Section.CONTACT, "address", "where its last contact came from"),
    Field("subnet", Kind.ADDRESS, Section.NETWORKS, "subnet", "subnets of its interfaces", many=True, suggests=True),
    Field("mac", Kind.MAC, Section.NETWORKS, "mac", "MAC addresses of its interfaces", many=True),
    Field("domain", Kind.TEXT, Section.HARDWARE, "workgroup", "domain or workgroup", suggests=True),
    Field("userdomain", Kind.TEXT, Section.HARDWARE, "userdomain", "domain of the user", suggests=True),
    Field("user", Kind.TEXT, Section.HARDWARE, "userid", "user of the computer", suggests=True),
    Field("description", Kind.TEXT, Section.HARDWARE, "description", "its description"),
    Field("serial", Kind.TEXT, Section.BIOS, "serial", "serial number"),
    Field("manufacturer", Kind.TEXT, Section.BIOS, "manufacturer", "manufacturer", suggests=True),
    Field("model", Kind.TEXT, Section.BIOS, "model", "model", suggests=True),
    Field("memory", Kind.SIZE, Section.HARDWARE, "memory_bytes", "memory, as its agent counts it"),
    Field("cpu", Kind.TEXT, Section.HARDWARE, "cpu", "processor", suggests=True),
    Field("cores", Kind.NUMBER, Section.CPUS, "cores", "cores of the processors", suggests=True),
    Field("disk_free", Kind.SIZE, Section.DRIVES, "disk_free_bytes", "free space of its fixed drives together"),
    Field(
        "system_free",
        Kind.SIZE,
        Section.DRIVES,
        "system_free_bytes",
        "free space of the drive on which its agent downloads",
    ),
    Field("first_contact", Kind.TIME, Section.IDENTITY, "first_seen_at_us", "time of the first contact"),
    Field("last_contact", Kind.TIME, Section.CONTACT, "last_seen_at_us", "time of the last contact"),
    Field("last_inventory", Kind.TIME, Section.INVENTORY, "last_inventory_at_us", "time of the last inventory"),
)
FIELDS: Final[Mapping[str, Field]] = MappingProxyType({field.name: field for field in _TABLE})
WORD_FIELDS: Final = ("name", "tag", "user", "ip", "address", "os")  # where a word is looked for


def find_field(name: str) -> Field:
    """The field of this name, in capitals or not; `account.KEY` for any key. Raises `BadInput` with the nearest."""
    lowered = name.lower()
    if lowered.startswith(ACCOUNT):
        key = name[len(ACCOUNT) :].strip()
        if not fold(key) or len(key) > MAX_ACCOUNT_KEY or not key.isprintable():
            raise BadInput("filter", f"{ACCOUNT}KEY with a key of 1 to {MAX_ACCOUNT_KEY} characters", name)
        meaning = "this value of its account info"
        return Field(f"{ACCOUNT}{key}", Kind.TEXT, Section.ACCOUNT, "value", meaning, suggests=True)
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
