"""Lines over time as SVG: the numbers of a drawing, which a template draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 720
HEIGHT: Final = 220
LEFT: Final = 50
RIGHT: Final = 700
TOP: Final = 20
BOTTOM: Final = 190
MARKS: Final = 4  # on an axis, besides its origin
# Seconds between two marks: one of these.
STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)


@dataclass(frozen=True, slots=True)
class LineChart:
    """`path` is the line; `times` are (x, seconds), `values` (y, number) of the marks on the axes."""

    path: str
    times: tuple[tuple[float, float], ...]
    values: tuple[tuple[float, int], ...]


def line_chart(points: Sequence[tuple[float, int]], most: int, end_s: float) -> LineChart | None:
    """Steps from 0 through `points` (seconds, value up to `most`) to `end_s`. None: there is no end."""
    if not math.isfinite(end_s) or end_s <= 0 or not points:
        return None
    step_s = next((step for step in STEPS_S if end_s <= step * MARKS), math.ceil(end_s / MARKS / 86_400) * 86_400)
    last_s = max(end_s, step_s * math.ceil(end_s / step_s))

    def x(at_s: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * at_s / last_s, 1)

    def y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * value / most, 1)

    line = [f"M{x(0)},{y(0)}"]
    line += [f"H{x(at_s)}V{y(value)}" for at_s, value in points]
    line.append(f"H{x(end_s)}")
    times = tuple((x(number * step_s), number * step_s) for number in range(int(last_s // step_s) + 1))
    values = sorted({round(most * number / MARKS) for number in range(MARKS + 1)})
    return LineChart("".join(line), times, tuple((y(value), value) for value in values))
