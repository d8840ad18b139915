"""What a computer is known by beside its DEVICEID, and what a change of it means. Pure.

Anybody can send another's DEVICEID. Then its address, its agent, its serial number or its interfaces change.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_MACS: Final = 12  # that are compared
ADDRESS_BITS: Final = (32, 64)  # who has an IPv6 address has all of its /64

_VERSION: Final = re.compile(r"[_/]v?[0-9][0-9.]*.*")
_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


class Fact(StrEnum):
    """What has changed."""

    ADDRESS = "address"
    AGENT = "agent"
    SERIAL = "serial"
    MAC = "mac"


class IdentityFacts(NamedTuple):
    """`address` is the peer's, `macs` are those of the interfaces. Empty: not known."""

    address: str = ""
    user_agent: str = ""
    serial: str = ""
    macs: frozenset[str] = frozenset()


UNKNOWN: Final = IdentityFacts()


@dataclass(frozen=True, slots=True)
class Change:
    """`flagged`: more than what is usual, such as another address in the same network or a newer agent."""

    fact: Fact
    before: str
    after: str
    flagged: bool


def changes(before: IdentityFacts, after: IdentityFacts) -> list[Change]:
    """What has changed of the facts that are known both times.

    An address in the same network (/24, /64), another version of the same agent are changes that are not flagged.
    Interfaces have changed when none is the same.
    """
    found = []
    for fact, old, new, flagged in (
        (Fact.ADDRESS, before.address, after.address, network_of(before.address) != network_of(after.address)),
        (Fact.AGENT, before.user_agent, after.user_agent, _kind(before.user_agent) != _kind(after.user_agent)),
        (Fact.SERIAL, before.serial, after.serial, True),
    ):
        if old and new and old != new:
            found.append(Change(fact, old, new, flagged))
    if before.macs and after.macs and not before.macs & after.macs:
        found.append(Change(Fact.MAC, " ".join(sorted(before.macs)), " ".join(sorted(after.macs)), flagged=True))
    return found


def network_of(address: str, bits: tuple[int, int] = (24, 64)) -> str:
    """The network of an address, with so many bits (IPv4, IPv6); the text itself where it is no address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, bits[parsed.version == 6]), strict=False))


def read_macs(texts: Iterable[str]) -> frozenset[str]:
    """The MAC addresses among these texts, in small letters; at most `MAX_MACS`, the first by their order."""
    macs = {text.strip().lower().replace("-", ":") for text in texts}
    good = sorted(mac for mac in macs if _MAC.fullmatch(mac) and mac != "00:00:00:00:00:00")
    return frozenset(good[:MAX_MACS])


def _kind(user_agent: str) -> str:
    """An agent without its version: "OCS-NG_unified_unix_agent_v2.10.0" and "…_v2.9" are the same."""
    return _VERSION.sub("", user_agent)
