"""The token bucket: so much a second on average, and after a pause up to its capacity at once.

A level below zero is a debt that is paid off first. The two functions are for levels that are kept elsewhere, such as
in memory that processes share; `TokenBucket` keeps its own. Times are those of any steady clock, given by the caller.
"""

from __future__ import annotations


def refill(level: float, elapsed_s: float, rate_per_s: float, capacity: float) -> float:
    """The level after some time. A clock that runs backwards adds nothing."""
    return min(level + max(elapsed_s, 0.0) * rate_per_s, capacity)


def wait_s(level: float, needed: float, rate_per_s: float) -> float:
    """How long until the level is what is needed; 0 when it is already."""
    return max(needed - level, 0.0) / rate_per_s


class TokenBucket:
    """A bucket that is full at `now_s`. `level` is as of `at_s`."""

    __slots__ = ("at_s", "capacity", "level", "rate_per_s")

    def __init__(self, rate_per_s: float, capacity: float, now_s: float) -> None:
        self.rate_per_s = rate_per_s
        self.capacity = capacity
        self.level = capacity
        self.at_s = now_s

    def take(self, amount: float, now_s: float) -> bool:
        """Take so much out. False: there is less, and nothing was taken."""
        self._refill(now_s)
        if self.level < amount:
            return False
        self.level -= amount
        return True

    def spend(self, amount: float) -> None:
        """Take so much out, into debt if need be."""
        self.level -= amount

    def wait_s(self, needed: float, now_s: float) -> float:
        """How long from now until so much is there; `needed` is at most the capacity."""
        self._refill(now_s)
        return wait_s(self.level, needed, self.rate_per_s)

    def _refill(self, now_s: float) -> None:
        self.level = refill(self.level, now_s - self.at_s, self.rate_per_s, self.capacity)
        self.at_s = now_s
