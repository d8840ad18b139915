"""The results of `make bench-transfer`: tables for the terminal, the page, the README; the figures as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from statistics import geometric_mean
from typing import TYPE_CHECKING

from distd.report.html_page import write_page
from distd.report.page import Bars, Curve, KeyFigure, Lines, Series, Shape, Table, number_text
from loadtests.measure import CONNECTIONS, FIGURES, LOWEST_GOAL, goals
from loadtests.results import judgement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from distd.report.page import Part
    from loadtests.measure import Goal, Result

TITLE = "Fragments beside nginx and Apache"
ABOUT = (
    "Each cell is a size of fragment and a number of connections. All servers serve the same folder on one machine and "
    "are loaded in turn, round after round; a ratio is the median of the rounds' ratios of requests/s to the nginx "
    "configuration that is the best of that cell, with the lowest and the highest in brackets. Server and load share "
    "the machine: read the ratios and the CPU time, not the requests. Where the load's CPU is busy, the load limits."
)
TOO_FEW = "–: too few answers in a slice for that percentile (100 for p99, 1,000 for p99.9)."
MARKERS = "<!-- transfer:begin -->", "<!-- transfer:end -->"


@dataclass(frozen=True, slots=True)
class Run:
    """All results of a run; `facts`: where the figures come from."""

    facts: Mapping[str, str]
    results: Sequence[Result]

    @property
    def goals(self) -> list[Goal]:
        """Those for which there are figures."""
        return goals(self.results)

    @property
    def failures(self) -> list[str]:
        """A line for each slice that failed."""
        return [line for result in self.results for line in result.failures()]


def speed(run: Run) -> Table:
    """Requests/s and ratios, a row for each cell."""
    columns = ("cell", "distd /s", "MB/s", "best nginx", "nginx /s", "distd/nginx", "Apache /s", "distd/Apache")
    return Table("Speed", columns, [_speed_row(result) for result in run.results])


def _speed_row(result: Result) -> list[str]:
    best = result.best_nginx
    return [
        str(result.cell),
        _shown(result, "distd", "requests/s"),
        _shown(result, "distd", "MB/s"),
        best.removeprefix("nginx "),
        _shown(result, best, "requests/s"),
        str(result.ratio or "failed"),
        _shown(result, "Apache", "requests/s"),
        str(result.ratio_to("Apache") or "failed"),
    ]


def cost(run: Run) -> Table:
    """distd, the best nginx and Apache side by side."""
    shown = ("p50 ms", "p99 ms", "p99.9 ms", "CPU µs/request", "CPU s/GB", "memory MB")
    rows = [[str(result.cell), *(_three(result, figure) for figure in shown)] for result in run.results]
    return Table("Latency and cost: distd | best nginx | Apache", ("cell", *shown), rows, note=TOO_FEW)


def _three(result: Result, figure: str) -> str:
    return " | ".join(_shown(result, name, figure) for name in ("distd", result.best_nginx, "Apache"))


def everything(run: Run) -> Table:
    """All figures, a row for each cell and server."""
    rows = [
        [str(result.cell), name, *(_shown(result, name, figure) for figure in FIGURES)]
        for result in run.results
        for name in result.slices
    ]
    return Table("All figures: medians of the rounds", ("cell", "server", *FIGURES), rows, note=TOO_FEW)


def judged(run: Run) -> Table:
    """The goals."""
    rows = [[goal.what, goal.value, goal.goal, goal.verdict] for goal in run.goals]
    return Table("Goals", ("what", "found", "goal", ""), rows)


def _shown(result: Result, name: str, figure: str) -> str:
    value = result.median(name, figure)
    if value is not None:
        return number_text(value)
    return "–" if result.answered(name) else "failed"


def html(run: Run) -> str:
    """The page with plots."""
    verdict, goal_table = judgement([judged(run)], len(run.failures)), judged(run)
    parts: list[Part] = [ABOUT, goal_table, _ratio_bars(run), speed(run), *_failure_parts(run), cost(run)]
    parts += [*(_points(run, figure) for figure in PLOTS), _rounds(run), everything(run)]
    return write_page(TITLE, verdict, parts, run.facts, list(_key_figures(run)))


# Figure → title, and title of its axis.
PLOTS = {
    "MB/s": ("Speed", "Received, MB/s"),
    "p99 ms": ("Latency", "99th percentile, ms"),
    "CPU µs/request": ("CPU time of a request", "CPU time, µs/request"),
    "CPU s/GB": ("CPU time of a gigabyte", "CPU time, s/GB"),
    "memory MB": ("Memory", "Memory, MB"),
}


def _key_figures(run: Run) -> Iterator[KeyFigure]:
    for goal in run.goals:
        if "geometric mean" in goal.what or "lowest" in goal.what:
            value, _, cell = goal.value.partition(":")
            yield KeyFigure(goal.what, value, f"goal {goal.goal}{f',{cell}' if cell else ''}")


def _failure_parts(run: Run) -> list[Table]:
    return [Table("Failed, and not counted", ("slice",), [[line] for line in run.failures])] if run.failures else []


def _ratio_bars(run: Run) -> Bars:
    ratios = [result.ratio for result in run.results]
    medians = [ratio.median if ratio else None for ratio in ratios]
    series = Series("distd / best nginx", medians, [(ratio.low, ratio.high) if ratio else None for ratio in ratios])
    marks = {f"{LOWEST_GOAL:.2f}": LOWEST_GOAL, "1": 1.0}
    note = "Median of the paired rounds; the thin line goes from the lowest to the highest."
    return Bars("Requests/s: distd to the best nginx", "Ratio", _cells(run), [series], marks, note=note)


def _points(run: Run, figure: str) -> Bars:
    names = list(run.results[0].slices)
    series = [Series(name, [result.median(name, figure) for result in run.results]) for name in names]
    title, value_title = PLOTS[figure]
    return Bars(title, value_title, _cells(run), series, log=True, note="Medians of the rounds.")


def _rounds(run: Run) -> Lines:
    plain = [result for result in run.results if not result.cell.tls]
    tls = [result for result in run.results if result.cell.tls]
    curves = [
        Curve(name, means, Shape.POINTS)
        for name, results in (("HTTP", plain), ("TLS", tls))
        if (means := _means(results))
    ]
    note = "Geometric mean over the cells in which no round failed: how far the rounds agree."
    y_title = "Requests/s: distd / best nginx"
    return Lines("Ratios round by round", "Round", y_title, curves, note=note, x_steps=(1, 2, 5, 10))


def _means(results: Sequence[Result]) -> list[tuple[float, float]]:
    """(round, geometric mean of the cells' ratios in it)."""
    complete = [
        result.ratio.rounds
        for result in results
        if result.ratio and len(result.ratio.rounds) == len(result.slices["distd"])
    ]
    return [(float(number), geometric_mean(ratios)) for number, ratios in enumerate(zip(*complete, strict=True), 1)]


def _cells(run: Run) -> list[str]:
    return [str(result.cell) for result in run.results]


def as_json(run: Run) -> str:
    """Facts, goals, failures and every slice."""
    cells = [
        {
            **asdict(result.cell),
            "best_nginx": result.best_nginx,
            "ratio": asdict(result.ratio) if result.ratio else None,
            "medians": {name: {key: result.median(name, key) for key in FIGURES} for name in result.slices},
            "slices": {name: [asdict(piece) for piece in slices] for name, slices in result.slices.items()},
        }
        for result in run.results
    ]
    found = {"facts": run.facts, "goals": [asdict(goal) for goal in run.goals], "failures": run.failures}
    return json.dumps({**found, "cells": cells}, indent=1, ensure_ascii=False) + "\n"


def markdown(run: Run) -> str:
    """A row for each kind of cell: the ratios, and speed and cost at the middle number of connections."""
    middle = CONNECTIONS[1]
    head = [*(f"c = {count}" for count in CONNECTIONS), f"requests/s at {middle}", "nginx", "CPU µs a request", "nginx"]
    kinds = dict.fromkeys(result.cell.kind for result in run.results)
    found = {(result.cell.kind, result.cell.connections): result for result in run.results}
    rows = [[kind, *(_ratio_text(found.get((kind, count))) for count in CONNECTIONS)] for kind in kinds]
    for row in rows:
        row += _at_middle(found.get((row[0], middle)))
    judgement = [[goal.what, goal.value, goal.goal, goal.verdict] for goal in run.goals]
    return "\n\n".join(
        (
            _markdown_table(["distd / best nginx", *head], rows),
            _markdown_table(["goal", "found", "wanted", ""], judgement),
            _origin(run.facts),
        )
    )


def _origin(facts: Mapping[str, str]) -> str:
    known = ", ".join(facts[name] for name in ("date", "machine", "versions"))
    return f"{known}, commit {facts['commit']}; `{facts['command']}`, {facts['rounds']}."


def _ratio_text(result: Result | None) -> str:
    return "" if result is None else str(result.ratio or "failed")


def _at_middle(result: Result | None) -> list[str]:
    if result is None:
        return [""] * 4
    names = "distd", result.best_nginx
    return [_shown(result, name, figure) for figure in ("requests/s", "CPU µs/request") for name in names]


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def put_between_markers(text: str, table: str) -> str:
    """`text` with `table` between the markers. Raises `ValueError` where they are missing."""
    begin, end = MARKERS
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"expected {begin} and {end}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def write(run: Run, folder: Path) -> None:
    """Write `transfer.json` and `transfer.html`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "transfer.json").write_text(as_json(run))
    (folder / "transfer.html").write_text(html(run))
