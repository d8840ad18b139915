"""Where a value lies between two ends of an axis, and which values are written beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_STEPS: Final = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low` to `high`; `log`: equal steps are equal factors."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value, in per cent of the axis; one beyond an end is at that end."""
        inside = min(max(value, self.low), self.high)
        low, high, here = (math.log10(each) if self.log else each for each in (self.low, self.high, inside))
        return 100 * ((here - low) / (high - low))

    def ticks(self) -> list[float]:
        """Values to write beside the axis, from end to end."""
        if self.log:
            return [10.0**power for power in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        step = _step(self.high - self.low)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def scale(values: Sequence[float], *, log: bool = False) -> Scale:
    """One that holds all `values`: from 0 (or the lowest, where it is below), or from a power of ten to another."""
    if log:
        # Nothing lies at or below 0 there; such a value is drawn at the lower end.
        above = [value for value in values if value > 0] or [1.0]
        low, high = math.floor(math.log10(min(above))), math.ceil(math.log10(max(above)))
        return Scale(10.0**low, 10.0 ** max(high, low + 1), log)
    lowest, highest = min((0.0, *values)), max((0.0, *values))
    step = _step((highest - lowest) or 1)
    return Scale(math.floor(lowest / step) * step, (math.ceil(highest / step) or 1) * step)


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten: some three to five of them make the span."""
    power = 10.0 ** math.floor(math.log10(span / MOST_STEPS))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * MOST_STEPS * (1 + 1e-9) >= span)
