"""Who may make contacts: how many new DEVICEIDs come in, and from where a computer that is bound to networks comes.

An agent is not authenticated, and a DEVICEID is any text. Without limits one address could fill the catalogue.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from distd.catalogue.schema import computers
from distd.domain.identity_facts import ADDRESS_BITS, network_of
from distd.domain.lru import Lru
from distd.domain.mirror_rules import parse_networks
from distd.domain.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from distd.domain.settings import AgentSettings

HOUR_S: Final = 3600.0
NETWORK_BITS: Final = (16, 48)  # of the networks whose new DEVICEIDs are counted together
MAX_PLACES: Final = 50_000  # addresses and networks that are remembered
MAX_TOLD: Final = 10_000  # refusals that are remembered
TELL_AGAIN_S: Final = 60.0  # the same refusal is an event so often at most
COUNT_AGAIN_S: Final = 10.0

TOO_MANY: Final = "no more computers are taken (agents.max_computers)"
TOO_FAST: Final = "too many new DEVICEIDs from there (agents.new_per_address, agents.new_per_network)"
ELSEWHERE: Final = "this computer is bound to other networks"


class Admission:
    """The memory of one process, used by one thread at a time. Times are seconds since 1970, by the caller."""

    def __init__(self) -> None:
        self._buckets: Lru[str, TokenBucket] = Lru(MAX_PLACES)
        self._told_s: Lru[tuple[str, str], float] = Lru(MAX_TOLD)
        self._computers = 0
        self._count_again_s = 0.0

    def refuse(
        self, conn: Connection, unknown: Mapping[str, tuple[str, float]], settings: AgentSettings
    ) -> dict[str, str]:
        """Which of these new DEVICEIDs (with address and time) are not taken, and why."""
        refused = {}
        for device_id, (address, now_s) in unknown.items():
            if settings.max_computers and self._count(conn, now_s) >= settings.max_computers:
                refused[device_id] = TOO_MANY
            elif not self._is_slow_enough(address, now_s, settings):
                refused[device_id] = TOO_FAST
            else:
                self._computers += 1
        return refused

    def is_news(self, who: str, why: str, now_s: float) -> bool:
        """Whether this refusal was not told a moment ago: a flood of contacts must not become one of events."""
        key = (who, why)
        if (self._told_s.get(key) or 0.0) > now_s - TELL_AGAIN_S:
            return False
        self._told_s.put(key, now_s)
        return True

    def _count(self, conn: Connection, now_s: float) -> int:
        if now_s >= self._count_again_s:
            self._computers = conn.scalar(select(func.count()).select_from(computers)) or 0
            self._count_again_s = now_s + COUNT_AGAIN_S
        return self._computers

    def _is_slow_enough(self, address: str, now_s: float, settings: AgentSettings) -> bool:
        if _is_loopback(address):  # a proxy on this machine, which stands for all agents
            return True
        places = ((ADDRESS_BITS, settings.new_per_address), (NETWORK_BITS, settings.new_per_network))
        buckets = [self._bucket(network_of(address, bits), limit, now_s) for bits, limit in places if limit]
        if any(bucket.wait_s(1, now_s) for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.take(1, now_s)
        return True

    def _bucket(self, place: str, per_hour: int, now_s: float) -> TokenBucket:
        bucket = self._buckets.get(place)
        if bucket is None or bucket.capacity != per_hour:
            bucket = TokenBucket(per_hour / HOUR_S, per_hour, now_s)
            self._buckets.put(place, bucket)
        return bucket


def may_come_from(networks: str, address: str) -> bool:
    """Whether a computer may make a contact from this address. `networks`: with spaces between them; "": any."""
    if not networks:
        return True
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in _parsed(networks))


@lru_cache(4096)
def _parsed(networks: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return parse_networks(networks.split())


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
