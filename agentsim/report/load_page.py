"""The report of a run as a page: the verdict, key figures, tables and plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agentsim.fleet.counters import State
from agentsim.fleet.options import Arrivals
from agentsim.fleet.thresholds import in_unit
from agentsim.fleet.totals import PERCENTILES, interval_length_s
from agentsim.report.load_report import milliseconds, summary_line, tables
from distd.domain.units import format_count, format_duration, format_rate, format_volume
from distd.report.html_page import write_page
from distd.report.page import (
    Bars,
    Curve,
    KeyFigure,
    Lines,
    Series,
    Shape,
    StackedBar,
    Tone,
    Verdict,
    number_text,
    time_unit,
    volume_unit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from distd.report.page import Part

TONES: Final = {State.DONE: Tone.GOOD, State.FAILED: Tone.BAD, State.VANISHED: Tone.WARN}


def page(report: Mapping[str, Any]) -> str:
    """One HTML file of a report that `load_report.as_json` made."""
    order = report["order"]
    facts = {
        **report["facts"],
        "server": order["server"],
        "agents": f"{order['agents']:,}, {', '.join(order['dialects'])}",
        "arrival": _arrival(order["arrival"]),
        "time scale": f"{order['time_scale']:g}",
        "seed": str(order["seed"]),
        "behaviour": ", ".join(f"{name} {share:.3g}" for name, share in _faults(order["shares"])) or "none",
        "latencies": ", ".join(f"{name} {value}" for name, value in report["told"].items()) or "none told",
    }
    # What the verdict is about comes first; the table of states is drawn.
    shown = [table for table in tables(report) if table.title != "Agents" and table.rows]
    goals = [table for table in shown if table.title == "Thresholds"]
    parts: list[Part] = [states(report), *goals, *plots(report), *(table for table in shown if table not in goals)]
    title = f"{format_count(order['agents'], 'agent')} against {order['server']}"
    return write_page(title, verdict(report), parts, facts, list(_key_figures(report)))


# --- the verdict -------------------------------------------------------------------------------------------------


def is_passed(report: Mapping[str, Any]) -> bool:
    """As the exit status says it: see `thresholds.is_passed`."""
    figures, goals = report["figures"], report["thresholds"]
    if report["interrupted"]:
        return False
    if goals:
        return all(goal["holds"] for goal in goals)
    return bool(figures["done"] + figures["vanished"] == figures["agents"])


def verdict(report: Mapping[str, Any]) -> Verdict:
    """How the run ended."""
    figures = report["figures"]
    passed, more = is_passed(report), f"{summary_line(report)}."
    if report["interrupted"]:
        sentence = f"Interrupted after {format_duration(figures['duration'])}: {_through(report)} by then."
        return Verdict(Tone.WARN, "Interrupted", sentence, more.removeprefix("Interrupted. "))
    tone, word = (Tone.GOOD, "Passed") if passed else (Tone.BAD, "Failed")
    if not figures["requests"]:
        sentence = f"Nothing was measured: no request of {format_count(figures['agents'], 'agent')} came to an end."
        return Verdict(Tone.NEUTRAL if passed else tone, word, sentence)
    failing = [goal for goal in report["thresholds"] if not goal["holds"]]
    if failing:
        shown = "; ".join(f"{goal['text']} was {in_unit(goal['text'], goal['value'])}" for goal in failing)
        return Verdict(
            tone, word, f"{_count(failing, report)} not met: {shown}.", f"{_sentence(_through(report))} {more}"
        )
    if report["thresholds"]:
        met = f"{format_count(len(report['thresholds']), 'threshold')} met"
        return Verdict(tone, word, f"{_sentence(_through(report), met)}", more)
    return Verdict(tone, word, _sentence(_through(report), *_missing(report)), more)


def _count(failing: Sequence[object], report: Mapping[str, Any]) -> str:
    count = len(report["thresholds"])
    if count == 1:
        return "The threshold was"
    return f"{len(failing)} of {count} thresholds {'was' if len(failing) == 1 else 'were'}"


def _sentence(*clauses: str) -> str:
    return f"{'; '.join(clauses)}."


def _through(report: Mapping[str, Any]) -> str:
    figures = report["figures"]
    count = f"{figures['done']:,} of {format_count(figures['agents'], 'agent')}"
    if not report["packages"]:
        return f"{count} ended well, and none was given a package"
    return f"{count} {'has' if figures['done'] == 1 else 'have'} deployed all that was assigned"


def _missing(report: Mapping[str, Any]) -> list[str]:
    """What became of the agents that are not through."""
    figures = report["figures"]
    named = [f"{figures[name]:,} {name}" for name in ("failed", "lost", "vanished") if figures[name]]
    others = figures["agents"] - sum(figures[name] for name in ("done", "failed", "lost", "vanished"))
    if others:
        named.append(f"{others:,} had not ended")
    return [", ".join(named)] if named else []


def _key_figures(report: Mapping[str, Any]) -> Iterator[KeyFigure]:
    figures = report["figures"]
    yield KeyFigure("Success", _percent(figures["success"]), "of the agents")
    if report["packages"]:
        simulated = report["forecast_finish_s"]
        note = f"simulated: {format_duration(simulated['95'])}" if simulated else ""
        after_s = figures["finish_p95"]
        yield KeyFigure("95 % through after", "not reached" if after_s is None else format_duration(after_s), note)
    if "fragment_p99" in figures:
        note = f"p50: {milliseconds(figures['fragment_p50'])} ms"
        yield KeyFigure("Fragment p99", f"{milliseconds(figures['fragment_p99'])} ms", note)
    received = format_volume(figures["bytes"])
    yield KeyFigure("Fragments", f"{number_text(figures['fragments_per_s'])}/s", f"{figures['fragments']:,} in all")
    yield KeyFigure("Received", format_rate(figures["bytes_per_s"]), f"{received} in all")
    yield KeyFigure("Failed requests", _percent(figures["errors"]), f"of {figures['requests']:,}")
    yield KeyFigure("Duration", format_duration(figures["duration"]))


def _percent(share: float) -> str:
    """99.98 % is not 100 %, nor 0.003 % none: rounded towards the inside."""
    text = f"{share:.2%}" if not 0.99995 <= share < 1 else "> 99.99%"
    text = "< 0.01%" if 0 < share < 0.00005 else text
    return text.replace(".00%", "%").replace("%", " %")


# --- plots and tables --------------------------------------------------------------------------------------------


def states(report: Mapping[str, Any]) -> StackedBar:
    """In which state the agents ended; those that ended well first."""
    counts = report["states"]
    order = (State.DONE, State.DOWNLOADING, State.CONTACT, State.ASLEEP, State.IDLE, State.AWAITED, State.VANISHED)
    named = [(state.name.lower(), TONES.get(state, Tone.NEUTRAL)) for state in (*order, State.FAILED)]
    parts = [(name, counts[name], tone) for name, tone in named]
    return StackedBar("Agents at the end", "agents", [*parts, ("lost", report["figures"]["lost"], Tone.BAD)])


def plots(report: Mapping[str, Any]) -> Iterator[Bars | Lines]:
    """Those for which the report has figures."""
    duration_s = report["figures"]["duration"]
    end_s = max([duration_s, *(at_s for at_s, _ in report["forecast"] or ())])
    unit = time_unit(end_s)
    scale = report["order"]["time_scale"]
    faster = f"; latencies pass {scale:g} times as fast" if scale != 1 else ""
    x_title = f"Time since the beginning, {unit.name}{faster}"

    def lines(title: str, y_title: str, curves: Sequence[Curve], *, log: bool = False) -> Lines:
        return Lines(title, x_title, y_title, curves, log, x_steps=unit.steps, x_end=end_s / unit.seconds)

    def by_interval(name: str, field: str, factor: float) -> Curve:
        points = [
            (row["at_s"] / unit.seconds, row[field] * factor) for row in report["course"] if row[field] is not None
        ]
        return Curve(name, points, Shape.STEPS, interval_length_s(duration_s) / unit.seconds)

    if report["completion"]:
        yield lines(
            "Agents that have all their packages", "Share of the agents, %", list(_completion(report, unit.seconds))
        )
    if report["course"]:
        yield lines("Fragments", "Fragments per second", [by_interval("", "fragments_per_s", 1)])
        name, size = volume_unit(max(row["bytes_per_s"] for row in report["course"]))
        yield lines("Received", f"Rate, {name}/s", [by_interval("", "bytes_per_s", 1 / size)])
    latencies = [
        by_interval("max" if percentile == 100 else f"p{percentile:g}", f"fragment_p{percentile:g}_s", 1000)
        for percentile in reversed(PERCENTILES)
    ]
    if any(curve.points for curve in latencies):
        yield lines("Latency of fragments, from the due time", "Latency, ms", latencies, log=True)
    yield from _bars(report)


def _completion(report: Mapping[str, Any], unit_s: float) -> Iterator[Curve]:
    """What was measured holds until the next agent is through, and until the run's end."""
    measured = [(0.0, 0.0), *report["completion"]]
    if report["figures"]["duration"] > measured[-1][0]:
        measured.append((report["figures"]["duration"], measured[-1][1]))
    yield Curve("measured", [(at_s / unit_s, share * 100) for at_s, share in measured], Shape.STEPS)
    if report["forecast"]:
        points = [(at_s / unit_s, share * 100) for at_s, share in report["forecast"]]
        yield Curve("simulated", points, Shape.STEPS, dashed=True)


