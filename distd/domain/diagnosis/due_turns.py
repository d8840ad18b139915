"""When something should have happened: an agent's next contact, its next turn with a package."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

from distd.domain.schedule import Pause, gets_no_turn, turns
from distd.domain.units import HOUR_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.domain.records import Dialect
    from distd.domain.settings import DownloadConfig

MAX_STEPS: Final = 20_000  # of a schedule that is looked at
MIN_INTERVALS: Final = 3  # between contacts, below which the setting counts


def contact_interval_s(contacts_at_s: Sequence[float], prolog_freq_h: int) -> float:
    """How long an agent usually takes from one contact to the next: as it did lately, where that is longer than it was
    told. (Shorter ones say nothing: somebody may have started it by hand.)"""
    told_s = prolog_freq_h * HOUR_S
    between = [later - earlier for earlier, later in pairwise(contacts_at_s) if later - earlier > told_s / 2]
    return max(told_s, median(between)) if len(between) >= MIN_INTERVALS else told_s


@lru_cache(maxsize=4096)  # agents have few different turns
def due_gap_s(
    dialect: Dialect, config: DownloadConfig, package_id: str, packages: tuple[tuple[str, int], ...]
) -> float:
    """The longest time between two turns of a package by the agent's own schedule, with all `packages` (id, priority)
    that it has to do, and nothing else to wait for. `math.inf`: it has no turn."""
    priorities = dict(packages)
    if gets_no_turn(priorities[package_id], config):
        return math.inf
    at_s, longest_s, last_s, count, periods = 0.0, 0.0, 0.0, 0, 0
    steps = turns(dialect, config, priorities)
    for _, step in zip(range(MAX_STEPS), steps, strict=False):
        if isinstance(step, Pause):
            at_s += step.seconds
        elif step.package_id == package_id:
            longest_s, last_s, count = max(longest_s, at_s - last_s), at_s, count + 1
            periods = count // max(config.period_length // max(priorities[package_id], 1), 1)
        if periods > 2:
            break
    return longest_s if count else math.inf
