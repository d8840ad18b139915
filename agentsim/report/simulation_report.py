"""The report of a simulated deployment: as tables, as a page."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Final

import numpy as np

from agentsim.report.page import Bars, Lines, Series, Table, write_page
from distd import __version__
from distd.domain.units import format_duration, format_rate, format_volume
from distd.simulation.records import SHARES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distd.simulation.records import Finish, Load, Summary
    from distd.simulation.simulate import SimulationResult
    from distd.simulation.world import World

MAX_ROWS: Final = 20
MAX_POINTS: Final = 400  # of a curve on the page


def tables(summary: Summary) -> Iterator[Table]:
    """When all agents are through, and what each line and mirror carries."""
    head = ("Package", "agents", *(f"{share} %" for share in SHARES), "never")
    rows = [_finish_row(name, finish) for name, finish in summary.packages.items()]
    if len(rows) > 1:
        rows.append(_finish_row("all", summary.all))
    yield Table("Through after", head, rows)
    if any(summary.contact_wait_s.values()):
        waits = [format_duration(summary.contact_wait_s[share]) for share in SHARES]
        yield Table("First contacts", ("", *head[2:-1]), [["answered within", *waits]])
    head = ("Line", "bytes", "peak", "after")
    yield Table("Most in a minute", head, [_load_row(summary.origin), *_largest("line of ", summary.lines)])
    if summary.mirrors:
        yield Table("Mirrors", head, _largest("mirror of ", summary.mirrors))


def _finish_row(name: str, finish: Finish) -> list[str]:
    times = [format_duration(finish.after_s[share]) for share in SHARES]
    return [name, f"{finish.done + finish.never:,}", *times, f"{finish.never:,}" if finish.never else ""]


def _largest(kind: str, loads: Sequence[Load]) -> list[list[str]]:
    chosen = sorted(loads, key=lambda load: -load.peak_bytes_per_s)
    rows = [_load_row(load, kind) for load in chosen[:MAX_ROWS]]
    if len(chosen) > MAX_ROWS:
        rows.append([f"and {len(chosen) - MAX_ROWS} with less", "", "", ""])
    return rows


def _load_row(load: Load, kind: str = "") -> list[str]:
    return [
        kind + load.name,
        format_volume(load.bytes),
        format_rate(load.peak_bytes_per_s),
        format_duration(load.peak_after_s),
    ]


def page(world: World, outcome: SimulationResult, summary: Summary) -> str:
    """The forecast as one HTML file."""
    config = world.config
    facts = {
        "made by": f"agentsim {__version__}",
        "agents": f"{summary.agents:,} (sites: {len(world.sites)})",
        "packages": ", ".join(
            f"{package.id} (priority {package.priority}, fragments: {len(package.lengths)})"
            for package in world.packages
        ),
        "latencies": f"fragment {config.frag_latency_s} s, cycle {config.cycle_latency_s} s, "
        f"period {config.period_latency_s} s, {config.period_length} cycles a period",
        "called as": shlex.join(["agentsim", *sys.argv[1:]]),
    }
    curve = {"all": [(at_s / 3600, share * 100) for at_s, share in summary.curve]}
    peaks = sorted(summary.lines, key=lambda load: -load.peak_bytes_per_s)[:MAX_ROWS]
    bars = Series("peak", [load.peak_bytes_per_s / 1e6 for load in peaks])
    return write_page(
        "Forecast of a deployment",
        facts,
        [
            *tables(summary),
            Lines("Agents that are through", "hours", "%", curve),
            Lines("Sent by the minute", "hours", "MB/s", dict(_flows(world, outcome))),
            Bars("Peak of each line", "MB/s", [load.name for load in peaks], [bars]),
        ],
    )


def _flows(world: World, outcome: SimulationResult) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    yield "origin", _thinned(outcome.origin_bytes)
    if any(site.mirror for site in world.sites):
        yield "mirrors", _thinned(outcome.mirror_bytes.sum(axis=0))


def _thinned(by_minute: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[tuple[float, float]]:
    """(hour, MB/s): the largest of each step of minutes, so that no peak is lost."""
    step = max(-(-len(by_minute) // MAX_POINTS), 1)
    starts = np.arange(0, len(by_minute), step)
    if not len(starts):
        return [(0.0, 0.0)]
    peaks = np.maximum.reduceat(by_minute, starts)
    return [(float(at) / 60, float(most) / 60e6) for at, most in zip(starts, peaks, strict=True)]
