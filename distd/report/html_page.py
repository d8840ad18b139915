"""A page of figures: one HTML file that loads nothing, with tables and bars for every reader and curves by uPlot.

Without JavaScript only the curves are missing, whose figures stand in tables below them. The page's policy allows its
own style and scripts, by their digests, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from distd.domain.visible import visible
from distd.report.page import Bars, Lines, Shape, StackedBar, Table, Tone, number_text
from distd.report.scale import scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from distd.report.page import Curve, KeyFigure, Part, Verdict

# A table, or bars, of more than that have the page's whole width.
MAX_CHARACTERS: Final = 72
MAX_LINES: Final = 40
FIRST_COLUMN: Final = 24  # characters at which it is wrapped
COLOURS: Final = 6
MAX_NUMBER: Final = 26  # characters: what is longer is a text, though it begins with a digit
_NUMBER: Final = re.compile(r"(|[-+–≤≥<>~]?\s*\d.*|[-–—]|never|none|failed|nan|inf)")
CELL_TONES: Final[Mapping[str, Tone]] = {
    "met": Tone.GOOD,
    "holds": Tone.GOOD,
    "within the noise": Tone.WARN,
    "NOT MET": Tone.BAD,
    "FAILS": Tone.BAD,
    "failed": Tone.BAD,
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A style or a script as it stands in the page."""

    text: str

    @property
    def digest(self) -> str:
        """As a Content-Security-Policy names it."""
        return f"'sha256-{base64.b64encode(hashlib.sha256(self.text.encode()).digest()).decode()}'"


class Width(StrEnum):
    """Of a panel."""

    WHOLE = "whole"
    HALF = "half"
    ALONE = "alone"  # would do with half, but has no other beside it


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the page as the template draws it. `kind`: which macro."""

    kind: str
    title: str
    note: str
    width: Width
    body: Mapping[str, Any]


def write_page(
    title: str,
    verdict: Verdict,
    parts: Sequence[Part],
    facts: Mapping[str, str],
    figures: Sequence[KeyFigure] = (),
) -> str:
    """The whole page. `facts`: where the figures come from, at the end. A text among `parts` becomes a paragraph."""
    # Only here: a command that writes no page shall not wait for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("distd.report"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":"), "ensure_ascii": False}
    styles = [_asset("uplot/uPlot.min.css"), _asset("page.css")]
    scripts = [_asset("uplot/uPlot.iife.min.js"), _asset("plots.js")]
    panels = list(_paired([_panel(part) for part in parts]))
    plots = [panel.body["plot"] for panel in panels if panel.kind == "lines"]
    if not plots:
        styles, scripts = styles[1:], []
    return environment.get_template("page.html.jinja").render(
        title=title,
        verdict=verdict,
        figures=figures,
        facts=facts,
        panels=panels,
        plots=plots,
        styles=styles,
        scripts=scripts,
        licence=_asset("uplot/LICENSE").text if plots else "",
        tones=CELL_TONES,
    )


def _asset(name: str) -> Asset:
    return Asset((resources.files("distd.report") / "static" / name).read_text("utf-8"))


def _paired(panels: Sequence[Panel]) -> Iterator[Panel]:
    """Two panels of half the width and of one kind stand in a row; any other has the page's whole width."""
    left = deque(panels)
    while left:
        panel = left.popleft()
        if panel.width is Width.HALF and left and (left[0].width, left[0].kind) == (panel.width, panel.kind):
            yield panel
            yield left.popleft()
        else:
            yield replace(panel, width=Width.WHOLE if panel.width is Width.WHOLE else Width.ALONE)


def _panel(part: Part) -> Panel:
    match part:
        case str():
            return Panel("text", "", "", Width.WHOLE, {"text": part})
        case Table():
            return Panel("table", part.title, part.note, _width(_characters(part) > MAX_CHARACTERS), _table(part))
        case StackedBar():
            return Panel("stack", part.title, "", Width.WHOLE, _stack(part))
        case Bars():
            lines = len(part.groups) * (1 if part.log else len(part.series))
            return Panel("bars", part.title, part.note, _width(lines > MAX_LINES), _bars(part))
        case Lines():
            return Panel("lines", part.title, part.note, Width.HALF, _lines(part))


def _width(is_large: bool) -> Width:
    return Width.WHOLE if is_large else Width.HALF


# --- tables ------------------------------------------------------------------------------------------------------


def _table(table: Table) -> dict[str, Any]:
    numbers = [bool(place) and _holds_numbers(table.rows, place) for place in range(len(table.columns))]
    return {"columns": list(zip(table.columns, numbers, strict=True)), "rows": table.rows}


def _characters(table: Table) -> int:
    """How wide a row is, where each column is as wide as its longest cell."""
    first, *others = (max(map(len, cells)) for cells in zip(table.columns, *table.rows, strict=True))
    return min(first, FIRST_COLUMN) + sum(width + 2 for width in others)


