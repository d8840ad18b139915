"""Connections and requests of each address, while there is a limit on them."""

from __future__ import annotations

from typing import Final

from distd.domain.token_bucket import TokenBucket

# How many seconds' requests an address may make at once, after a pause.
BURST_S: Final = 2.0


class _Address:
    """`requests` has a token for each request that may come now."""

    __slots__ = ("connections", "requests")

    def __init__(self, requests: TokenBucket) -> None:
        self.connections = 0
        self.requests = requests


class AddressLimits:
    """Keeps an address only while it is connected, or has lately sent a request: at most as many as connections came
    lately.

    A limit of 0 is none. Times are any steady clock's.
    """

    def __init__(self, connections: int, requests_per_s: int) -> None:
        self._connections = connections
        self._requests_per_s = requests_per_s
        self._burst = max(requests_per_s * BURST_S, 1.0)
        self._known: dict[str, _Address] = {}

    def connect(self, address: str, now_s: float) -> bool:
        """Count a connection of this address. False: it has too many; then it is not counted."""
        known = self._known.get(address)
        if known is None:
            known = self._known[address] = _Address(TokenBucket(self._requests_per_s, self._burst, now_s))
        if self._connections and known.connections >= self._connections:
            return False
        known.connections += 1
        return True

    def hold(self, address: str) -> None:
        """Count one more connection of this address, which is connected, whatever the limit is."""
        known = self._known.get(address)
        if known is not None:  # else it connected before there were limits
            known.connections += 1

    def disconnect(self, address: str) -> None:
        """A connection of this address has ended."""
        known = self._known.get(address)
        if known is not None:  # else it connected before there were limits
            known.connections = max(known.connections - 1, 0)

    def request(self, address: str, now_s: float) -> bool:
        """Count a request of this address. False: it sends too many; then it is not counted."""
        known = self._known.get(address)
        return known is None or not self._requests_per_s or known.requests.take(1, now_s)

    def forget_idle(self, now_s: float) -> None:
        """Forget the addresses that have left, once their bucket is full again."""
        stale = [a for a, k in self._known.items() if not k.connections and now_s - k.requests.at_s > BURST_S]
        for address in stale:
            del self._known[address]

    def __len__(self) -> int:
        return len(self._known)
