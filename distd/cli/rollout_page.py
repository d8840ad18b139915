"""The plan of a roll-out as a page: the verdict, key figures, plots and tables."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Final

from distd import __version__
from distd.domain.units import format_count, format_duration, format_rate, format_time, format_volume
from distd.report.html_page import write_page
from distd.report.page import Bars, Curve, KeyFigure, Lines, Series, Shape, Table, Tone, Verdict, time_unit, volume_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from distd.origin.deployments.rollout_forecasts import RolloutPlanShown
    from distd.report.page import Part
    from distd.simulation.records import Load, RolloutForecast

MAX_LOADS: Final = 20  # the busiest lines, and the busiest mirrors
SHARES: Final = (50, 90, 100)  # of all computers that have the package (%)
OF_WAVE: Final = (90, 100)  # of those of a wave
IN_PLAN: Final = "In a plan nothing fails, and a wave that is opened by hand opens as soon as it could."


def page(found: RolloutPlanShown) -> str:
    """The plan as one HTML file, beside what is measured where the roll-out has begun."""
    forecast, facts = found.forecast, {"made by": f"distd {__version__}"}
    facts["roll-out"] = f"{found.rollout}, {found.phase}, of the package {found.package_id}"
    facts["computers"] = f"{found.computers:,}"
    facts["the plan"] = f"{'made when it began' if found.is_kept else 'made now, to begin'} {_at(found, 0.0)}"
    if forecast is not None and forecast.one_in > 1:
        facts["simulated"] = f"one in {forecast.one_in:,} computers, so times and peaks are a little too high"
    facts["called as"] = shlex.join(["distd", *sys.argv[1:]])
    parts: list[Part] = [] if forecast is None else [IN_PLAN, *_plots(found, forecast), *_tables(found, forecast)]
    return write_page(f"Plan of the roll-out {found.rollout}", verdict(found), parts, facts, list(_key_figures(found)))


def verdict(found: RolloutPlanShown) -> Verdict:
    """When all are done by the plan; bad where some never are. Of one that has begun, whether it is late."""
    forecast, computers = found.forecast, format_count(found.computers, "computer")
    more = _progress(found)
    if forecast is None:
        return Verdict(Tone.WARN, "No plan", f"{computers} are not forecast: {found.why}.", more)
    end_s = forecast.finish_s[100]
    if end_s is None:
        done = forecast.curve[-1][1] if forecast.curve else 0.0
        sentence = f"By the plan {done:.0%} of {computers} have the package, and the others not within 35 days."
        return Verdict(Tone.BAD, "Incomplete", sentence, more)
    sentence = f"By the plan {computers} have the package after {format_duration(end_s)}, {_at(found, end_s)}."
    return Verdict(Tone.GOOD, "Complete", sentence, more)


def _progress(found: RolloutPlanShown) -> str:
    measured = found.measured
    if measured is None:
        return ""
    after = format_duration(max(measured.at_s - found.begins_at_s, 0.0))
    expected = "" if measured.expected is None else f", and {measured.expected:,} were to have it by now"
    return f"After {after} {format_count(measured.success, 'computer')} with success{expected}."


def _key_figures(found: RolloutPlanShown) -> Iterator[KeyFigure]:
    forecast, measured = found.forecast, found.measured
    yield KeyFigure("Computers", f"{found.computers:,}")
    if forecast is not None:
        for share, end_s in forecast.finish_s.items():
            if share in SHARES:
                at = "" if end_s is None else _at(found, end_s)
                yield KeyFigure(f"{share} % done after", _after(end_s), at)
        peak = f"peak {format_rate(forecast.origin.peak_bytes_per_s)}"
        yield KeyFigure("Sent by the origin", format_volume(forecast.origin.bytes), peak)
        if forecast.mirrors:
            yield KeyFigure("Sent by mirrors", format_volume(sum(load.bytes for load in forecast.mirrors)))
    if measured is not None:
        yield KeyFigure("Success now", f"{measured.success:,}", f"{format_volume(measured.sent_bytes)} sent")


def _plots(found: RolloutPlanShown, forecast: RolloutForecast) -> Iterator[Part]:
    measured = found.measured
    got = [] if measured is None else [(0.0, 0.0), *measured.curve]
    unit = time_unit(max((at_s for at_s, _ in (*forecast.curve, *got)), default=0.0))
    curves = [("planned", forecast.curve, True), *([("measured", got, False)] if measured else [])]
    if forecast.curve:
        drawn = [
            Curve(name, [(at_s / unit.seconds, 100 * share) for at_s, share in points], Shape.STEPS, dashed=planned)
            for name, points, planned in curves
        ]
        x_title, y_title = f"Time since the beginning, {unit.name}", "Share of the computers, %"
        yield Lines("Computers that have the package", x_title, y_title, drawn, x_steps=unit.steps)
    peaks = _busiest(forecast.lines)
    if len(peaks) > 1:
        rate, size = volume_unit(peaks[0].peak_bytes_per_s)
        bars = Series("peak", [load.peak_bytes_per_s / size for load in peaks])
        title = f"Rate in the busiest minute, {rate}/s"
        yield Bars("Peak of each line", title, [load.name for load in peaks], [bars])


def _tables(found: RolloutPlanShown, forecast: RolloutForecast) -> Iterator[Table]:
    measured = found.measured
    titles = ("Wave", "Computers", "Opens after", *(["opened"] if measured else []), *(f"{each} %" for each in OF_WAVE))
    rows = []
    for place, wave in enumerate(forecast.waves):
        opened = [_after(measured.opened_s[place], "") if place < len(measured.opened_s) else ""] if measured else []
        name = f"{wave.number}. {wave.name}".strip(". ") if wave.name else str(wave.number)
        rows.append((name, f"{wave.computers:,}", _after(wave.opens_s), *opened, *_done(wave.finish_s)))
    yield Table("Waves", titles, rows, "When so many percent of a wave's computers are done, since the beginning.")
    loads = [("origin", forecast.origin)]
    loads += [(f"line of {load.name}", load) for load in _busiest(forecast.lines)]
    loads += [(f"mirror of {load.name}", load) for load in _busiest(forecast.mirrors)]
    carried = [
        (name, format_volume(load.bytes), format_rate(load.peak_bytes_per_s), _after(load.peak_after_s))
        for name, load in loads
    ]
    yield Table("What lines and servers carry", ("Which", "In all", "Peak minute", "After"), carried)


def _busiest(loads: list[Load]) -> list[Load]:
    return sorted((load for load in loads if load.bytes), key=lambda load: -load.peak_bytes_per_s)[:MAX_LOADS]


def _done(finish_s: Mapping[int, float | None]) -> list[str]:
    return [_after(finish_s.get(share)) for share in OF_WAVE]


def _after(at_s: float | None, never: str = "never") -> str:
    return never if at_s is None else format_duration(at_s)


def _at(found: RolloutPlanShown, after_s: float) -> str:
    return format_time(found.begins_at_s + after_s)
