"""Faults of agents: they vanish, sleep, are slow, have broken disks or stale histories."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsim.fleet.options import FleetOptions


class Fault:
    """The faults of one agent; few have any.

    `vanish` and `sleep`: when, as a share of its first package's requests, 0 to 1; then `vanish_at` and `sleep_at` are
    the numbers of those requests. `requests`: those that it has made so far. `corrupt`: its disk spoils what it stores.
    `stale`: it has in its history what the server gives it.
    """

    __slots__ = ("corrupt", "limit_bytes_per_s", "requests", "sleep", "sleep_at", "sleep_s", "stale", "vanish",
                 "vanish_at")  # fmt: skip

    def __init__(self) -> None:
        self.requests = 0
        self.vanish: float | None = None
        self.sleep: float | None = None
        self.vanish_at = self.sleep_at = 0
        self.sleep_s = self.limit_bytes_per_s = 0.0
        self.corrupt = self.stale = False

    def schedule(self, to_come: int) -> None:
        """Set when it will happen, now that it is known how many requests are to come."""
        if self.vanish is not None:
            self.vanish_at, self.vanish = self.requests + 1 + int(self.vanish * to_come), None
        if self.sleep is not None:
            self.sleep_at, self.sleep = self.requests + 1 + int(self.sleep * to_come), None


def draw_fault(options: FleetOptions, number: int) -> Fault | None:
    """The faults of agent `number`, the same in every run of that seed."""
    shares = options.shares
    if not (shares.vanish or shares.sleep or shares.slow or shares.corrupt or shares.stale):
        return None
    draw = random.Random(f"{options.seed} fate {number}")
    fault = Fault()
    if draw.random() < shares.vanish:
        fault.vanish = draw.random()
    if draw.random() < shares.sleep:
        fault.sleep = draw.random()
        fault.sleep_s = draw.expovariate(1 / shares.sleep_s)
    if draw.random() < shares.slow:
        fault.limit_bytes_per_s = shares.slow_bytes_per_s
    fault.corrupt = draw.random() < shares.corrupt
    fault.stale = draw.random() < shares.stale
    return fault