def _holds_numbers(rows: Sequence[Sequence[str]], place: int) -> bool:
    """Whether a column is to the right: numbers with their units, or none; a judgement is a text."""
    cells = [row[place] for row in rows]
    return all(len(cell) <= MAX_NUMBER and _NUMBER.fullmatch(cell) for cell in cells)


# --- bars --------------------------------------------------------------------------------------------------------


def _stack(bar: StackedBar) -> dict[str, Any]:
    parts = [(name, count, tone) for name, count, tone in bar.parts if count]
    total = sum(count for _, count, _ in parts)
    start, drawn = 0.0, []
    for name, count, tone in parts:
        width = 100 * count / total
        drawn.append({"name": name, "count": count, "tone": tone, "x": start, "width": width})
        start += width
    return {"noun": bar.noun, "total": total, "parts": drawn}


def _bars(bars: Bars) -> dict[str, Any]:
    """Places in per cent of the axis. A group of bars has a line for each series; one of points has one for all."""
    values = [value for series in bars.series for value in series.values if value is not None]
    spreads = [value for series in bars.series for pair in series.spread if pair is not None for value in pair]
    across = scale([*values, *spreads, *bars.marks.values()], log=bars.log)
    zero = 0.0 if bars.log else across.at(0)
    groups = []
    for number, group in enumerate(bars.groups):
        drawn = []
        for colour, series in enumerate(bars.series):
            value = series.values[number]
            if value is None:
                continue
            spread = series.spread[number] if series.spread else None
            place = across.at(value)
            drawn.append(
                {
                    "name": series.name,
                    "text": number_text(value),
                    "colour": colour % COLOURS,
                    "line": 0 if bars.log else colour,
                    "place": place,
                    "x": min(zero, place),
                    "width": abs(place - zero),
                    "spread": None if spread is None else [across.at(end) for end in spread],
                }
            )
        groups.append({"name": group, "values": drawn})
    return {
        "value_title": _axis_title(bars.value_title, bars.log),
        "log": bars.log,
        "lines": 1 if bars.log else len(bars.series),
        "groups": groups,
        "names": [series.name for series in bars.series] if len(bars.series) > 1 else [],
        "ticks": [(across.at(tick), number_text(tick)) for tick in across.ticks()],
        "marks": [(across.at(value), label) for label, value in sorted(bars.marks.items(), key=lambda pair: pair[1])],
    }


def _axis_title(title: str, log: bool) -> str:
    return f"{title}, logarithmic" if log else title


# --- curves ------------------------------------------------------------------------------------------------------


def _lines(lines: Lines) -> dict[str, Any]:
    """`plot`: what `static/plots.js` draws; `table`: the same points as a table, a row for each x."""
    plot = {
        "label": lines.title,
        "x_title": lines.x_title,
        "y_title": _axis_title(lines.y_title, lines.log),
        "log": lines.log,
        "x_steps": list(lines.x_steps),
        "x_end": lines.x_end,
        "curves": [_drawn(curve, lines.log) for curve in lines.curves],
    }
    by_x: dict[float, list[str]] = {}
    for place, curve in enumerate(lines.curves):
        for x, y in curve.points:
            by_x.setdefault(x, [""] * len(lines.curves))[place] = number_text(y)
    rows = [[_place_text(x), *cells] for x, cells in sorted(by_x.items())]
    names = [curve.name or lines.y_title for curve in lines.curves]
    table = _table(Table(lines.title, (lines.x_title, *names), rows))
    return {"plot": plot, "table": table, "names": len(lines.curves) > 1}


def _place_text(x: float) -> str:
    """To a thousandth: with three digits points far along the axis would have the same text."""
    return f"{x:,.3f}".rstrip("0").rstrip(".")


def _drawn(curve: Curve, log: bool) -> dict[str, Any]:
    points = list(_placed(curve))
    return {
        "name": curve.name,
        "shape": curve.shape,
        "dashed": curve.dashed,
        "gaps": curve.width is not None,
        "x": [x for x, _ in points],
        "y": [_shown(y, log) for _, y in points],
    }


def _placed(curve: Curve) -> Iterator[tuple[float, float | None]]:
    """The points; of steps with a width also where one ends without another: None, at the last one its value again."""
    if curve.shape is not Shape.STEPS or curve.width is None:
        yield from curve.points
        return
    for number, (x, y) in enumerate(curve.points, 1):
        yield x, y
        end = x + curve.width
        if number == len(curve.points):
            yield end, y
        elif curve.points[number][0] > end + curve.width / 1000:
            yield end, None


def _shown(y: float | None, log: bool) -> float | None:
    """None also for what cannot be drawn: no number, or not above 0 on a logarithmic axis."""
    return None if y is None or not math.isfinite(y) or (log and y <= 0) else y


def _visible(value: object) -> object:
    """What a template prints: texts as they can be shown; markup, which is of a class of its own, as it is."""
    return visible(value, "\n\t") if type(value) is str else value
