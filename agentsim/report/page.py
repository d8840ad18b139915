"""A page of figures: one HTML file with its plots as inline SVG, that loads nothing else.

All that is given is text and numbers, and is escaped here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

STYLE = """\
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #667080; --line: #d5dae1; --paper: #fff;
  --c0: #0b62c4; --c1: #d97706; --c2: #0f9d76; --c3: #b0418f; --c4: #7a7f87; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #9aa4b2; --line: #363d47; --paper: #14171b;
  --c0: #5aa2f0; --c1: #f0a84b; --c2: #45c9a0; --c3: #dd86c4; --c4: #a2a8b1; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 1100px; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p { max-width: 46rem; } .note { color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; } dt { color: var(--soft); }
dd { margin: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { vertical-align: bottom; } th:first-child, td:first-child { text-align: left; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: var(--ink); }
svg .soft { fill: var(--soft); } svg .grid { stroke: var(--line); }
svg .mark { stroke: var(--ink); stroke-dasharray: 4 3; }
svg .spread { stroke: var(--ink); stroke-width: 1.2; } svg polyline { fill: none; stroke-width: 2; }
""" + "".join(f".s{number} {{ fill: var(--c{number}); stroke: var(--c{number}); }}\n" for number in range(5))
COLOURS = 5
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 1000, 190, 90, 34, 34
BAR, GAP = 11, 12
LINES_HEIGHT = 320


@dataclass(frozen=True, slots=True)
class Table:
    """The first column is to the left, the others to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A value for each group of `Bars`; None where there is none. `spread`: lowest and highest of each."""

    name: str
    values: Sequence[float | None]
    spread: Sequence[tuple[float, float] | None] = ()


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars from left to right, the series of each group together. `marks`: lines across all, by their labels."""

    title: str
    unit: str
    groups: Sequence[str]
    series: Sequence[Series]
    marks: Mapping[str, float] = field(default_factory=dict)
    log: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Points (x, y) of each name, joined."""

    title: str
    x_unit: str
    y_unit: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    log: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a value lies between two places on the page, and where to write numbers."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def at(self, value: float) -> float:
        """The place of a value."""
        low, high, here = (math.log10(each) if self.log else each for each in (self.low, self.high, self.clip(value)))
        return self.start + (self.end - self.start) * ((here - low) / (high - low))

    def clip(self, value: float) -> float:
        """The value, or the end of the scale that it lies beyond."""
        return min(max(value, self.low), self.high)

    def ticks(self) -> list[float]:
        """Values to write beside the scale."""
        if self.log:
            return [10.0**power for power in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        step = _step(self.high - self.low)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def scale(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Scale:
    """One that holds all `values`: from 0 (or the lowest, where it is below), or from a power of ten to another."""
    if log:
        # Nothing lies at or below 0 there; such a value is drawn at the lower end.
        above = [value for value in values if value > 0] or [1.0]
        low, high = math.floor(math.log10(min(above))), math.ceil(math.log10(max(above)))
        return Scale(10.0**low, 10.0 ** max(high, low + 1), start, end, log)
    lowest, highest = min((0.0, *values)), max((0.0, *values))
    step = _step((highest - lowest) or 1)
    return Scale(math.floor(lowest / step) * step, (math.ceil(highest / step) or 1) * step, start, end, log)


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten: some five to ten of them make the span."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 10 >= span)


def write_page(title: str, facts: Mapping[str, str], parts: Sequence[str | Table | Bars | Lines]) -> str:
    """The whole page. A text among `parts` becomes a paragraph."""
    known = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    body = "\n".join(_part(part) for part in parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width"><style>\n{STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n<dl>{known}</dl>\n{body}\n</body></html>\n"
    )


def _part(part: str | Table | Bars | Lines) -> str:
    match part:
        case str():
            return f"<p>{escape(part)}</p>"
        case Table():
            drawn = _table(part)
        case Bars():
            drawn = _bars(part)
        case Lines():
            drawn = _lines(part)
    note = f'<p class="note">{escape(part.note)}</p>' if part.note else ""
    return f'<h2>{escape(part.title)}</h2>\n{note}<div class="wide">{drawn}</div>'


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"


def _bars(bars: Bars) -> str:
    values = [value for series in bars.series for value in series.values if value is not None]
    spreads = [value for series in bars.series for pair in series.spread if pair is not None for value in pair]
    across = scale([*values, *spreads, *bars.marks.values()], LEFT, WIDTH - RIGHT, log=bars.log)
    row = BAR * len(bars.series) + GAP
    bottom = TOP + row * len(bars.groups)
    drawn = [*_grid_across(across, bottom, bars.unit), *_legend([series.name for series in bars.series])]
    for number, group in enumerate(bars.groups):
        top = TOP + row * number + GAP / 2
        drawn.append(_text(LEFT - 8, top + BAR * len(bars.series) / 2 + 4, group, "end"))
        for index, series in enumerate(bars.series):
            drawn += _bar(across, top + BAR * index, index, group, series, number)
    for label, value in bars.marks.items():
        place = across.at(value)
        drawn.append(f'<line class="mark" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{bottom}"/>')
        drawn.append(_text(place, TOP - 4, label, "middle", "soft"))
    return _svg(bottom + BOTTOM, drawn, bars.title)


def _bar(across: Scale, top: float, colour: int, group: str, series: Series, number: int) -> Iterator[str]:
    value = series.values[number]
    if value is None:
        return
    start, end = across.at(across.low if across.log else 0), across.at(value)
    yield (
        f'<rect class="s{colour % COLOURS}" x="{min(start, end):.1f}" y="{top:.1f}" width="{abs(end - start):.1f}" '
        f'height="{BAR - 1}"><title>{escape(f"{group}, {series.name}: {number_text(value)}")}</title></rect>'
    )
    spread = series.spread[number] if series.spread else None
    if spread is not None:
        low, high = map(across.at, spread)
        middle = top + (BAR - 1) / 2
        yield f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
        end = max(end, high)
    yield _text(end + 5, top + BAR - 2, number_text(value), "start", "soft")


def _grid_across(across: Scale, bottom: float, unit: str) -> Iterator[str]:
    for tick in across.ticks():
        place = across.at(tick)
        yield f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{bottom}"/>'
        yield _text(place, bottom + 15, number_text(tick), "middle", "soft")
    yield _text(WIDTH - RIGHT, bottom + 30, unit, "end", "soft")


def _lines(lines: Lines) -> str:
    points = list(chain.from_iterable(lines.series.values()))
    bottom = TOP + LINES_HEIGHT
    across = scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    upward = scale([y for _, y in points], bottom, TOP, log=lines.log)
    drawn = [*_grid_across(across, bottom, lines.x_unit), *_legend(list(lines.series))]
    for tick in upward.ticks():
        place = upward.at(tick)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>')
        drawn.append(_text(LEFT - 8, place + 4, number_text(tick), "end", "soft"))
    drawn.append(_text(LEFT - 60, TOP + LINES_HEIGHT / 2, lines.y_unit, "end", "soft"))
    for number, (name, series) in enumerate(lines.series.items()):
        places = " ".join(f"{across.at(x):.1f},{upward.at(y):.1f}" for x, y in series)
        title = f"<title>{escape(name)}</title>"
        drawn.append(f'<polyline class="s{number % COLOURS}" style="fill:none" points="{places}">{title}</polyline>')
    return _svg(bottom + BOTTOM, drawn, lines.title)


def _legend(names: Sequence[str]) -> Iterator[str]:
    """None for one name, nor for more names than colours: then the titles of the bars and lines say it."""
    if not 1 < len(names) <= COLOURS:
        return
    place = float(LEFT)
    for number, name in enumerate(names):
        yield f'<rect class="s{number}" x="{place:.0f}" y="4" width="10" height="10"/>'
        yield _text(place + 15, 13, name, "start")
        place += 40 + 7 * len(name)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, drawn: Sequence[str], title: str) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" role="img"'
    return f'{head} aria-label="{escape(title)}">\n' + "\n".join(drawn) + "\n</svg>"


def number_text(value: float) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 123, 12,345."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
