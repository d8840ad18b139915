"""Addresses: of peers, and of computers as texts that sort as the addresses do. Pure."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Network

# What a host of IPv6 is given at least: it may take any address of it.
IPV6_PREFIX: Final = 64
CHARACTERS: Final = frozenset("0123456789abcdef.:")  # of addresses in their usual form


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether an address, or the name localhost, is one of this machine's own; any other name is not."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]").partition("%")[0].removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def peer_of(address: str) -> str:
    """What is taken for one peer: an IPv4 address, or a /64 of IPv6. A text that is no address stays as it is."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ip_network((found, IPV6_PREFIX), strict=False))
    return str(found)


def address_key(text: str) -> str:
    """An address as a text that sorts as addresses do: "4" and 8 hexadecimal digits, "6" and 32. What is no address has
    none. IPv4 addresses mapped into IPv6 count as IPv4."""
    address = read_address(text)
    return "" if address is None else _key_of(address)


def network_keys(network: IPv4Network | IPv6Network) -> tuple[str, str]:
    """The keys of the first and of the last address of a network: of all between them, both included."""
    return _key_of(network.network_address), _key_of(network.broadcast_address)


@lru_cache(maxsize=16_384)
def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text means, without zone ("%eth0") and prefix length ("/64"); None: it is no address."""
    try:
        address = ip_address(text.strip().partition("%")[0].partition("/")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _key_of(address: IPv4Address | IPv6Address) -> str:
    return f"{address.version}{int(address):0{8 if address.version == 4 else 32}x}"
