"""The records that all layers share: values without behaviour.

Names and meanings are those of OCS; the unit is in the name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from distd.domain.settings import DownloadConfig

Items: TypeAlias = tuple[dict[str, str], ...]  # of a section of an inventory: a mapping for each of them


class Action(StrEnum):
    """What an agent does with an assembled package."""

    STORE = "STORE"  # copy the unpacked files to `path`
    LAUNCH = "LAUNCH"  # run the unpacked file `name` (with its arguments)
    EXECUTE = "EXECUTE"  # run `command` through the shell, in the unpacked folder


class OperatingSystem(StrEnum):
    """The system that a package is for. It decides the archive that distd builds: zip for WINDOWS, else tar.gz."""

    WINDOWS = "WINDOWS"
    LINUX = "LINUX"
    MACOS = "MACOS"
    OTHER = "OTHER"


class Digest(StrEnum):
    """The digest by which a stock agent checks an assembled package. Unix agents do not know SHA256."""

    MD5 = "MD5"
    SHA1 = "SHA1"
    SHA256 = "SHA256"


class Dialect(StrEnum):
    """The kind of agent whose rules a scheduler or an emulated agent follows."""

    UNIX = "unix"
    WINDOWS = "windows"
    NATIVE = "native"  # distd's own agent: schedules as UNIX, without its faults

    @classmethod
    def of_user_agent(cls, user_agent: str) -> Dialect:
        """The kind of agent that sends this User-Agent; an unknown one counts as a Unix agent."""
        if "WINDOWS" in user_agent.upper():
            return cls.WINDOWS
        return cls.NATIVE if user_agent.startswith("distd-agent") else cls.UNIX


@dataclass(frozen=True, slots=True)
class Notify:
    """What a Windows agent shows its user. A Unix agent ignores it."""

    user: bool = False
    text: str = ""
    countdown_s: int = 0
    can_abort: bool = False
    can_delay: bool = False
    done_action: bool = False
    done_action_text: str = ""


@dataclass(frozen=True, slots=True)
class Info:
    """The `info` file of a package: what an agent learns before it fetches anything.

    `id` is a string of decimal digits; `target` is the path of a STORE, the file name (with arguments) of a LAUNCH,
    the command line of an EXECUTE. `fragments` is 0 for a command that needs no file; `digest` is then empty.
    """

    id: str
    priority: int
    action: Action
    target: str
    fragments: int
    digest: str = ""
    digest_algo: str = "MD5"  # a `Digest`; other servers' may have others
    digest_encode: str = "Hexa"  # Hexa or Base64
    proto: str = "HTTP"
    notify: Notify = field(default_factory=Notify)


@dataclass(frozen=True, slots=True)
class Fragment:
    """One fragment of a package: `number` from 1, `length` in bytes, `blake3` 32 raw bytes."""

    number: int
    length: int
    blake3: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """The digests of a whole package and of each of its fragments, as the origin signs them.

    `md5` 16, `sha256` 32, `blake3` 32 raw bytes, all over the concatenation of the fragments; each may be empty, when
    it was not computed (ADR 7). `info_blake3` is the BLAKE3 of the bytes of `info`, so that all of a package
    is signed. `version` counts the changes of `info` under the same id, from 1.
    """

    package_id: str
    version: int
    size: int
    md5: bytes
    sha256: bytes
    blake3: bytes
    info_blake3: bytes
    fragments: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """A PACK line of a PROLOG reply. `info_loc` and `pack_loc` are "host:port/path", without a scheme.

    `mirrors` are more servers of the fragments, the best first; only distd's own agent gets them.
    """

    id: str
    info_loc: str
    pack_loc: str
    force: bool = False
    schedule: str = ""
    postcmd: str = ""
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PrologReply:
    """The answer to a PROLOG. `send_inventory` is RESPONSE=SEND, else STOP."""

    send_inventory: bool
    prolog_freq_h: int
    config: DownloadConfig
    packs: tuple[Pack, ...] = ()
    inventory_on_startup: bool = True


@dataclass(frozen=True, slots=True)
class PrologRequest:
    """An agent asks what there is to do. `key`: distd's own agent enrols with it (distd/docs/guide/agents.md);
    else empty."""

    device_id: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """An agent's report on a package: `code` is taken as it is, whatever it says."""

    device_id: str
    package_id: str
    code: str


@dataclass(frozen=True, slots=True)
class InventoryRequest:
    """What is kept of the content of an INVENTORY: the sections of `domain.inventory.SECTIONS`, by OCS's names of their
    fields. `account` is KEYNAME: KEYVALUE.

    `history` holds the ids of the packages that the agent has already finished. None: the inventory has no DOWNLOAD
    section, so the history is not known (the module is switched off there); an empty set: there are none yet.
    `is_cut`: something that would be kept was beyond the limits.
    """

    device_id: str
    hardware: dict[str, str]
    account: dict[str, str]
    networks: Items
    history: frozenset[str] | None
    bios: dict[str, str] = field(default_factory=dict)
    cpus: Items = ()
    memories: Items = ()
    drives: Items = ()
    storages: Items = ()
    printers: Items = ()
    monitors: Items = ()
    videos: Items = ()
    software: Items = ()
    is_cut: bool = False


Request = PrologRequest | DownloadRequest | InventoryRequest
