"""How fast an address may send large bodies.

What honest agents send hardly ever has more than `SMALL_BYTES`. Larger bodies cost the lane time and memory.
"""

from __future__ import annotations

from typing import Final

from distd.domain.addresses import peer_of
from distd.domain.lru import Lru
from distd.domain.token_bucket import TokenBucket

SMALL_BYTES: Final = 65_536
BURST_S: Final = 2.0  # so many seconds' bytes at once, after a pause
MAX_ADDRESSES: Final = 4096


class BodyRates:
    """Bytes of large bodies that each address sends, by its own announcement. The least recent address is forgotten."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._buckets: Lru[str, TokenBucket] = Lru(MAX_ADDRESSES)

    def take(self, address: str, length_bytes: int, now_s: float) -> bool:
        """Count a body. False: it is large, and this address has sent too much; then it is not counted."""
        if length_bytes <= SMALL_BYTES:
            return True
        peer = peer_of(address)
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = TokenBucket(self._bytes_per_s, self._bytes_per_s * BURST_S, now_s)
            self._buckets.put(peer, bucket)
        if bucket.wait_s(1, now_s) > 0:
            return False
        bucket.spend(length_bytes)
        return True
