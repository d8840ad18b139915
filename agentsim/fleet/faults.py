"""What befalls agents: they vanish, sleep, are slow, have broken disks or stale histories."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsim.fleet.options import Order


class Fate:
    """What befalls one agent; few have any. `vanish` and `sleep`: when, as a share of its first package's requests,
    0 to 1; then `vanish_at` and `sleep_at` are the numbers of those requests."""

    __slots__ = ("corrupt", "limit_bytes_per_s", "sleep", "sleep_at", "sleep_s", "stale", "vanish", "vanish_at")

    def __init__(self) -> None:
        self.vanish: float | None = None
        self.sleep: float | None = None
        self.vanish_at = self.sleep_at = 0
        self.sleep_s = self.limit_bytes_per_s = 0.0
        self.corrupt = self.stale = False

    def settle(self, done: int, to_come: int) -> None:
        """When it will befall, now that it is known how many requests there are."""
        if self.vanish is not None:
            self.vanish_at, self.vanish = done + 1 + int(self.vanish * to_come), None
        if self.sleep is not None:
            self.sleep_at, self.sleep = done + 1 + int(self.sleep * to_come), None


def draw_fate(order: Order, number: int) -> Fate | None:
    """What befalls agent `number`, the same in every run of that seed."""
    shares = order.shares
    if not (shares.vanish or shares.sleep or shares.slow or shares.corrupt or shares.stale):
        return None
    draw = random.Random(f"{order.seed} fate {number}")
    fate = Fate()
    if draw.random() < shares.vanish:
        fate.vanish = draw.random()
    if draw.random() < shares.sleep:
        fate.sleep = draw.random()
        fate.sleep_s = draw.expovariate(1 / shares.sleep_s)
    if draw.random() < shares.slow:
        fate.limit_bytes_per_s = shares.slow_bytes_per_s
    fate.corrupt = draw.random() < shares.corrupt
    fate.stale = draw.random() < shares.stale
    return fate
