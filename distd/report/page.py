"""What a page of figures consists of: a verdict, key figures, tables and plots, as plain records.

`html_page` writes them; the terminal shows the tables. All that they hold is text and numbers, which is escaped there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from distd.domain.units import DAY_S, HOUR_S, MINUTE_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Tone(StrEnum):
    """How something is judged. It has a colour, and never a colour alone."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What stands on top: how it ended in a word, and in a sentence; `more`: further sentences."""

    tone: Tone
    word: str
    sentence: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A figure with its unit, and what it is; `note`: a few words below."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class StackedBar:
    """How many of `noun` are in which part: (name, how many, tone). Parts of none are left out."""

    title: str
    noun: str
    parts: Sequence[tuple[str, int, Tone]]


@dataclass(frozen=True, slots=True)
class Table:
    """The first column is to the left; others are to the right, on a page only where they hold numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def turned(self) -> Table:
        """Its columns as rows: `columns[0]` stays the corner."""
        corner, *names = self.columns
        heads, *columns = zip(*self.rows, strict=True)
        rows = [[name, *column] for name, column in zip(names, columns, strict=True)]
        return replace(self, columns=(corner, *heads), rows=rows)


@dataclass(frozen=True, slots=True)
class Series:
    """A value for each group of `Bars`; None where there is none. `spread`: lowest and highest of each."""

    name: str
    values: Sequence[float | None]
    spread: Sequence[tuple[float, float] | None] = ()


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars from left to right, the series of each group together; with `log` points, since no bar begins at 0 there.

    `value_title`: what the values are, with the unit. `marks`: lines across all, by their labels.
    """

    title: str
    value_title: str
    groups: Sequence[str]
    series: Sequence[Series]
    marks: Mapping[str, float] = field(default_factory=dict)
    log: bool = False
    note: str = ""


class Shape(StrEnum):
    """How the points of a curve are drawn."""

    LINE = "line"  # joined: between two points lies what is between them
    STEPS = "steps"  # a value holds from its point on
    POINTS = "points"  # nothing lies between two points


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y) with rising x.

    With `STEPS` a value holds for `width` (of x), where nothing is known from there to the next point; without a width
    it holds until the next point. `dashed`: computed, beside what was measured.
    """

    name: str
    points: Sequence[tuple[float, float]]
    shape: Shape = Shape.LINE
    width: float | None = None
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """Curves over one axis. Titles of axes say what is shown and in which unit.

    `x_steps`: between ticks of x. `x_end`: where the axis of x ends, which then begins at 0; None: with the points.
    """

    title: str
    x_title: str
    y_title: str
    curves: Sequence[Curve]
    log: bool = False
    note: str = ""
    x_steps: Sequence[float] = ()
    x_end: float | None = None


Part: TypeAlias = str | Table | StackedBar | Bars | Lines


class TimeUnit(NamedTuple):
    """The unit of an axis of time, and steps between ticks that read well in it."""

    name: str
    seconds: float
    steps: tuple[float, ...]


_TENS: Final = tuple(factor * 10.0**power for power in range(-3, 7) for factor in (1, 2, 5))
_SIXTIES: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300)
_DAYS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96)


def time_unit(longest_s: float) -> TimeUnit:
    """Seconds, minutes, hours or days: an axis up to `longest_s` then has some tens at most."""
    if longest_s <= 3 * MINUTE_S:
        return TimeUnit("s", 1, _TENS)
    if longest_s <= 3 * HOUR_S:
        return TimeUnit("min", MINUTE_S, _SIXTIES)
    if longest_s <= 4 * DAY_S:
        return TimeUnit("h", HOUR_S, _DAYS)
    return TimeUnit("days", DAY_S, _TENS)


def volume_unit(largest_bytes: float) -> tuple[str, float]:
    """The unit of an axis of bytes, or of bytes a second, up to `largest_bytes`; and how many bytes it is."""
    names = ("B", "kB", "MB", "GB", "TB")
    power = next((power for power in range(4) if largest_bytes < 1000 ** (power + 1)), 4)
    return names[power], 1000.0**power


def number_text(value: float) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 123, 12,345."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
