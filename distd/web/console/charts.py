"""Charts as SVG: where their parts are. Pure; templates draw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from distd.origin.deployments.statistics import CurvePoint

WIDTH: Final = 720
HEIGHT: Final = 240
LEFT: Final = 56  # for the numbers of the axis
BOTTOM: Final = 28
TOP: Final = 10
RIGHT: Final = 12
LINES: Final = 4  # of the grid, above the axis
TIMES: Final = 4  # that are written below
MEASURED_SHARE: Final = 1 / 3  # of the width: what is measured has this at least, however far off the prediction ends
MAX_EXPECTED: Final = 70  # points of a predicted line
CIRCLE: Final = 100.0  # the length of a ring, whatever its radius: attribute pathLength

# A time, and the lowest, middle and highest number of computers that are expected to have it by then.
ExpectedPoint: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Arc:
    """A part of a ring, of `CIRCLE`: how long it is, and where it begins."""

    kind: str
    length: float
    start: float


@dataclass(frozen=True, slots=True)
class DrawnCurve:
    """Lines by their names as points of a polyline; `levels`: a number and its height; `times`: a time and its place.
    `now_x`: now; 0: it is over. `predicted` is a line too, `band` the corners of what is around it; "":
    nothing is predicted."""

    lines: dict[str, str] = field(default_factory=dict)
    levels: list[tuple[int, float]] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)
    now_x: float = 0.0
    predicted: str = ""
    band: str = ""


def ring(counts: Mapping[str, int]) -> list[Arc]:
    """The arcs of a ring, in the order of `counts`; none is too small to be seen."""
    shown = {kind: max(count, sum(counts.values()) / 200) for kind, count in counts.items() if count}
    total, arcs, start = sum(shown.values()), [], 0.0
    for kind, count in shown.items():
        length = CIRCLE * count / total
        arcs.append(Arc(kind, round(length, 2), round(start, 2)))
        start += length
    return arcs


def curve(
    points: Sequence[CurvePoint],
    names: Sequence[str],
    end_s: float,
    expected: Sequence[ExpectedPoint] = (),
    *,
    goes_on: bool = True,
) -> DrawnCurve | None:
    """How many computers were where by when, until `end_s`, and how many were expected; None: there is nothing to draw.

    `goes_on`: `end_s` is now; else all have ended, and a prediction far beyond that is not drawn."""
    if not points:
        return None
    begin_s, end_s = points[0].at_s, max(end_s, points[-1].at_s + 1)
    last_s = max(end_s, expected[-1][0]) if expected else end_s
    if any(getattr(points[-1], name) for name in names):
        widest_s = begin_s + (end_s - begin_s) / MEASURED_SHARE
        last_s = min(last_s, widest_s) if goes_on or last_s <= widest_s else end_s
    expected = _thinned(_until(expected, last_s))
    top = max(1, *(point.assigned for point in points), *(high for *_, high in expected))
    step = _nice(top / LINES)
    high = step * -(-int(top) // step)

    def x(at_s: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (max(at_s, begin_s) - begin_s) / (last_s - begin_s), 1)

    def y(number: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(number, high) / high, 1)

    lines = {}
    for name in names:
        places = [f"{x(point.at_s)},{y(getattr(point, name))}" for point in points]
        lines[name] = " ".join([*places, f"{x(end_s)},{y(getattr(points[-1], name))}"])
    levels = [(number, y(number)) for number in range(0, high + 1, step)]
    moments = [begin_s + (last_s - begin_s) * place / (TIMES - 1) for place in range(TIMES)]
    times = [(at_s, x(at_s)) for at_s in moments]
    predicted = " ".join(f"{x(at_s)},{y(middle)}" for at_s, _, middle, _ in expected)
    above = [f"{x(at_s)},{y(most)}" for at_s, _, _, most in expected]
    below = [f"{x(at_s)},{y(least)}" for at_s, least, _, _ in reversed(expected)]
    return DrawnCurve(lines, levels, times, x(end_s) if goes_on else 0.0, predicted, " ".join([*above, *below]))


def _until(points: Sequence[ExpectedPoint], last_s: float) -> Sequence[ExpectedPoint]:
    """Those up to a time, and where the lines are at that time."""
    kept = [point for point in points if point[0] <= last_s]
    if not kept or len(kept) == len(points):
        return kept
    (before_s, *before), (after_s, *after) = kept[-1], points[len(kept)]
    share = (last_s - before_s) / (after_s - before_s)
    low, middle, high = (one + share * (other - one) for one, other in zip(before, after, strict=True))
    return [*kept, (last_s, low, middle, high)]


def _thinned(points: Sequence[ExpectedPoint]) -> Sequence[ExpectedPoint]:
    """At most about `MAX_EXPECTED`, with the last one: a page is not to be large for a line."""
    step = -(-len(points) // MAX_EXPECTED) or 1
    return [*points[:-1:step], *points[-1:]]


def _nice(number: float) -> int:
    """1, 2 or 5 and zeros, at least `number`."""
    size = 1
    while True:
        for digit in (1, 2, 5):
            if digit * size >= number:
                return digit * size
        size *= 10
