"""How many of the connections that the lane hands over may be open at the same time.

Each kind of request has slots of its own, so that no flood of one takes another's: operators get in while mirrors or
monitoring are attacked, and the other way round. Of each kind an address has a share.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

HEALTH_SLOTS: Final = 64
_HEALTH: Final = (b"/healthz", b"/readyz", b"/metrics")
_MIRRORS: Final = b"/api/v1/mirror/"


class Purpose(StrEnum):
    """What a connection is for, as its first request says."""

    HEALTH = "health"
    MIRRORS = "mirrors"
    OPERATORS = "operators"  # API, console, and what there is not


def purpose_of(path: bytes) -> Purpose:
    """The purpose of a request for this path."""
    if path in _HEALTH:
        return Purpose.HEALTH
    return Purpose.MIRRORS if path.startswith(_MIRRORS) else Purpose.OPERATORS


class Slots:
    """`total` for operators and as many for mirrors, `HEALTH_SLOTS` for monitoring; `per_address` of each kind."""

    def __init__(self, total: int, per_address: int) -> None:
        self._taken: Counter[Purpose] = Counter()
        self._by_address: Counter[tuple[Purpose, str]] = Counter()
        self.limit(total, per_address)

    def limit(self, total: int, per_address: int) -> None:
        """Other limits from now on; what is open stays."""
        self._totals = {Purpose.OPERATORS: total, Purpose.MIRRORS: total, Purpose.HEALTH: HEALTH_SLOTS}
        self._per_address = per_address

    def take(self, purpose: Purpose, address: str) -> str:
        """Take a slot: "". Else the name of the setting that forbids it; then none is taken."""
        total = self._totals[purpose]
        if self._by_address[purpose, address] >= min(self._per_address, total):
            return "web_connections_per_address"
        if self._taken[purpose] >= total:
            return "web_connections"
        self._taken[purpose] += 1
        self._by_address[purpose, address] += 1
        return ""

    def give_back(self, purpose: Purpose, address: str) -> None:
        """A connection that had a slot is closed."""
        self._taken[purpose] -= 1
        self._by_address[purpose, address] -= 1
        if not self._by_address[purpose, address]:
            del self._by_address[purpose, address]

    def __len__(self) -> int:
        return self._taken.total()
