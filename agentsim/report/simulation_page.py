"""The report of a simulated deployment as a page: the verdict, key figures, plots and tables."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Final

import numpy as np

from agentsim.report.simulation_report import MAX_ROWS, tables
from distd import __version__
from distd.domain.units import format_count, format_duration, format_rate, format_volume
from distd.report.html_page import write_page
from distd.report.page import (
    Bars,
    Curve,
    KeyFigure,
    Lines,
    Series,
    Shape,
    Tone,
    Verdict,
    time_unit,
    volume_unit,
)
from distd.simulation.records import SHARES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distd.report.page import Part
    from distd.simulation.records import Summary
    from distd.simulation.simulate import SimulationResult
    from distd.simulation.world import World

MAX_POINTS: Final = 400  # of a curve on the page


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
    parts: list[Part] = [*_plots(world, outcome, summary), *tables(summary)]
    return write_page("Forecast of a deployment", verdict(summary), parts, facts, list(_key_figures(summary)))


def verdict(summary: Summary) -> Verdict:
    """When most agents and all are through; bad where some never are."""
    finish, agents = summary.all, format_count(summary.agents, "agent")
    busiest = summary.worst_line
    more = ""
    if busiest is not None and busiest.bytes:
        peak = f"{format_rate(busiest.peak_bytes_per_s)}, after {format_duration(busiest.peak_after_s)}"
        more = f"The busiest line is that of {busiest.name}: {peak}."
    if finish.never:
        begin = f"{finish.never:,} of {agents} never {'gets' if finish.never == 1 else 'get'} all packages"
        reached = [share for share in SHARES if finish.after_s[share] is not None]
        if not reached:
            return Verdict(Tone.BAD, "Not deployed", f"{begin}.", more)
        after = format_duration(finish.after_s[reached[-1]])
        return Verdict(Tone.BAD, "Incomplete", f"{begin}; {reached[-1]} % have them after {after}.", more)
    most, last = (format_duration(finish.after_s[share]) for share in (95, 100))
    if most == last and summary.agents > 1:
        return Verdict(Tone.GOOD, "Complete", f"All {agents} have all packages after {last}.", more)
    if summary.agents == 1:
        return Verdict(Tone.GOOD, "Complete", f"The agent has all packages after {last}.", more)
    return Verdict(
        Tone.GOOD, "Complete", f"95 % of {agents} have all packages after {most}, and all after {last}.", more
    )


def _key_figures(summary: Summary) -> Iterator[KeyFigure]:
    yield KeyFigure("Agents", f"{summary.agents:,}")
    for share in (50, 95, 100):
        yield KeyFigure(f"{share} % through after", format_duration(summary.all.after_s[share]))
    yield KeyFigure("Never through", f"{summary.all.never:,}")
    sent = f"peak {format_rate(summary.origin.peak_bytes_per_s)}"
    yield KeyFigure("Sent by the origin", format_volume(summary.origin.bytes), sent)
    if summary.mirrors:
        yield KeyFigure("Sent by mirrors", format_volume(sum(mirror.bytes for mirror in summary.mirrors)))


def _plots(world: World, outcome: SimulationResult, summary: Summary) -> Iterator[Lines | Bars]:
    end_s = max(60.0 * len(outcome.origin_bytes), *(at_s for at_s, _ in summary.curve), 0.0)
    unit = time_unit(end_s)
    end = end_s / unit.seconds
    x_title = f"Time since the first contact was due, {unit.name}"
    if summary.curve:
        reached = Curve("", [(at_s / unit.seconds, share * 100) for at_s, share in summary.curve], Shape.STEPS)
        title = "Agents that have all packages"
        yield Lines(title, x_title, "Share of the agents, %", [reached], x_steps=unit.steps, x_end=end)
    step_min = max(-(-len(outcome.origin_bytes) // MAX_POINTS), 1)
    sent = {"origin": outcome.origin_bytes}
    if any(site.mirror for site in world.sites):
        sent["mirrors"] = outcome.mirror_bytes.sum(axis=0)
    rate, size = volume_unit(
        max((int(by_minute.max()) for by_minute in sent.values() if len(by_minute)), default=0) / 60
    )
    curves = [
        Curve(name, _thinned(by_minute, step_min, unit.seconds, size), Shape.STEPS, step_min * 60 / unit.seconds)
        for name, by_minute in sent.items()
    ]
    if len(outcome.origin_bytes):
        each = "by the minute" if step_min == 1 else f"in the busiest of each {step_min} minutes"
        yield Lines("Sent", x_title, f"Rate {each}, {rate}/s", curves, x_steps=unit.steps, x_end=end)
    peaks = sorted(summary.lines, key=lambda load: -load.peak_bytes_per_s)[:MAX_ROWS]
    if len(peaks) > 1:
        rate, size = volume_unit(peaks[0].peak_bytes_per_s)
        bars = Series("peak", [load.peak_bytes_per_s / size for load in peaks])
        yield Bars("Peak of each line", f"Rate in the busiest minute, {rate}/s", [load.name for load in peaks], [bars])


def _thinned(
    by_minute: np.ndarray[tuple[int, ...], np.dtype[np.int64]], step_min: int, unit_s: float, size: float
) -> list[tuple[float, float]]:
    """(time, rate in units of `size` bytes a second): the largest of each step of minutes, so that no peak is lost."""
    starts = np.arange(0, len(by_minute), step_min)
    peaks = np.maximum.reduceat(by_minute, starts) if len(starts) else starts
    return [(float(at) * 60 / unit_s, float(most) / 60 / size) for at, most in zip(starts, peaks, strict=True)]