def _bars(report: Mapping[str, Any]) -> Iterator[Bars]:
    places = report["places"]
    if len(places) > 1:
        name, size = volume_unit(max(place["bytes"] for place in places.values()))
        shown = Series("received", [place["bytes"] / size for place in places.values()])
        yield Bars("Where fragments came from", f"Received, {name}", list(places), [shown])
    by_priority = report["priorities"]
    if len(by_priority) > 1:
        unit = time_unit(report["figures"]["duration"])
        series = [
            Series(f"{share} %", [_in_unit(one["finish_s"][str(share)], unit.seconds) for one in by_priority.values()])
            for share in (50, 90, 99)
        ]
        groups = [f"priority {name}" for name in by_priority]
        yield Bars("Through after, by priority", f"Time, {unit.name}", groups, series)


def _in_unit(value_s: float | None, unit_s: float) -> float | None:
    return None if value_s is None else value_s / unit_s


def _arrival(report: Mapping[str, Any]) -> str:
    value = report["value"]
    spelled = {
        Arrivals.WINDOW: format_duration(value),
        Arrivals.POISSON: f"{value:g} a second",
        Arrivals.CLOSED: f"{value:g} at a time",
    }
    return " ".join((report["kind"], spelled.get(report["kind"], ""))).strip()


def _faults(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    """Those that some agents have, without the numbers that say how long and how fast."""
    return [(name, share) for name, share in shares.items() if share and not name.endswith("_s")]
