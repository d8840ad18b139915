"""Which redistribution servers (mirrors) serve a computer, the best first, and why.

First come the operator's rules, in their order, over the computer's INVENTORY and what is known of the mirror; then the
smallest of the mirror's networks that the computer is in; then the mirror's location, if it is the computer's TAG; then
the mirror with the lowest load. The rules are OCS's own (`download_affect_rules`): "the computer's field equals /
differs from / is like the mirror's field".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from blake3 import blake3

from distd.domain.errors import BadInput
from distd.domain.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_RULES: Final = 64
MAX_NETWORKS: Final = 256


class Field(StrEnum):
    """What a rule can compare."""

    NAME = "NAME"
    IPADDRESS = "IPADDRESS"
    IPSUBNET = "IPSUBNET"
    WORKGROUP = "WORKGROUP"
    USERID = "USERID"
    TAG = "TAG"


class Op(StrEnum):
    """How a rule compares."""

    EQUALS = "EQUALS"
    DIFFERS = "DIFFERS"
    LIKE = "LIKE"  # the mirror's field is a pattern: % for any text, _ for one character, as in SQL


class Via(StrEnum):
    """How agents are directed to mirrors."""

    ORIGIN = "origin"  # not at all
    DIRECT = "direct"  # PACK_LOC is the mirror
    STEER = "steer"  # PACK_LOC is the origin, which answers each fragment with a 302 to the best mirror now


# A field may have several values, as a computer has several addresses. They are compared without regard to case.
Fields: TypeAlias = Mapping[Field, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Rule:
    """The computer's `field` compared with the mirror's field `compared`."""

    field: Field
    op: Op
    compared: Field

    def matches(self, computer: Fields, mirror: Fields) -> bool:
        """Whether the rule is fulfilled; never where either side is unknown."""
        mine, theirs = _folded(computer.get(self.field, ())), _folded(mirror.get(self.compared, ()))
        if not mine or not theirs:
            return False
        match self.op:
            case Op.EQUALS:
                return bool(mine & theirs)
            case Op.DIFFERS:
                return not mine & theirs
            case Op.LIKE:
                return any(_pattern(pattern).fullmatch(value) for pattern in theirs for value in mine)

    def __str__(self) -> str:
        return f"{self.field} {self.op} {self.compared}"


@dataclass(frozen=True, slots=True)
class ComputerFacts:
    """What is known of a computer. `key`: its DEVICEID; `addresses`: its own, and the one of its last contact."""

    key: str
    fields: Fields
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MirrorFacts:
    """What is known of a mirror. `http` and `https` are "host:port"; `load` is how many agents it serves now.

    `local`: it is only for computers of its networks or its location, or for which a rule matches.
    """

    id: int
    name: str
    http: str
    https: str
    fields: Fields = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    location: str = ""
    local: bool = False
    load: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """A mirror for a computer, and the reason for its rank in the order."""

    mirror: MirrorFacts
    why: str


def rank(computer: ComputerFacts, mirrors: Iterable[MirrorFacts], rules: Sequence[Rule]) -> list[Choice]:
    """All mirrors that may serve the computer, the best first.

    Mirrors that are equally good are spread over the computers; each computer always gets the same order.
    """
    ranked = [(rank, mirror) for mirror in mirrors if (rank := _rank(computer, mirror, rules)) is not None]
    ranked.sort(key=lambda pair: (pair[0].key, pair[1].load, _spread(computer, pair[1])))
    return [
        Choice(mirror, rank.why or f"lowest load ({format_count(mirror.load, 'agent')})") for rank, mirror in ranked
    ]


@dataclass(frozen=True, slots=True)
class _Rank:
    """Lower keys come first."""

    key: tuple[int, int, int]
    why: str


def _rank(computer: ComputerFacts, mirror: MirrorFacts, rules: Sequence[Rule]) -> _Rank | None:
    network = _smallest_network(computer, mirror)
    is_near = bool(mirror.location) and mirror.location.casefold() in _tags(computer)
    key = (-network.prefixlen - 1 if network else 0, 0 if is_near else 1)
    for number, rule in enumerate(rules):
        if rule.matches(computer.fields, mirror.fields):
            return _Rank((number, *key), f"rule {number + 1}: {rule}")
    if network is not None:
        return _Rank((len(rules), *key), f"network {network}")
    if is_near:
        return _Rank((len(rules), *key), f"location {mirror.location}")
    return None if mirror.local else _Rank((len(rules), *key), "")


def _folded(values: Iterable[str]) -> set[str]:
    return {value.casefold() for value in values if value}


def _tags(computer: ComputerFacts) -> set[str]:
    return _folded(computer.fields.get(Field.TAG, ()))


def _smallest_network(computer: ComputerFacts, mirror: MirrorFacts) -> Network | None:
    addresses = [address for text in computer.addresses if (address := _address(text)) is not None]
    covering = [network for network in mirror.networks if any(address in network for address in addresses)]
    return max(covering, key=lambda network: network.prefixlen, default=None)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _spread(computer: ComputerFacts, mirror: MirrorFacts) -> bytes:
    return blake3(f"{computer.key}\0{mirror.name}".encode()).digest(8)


def _pattern(like: str) -> re.Pattern[str]:
    wild = {"%": ".*", "_": "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in like), re.DOTALL)


def parse_rule(text: str) -> Rule:
    """ "IPSUBNET EQUALS IPSUBNET" in any case. Raises `BadInput`."""
    try:
        first, op, second = text.upper().split()
        return Rule(Field(first), Op(op), Field(second))
    except ValueError:
        fields, ops = "|".join(Field), "|".join(Op)
        raise BadInput("rules", f"FIELD {ops} FIELD, a field being {fields}", text) from None


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """ "10.1.0.0/16", "fd00::/8", or an address alone. Raises `BadInput`."""
    return tuple(_network(text) for text in texts)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise BadInput("networks", "a network such as 10.1.0.0/16", text, str(error)) from None


def fields_of(name: str, address: str, networks: Sequence[Network], others: Mapping[Field, str]) -> Fields:
    """The fields of a mirror that rules compare with; `others`: those that the operator gave."""
    subnets = tuple(str(network.network_address) for network in networks)
    own = {Field.NAME: (name,), Field.IPADDRESS: (address,) if address else (), Field.IPSUBNET: subnets}
    return own | {key: (value,) for key, value in others.items() if value}


def substitute(location: str, mirror: MirrorFacts) -> str:
    """PACK_LOC as OCS writes it for redistribution servers: $IP$ and $NAME$ are the mirror's."""
    address = next(iter(mirror.fields.get(Field.IPADDRESS, ())), "") or _host(mirror.http)
    return location.replace("$IP$", address).replace("$NAME$", mirror.name)


def has_variables(location: str | None) -> bool:
    """Whether `substitute` would change it."""
    return location is not None and ("$IP$" in location or "$NAME$" in location)


def _host(server: str) -> str:
    return server.rpartition(":")[0] or server
