"""How often an address may ask for what costs a server much: the API and the console, whose answers take milliseconds.

An address from which nobody has logged in lately may do so rarely, and all such addresses together not much more often,
so that a flood leaves the processor to agents. Who comes too soon waits a moment; beyond that, one is refused.
"""

from __future__ import annotations

import math
from typing import Final

from distd.domain.lru import Lru
from distd.domain.token_bucket import TokenBucket

MAX_DELAY_S: Final = 2.0
BURST_S: Final = 0.5  # so many seconds' requests at once, after a pause
TRUST_S: Final = 3600.0  # after a log-in
TRUSTED: Final = 10  # times as often as an address without a log-in
STRANGERS: Final = 8  # times as often, all addresses without a log-in together
MAX_BUCKETS: Final = 4096
MAX_TRUSTED: Final = 4096


class RequestRates:
    """`per_s` is the rate of an address without a log-in. Peers are texts, as `domain.addresses.peer_of` gives them;
    times are those of any steady clock. What it remembers is bounded, the least recent is forgotten."""

    def __init__(self, per_s: int) -> None:
        self._trusted_until_s: Lru[str, float] = Lru(MAX_TRUSTED)
        self.limit(per_s)

    def limit(self, per_s: int) -> None:
        """Another rate from now on."""
        self._per_s = per_s
        self._buckets: Lru[tuple[str, str, int], TokenBucket] = Lru(MAX_BUCKETS)

    def trust(self, peer: str, now_s: float) -> None:
        """Somebody has logged in from there."""
        self._trusted_until_s.put(peer, now_s + TRUST_S)

    def delay_s(self, purpose: str, peer: str, now_s: float) -> float:
        """How long a request waits, which is counted then. Infinite: it is refused, and not counted.

        Each purpose has rates of its own."""
        buckets = self._buckets_of(purpose, peer, now_s)
        delay_s = max(bucket.wait_s(1, now_s) for bucket in buckets)
        if delay_s > MAX_DELAY_S:
            return math.inf
        for bucket in buckets:
            bucket.spend(1)
        return delay_s

    def is_refused(self, purpose: str, peer: str, now_s: float) -> bool:
        """Whether a request would be refused now; it is not counted."""
        return max(each.wait_s(1, now_s) for each in self._buckets_of(purpose, peer, now_s)) > MAX_DELAY_S

    def _buckets_of(self, purpose: str, peer: str, now_s: float) -> list[TokenBucket]:
        """Those that a request takes from."""
        if (self._trusted_until_s.get(peer) or 0.0) > now_s:
            return [self._bucket(purpose, peer, TRUSTED, now_s)]
        return [self._bucket(purpose, peer, 1, now_s), self._bucket(purpose, "", STRANGERS, now_s)]

    def _bucket(self, purpose: str, peer: str, times: int, now_s: float) -> TokenBucket:
        key = (purpose, peer, times)
        bucket = self._buckets.get(key)
        if bucket is None:
            per_s = self._per_s * times
            bucket = TokenBucket(per_s, max(per_s * BURST_S, 1.0), now_s)
            self._buckets.put(key, bucket)
        return bucket
