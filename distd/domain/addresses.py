"""Addresses of peers: which are of this machine, and which are taken for one peer."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

# What a host of IPv6 is given at least: it may take any address of it.
IPV6_PREFIX: Final = 64


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
