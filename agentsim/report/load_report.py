"""The report of a run: as tables, as JSON. Fields: distd/docs/reference/reports.md. The page: `load_page`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from agentsim.fleet.counters import State
from agentsim.fleet.forecast import forecast
from agentsim.fleet.thresholds import in_unit
from agentsim.fleet.totals import PERCENTILES, SHARES
from distd.domain.units import format_duration, format_rate, format_volume
from distd.report.page import Table, number_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hdrh.histogram import HdrHistogram

    from agentsim.fleet.messages import PackageCounters
    from agentsim.fleet.options import FleetOptions
    from agentsim.fleet.thresholds import Threshold
    from agentsim.fleet.totals import FleetTotals

SCHEMA: Final = 1
MAX_POINTS: Final = 200
MAX_ROWS: Final = 20


def as_json(
    options: FleetOptions, totals: FleetTotals, thresholds: Sequence[Threshold], facts: Mapping[str, str]
) -> dict[str, Any]:
    """The report, as `--report` writes it: plain values."""
    figures = totals.figures()
    predicted = forecast(options, totals)
    scale = options.time_scale
    return {
        "schema": SCHEMA,
        "facts": dict(facts),
        "order": {
            "server": options.server,
            "agents": options.agents,
            "dialects": dict(options.dialects),
            "arrival": {"kind": options.arrival.kind, "value": options.arrival.value},
            "shares": {name: getattr(options.shares, name) for name in options.shares.__slots__},
            "time_scale": scale,
            "duration_s": options.duration_s,
            "verify": options.verify,
            "seed": options.seed,
        },
        "told": totals.settings,
        "interrupted": totals.interrupted,
        "figures": {name: _finite(value) for name, value in figures.items()},
        "thresholds": [
            {"text": goal.text, "value": _finite(figures.get(goal.name, math.nan)), "holds": goal.holds(figures)}
            for goal in thresholds
        ],
        "states": {state.name.lower(): count for state, count in zip(State, totals.states, strict=True)},
        "results": dict(totals.results),
        "errors": dict(totals.errors),
        "lost": totals.lost,
        "latency": {kind: _latency(latency) for kind, latency in totals.latency.items() if latency.get_total_count()},
        "packages": {name: _package(package) for name, package in totals.packages.items()},
        "priorities": {str(priority): _package(package) for priority, package in totals.priorities.items()},
        "places": {
            name: {"fragments": transfers.fragments, "bytes": transfers.bytes}
            for name, transfers in totals.places.items()
        },
        "course": [_interval(totals, number) for number in sorted(totals.intervals)],
        "completion": curve(totals.finished_s, totals.agents),
        "forecast": [[at_s / scale, share] for at_s, share in predicted.curve] if predicted else None,
        "forecast_finish_s": {
            str(share): None if after is None else after / scale for share, after in predicted.all.after_s.items()
        }
        if predicted
        else None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _latency(latency: HdrHistogram) -> dict[str, Any]:
    values_s = {f"p{percentile:g}_s": latency.get_value_at_percentile(percentile) / 1e6 for percentile in PERCENTILES}
    return {"count": latency.get_total_count(), **values_s, "hdr": latency.encode().decode()}


def _package(package: PackageCounters) -> dict[str, Any]:
    done_s = sorted(package.done_s)
    ranks = {share: -(-package.listed * share // 100) for share in SHARES}
    return {
        "priority": package.priority,
        "listed": package.listed,
        "good": package.good,
        "fragments": package.fragments,
        "bytes": package.bytes,
        "finish_s": {
            str(share): done_s[rank - 1] if 0 < rank <= len(done_s) else None for share, rank in ranks.items()
        },
    }


def _interval(totals: FleetTotals, number: int) -> dict[str, float | None]:
    interval, seconds = totals.intervals[number], totals.interval_s
    report: dict[str, float | None] = {
        "at_s": number * seconds,
        "requests_per_s": interval.requests / seconds,
        "fragments_per_s": interval.fragments / seconds,
        "bytes_per_s": interval.bytes / seconds,
        "errors": interval.errors,
    }
    latency = interval.latency
    for percentile in PERCENTILES:
        value_s = latency.get_value_at_percentile(percentile) / 1e6 if latency.get_total_count() else None
        report[f"fragment_p{percentile:g}_s"] = value_s
    return report


def curve(times_s: Sequence[float], of: int) -> list[list[float]]:
    """[seconds, share]: some points of a completion curve, for `of` agents."""
    times = sorted(times_s)
    step = max(len(times) // MAX_POINTS, 1)
    chosen = [*range(step - 1, len(times), step)]
    if times and chosen[-1:] != [len(times) - 1]:
        chosen.append(len(times) - 1)
    return [[times[index], (index + 1) / of] for index in chosen]


# --- for people --------------------------------------------------------------------------------------------------


def tables(report: Mapping[str, Any]) -> Iterator[Table]:
    """The tables of a report that `as_json` made."""
    figures = report["figures"]
    yield Table(
        "Agents",
        ("all", *report["states"], "lost", "success"),
        [[f"{figures['agents']:,}", *(f"{count:,}" for count in report["states"].values()), f"{figures['lost']:,}",
          f"{figures['success']:.2%}"]],
    )  # fmt: skip
    rows = [
        [kind, f"{latency['count']:,}", *(milliseconds(latency[f"p{percentile:g}_s"]) for percentile in PERCENTILES)]
        for kind, latency in report["latency"].items()
    ]
    yield Table(
        "Latency from the due time, ms", ("", "requests", *(f"p{percentile:g}" for percentile in PERCENTILES)), rows
    )
    rows = [
        [
            name,
            str(package["priority"]),
            f"{package['good']:,} of {package['listed']:,}",
            format_volume(package["bytes"]),
            *(format_duration(package["finish_s"][str(share)]) for share in SHARES),
        ]
        for name, package in report["packages"].items()
    ]
    if rows:
        yield Table("Packages", ("id", "priority", "deployed", "bytes", *(f"{share} %" for share in SHARES)), rows)
    if report["forecast_finish_s"]:
        measured = [format_duration(figures[f"finish_p{share}"]) for share in SHARES]
        predicted = [format_duration(report["forecast_finish_s"][str(share)]) for share in SHARES]
        head = ("All packages through after", *(f"{share} %" for share in SHARES))
        note = "The simulation does not include sleep." if report["order"]["shares"]["sleep"] else ""
        yield Table("Completion", head, [["measured", *measured], ["simulated", *predicted]], note)
    rows = [
        [name, f"{place['fragments']:,}", format_volume(place["bytes"])] for name, place in report["places"].items()
    ]
    if len(rows) > 1:
        yield Table("Where fragments came from", ("host", "fragments", "bytes"), rows[:MAX_ROWS])
    for title, counts in (("Results", report["results"]), ("Errors", report["errors"])):
        if counts:
            rows = [[name, f"{count:,}"] for name, count in sorted(counts.items(), key=lambda pair: -pair[1])]
            yield Table(title, ("", "times"), rows[:MAX_ROWS])
    if report["thresholds"]:
        rows = [
            [goal["text"], in_unit(goal["text"], goal["value"]), "holds" if goal["holds"] else "FAILS"]
            for goal in report["thresholds"]
        ]
        yield Table("Thresholds", ("", "was", ""), rows)


def milliseconds(seconds: float | None) -> str:
    """As text, to three significant digits; empty for None."""
    return "" if seconds is None else number_text(seconds * 1000)


def summary_line(report: Mapping[str, Any]) -> str:
    """The report in one line."""
    figures = report["figures"]
    begin = "Interrupted. " if report["interrupted"] else ""
    return (
        f"{begin}{figures['requests']:,} requests in {format_duration(figures['duration'])}: "
        f"{number_text(figures['fragments_per_s'])} fragments/s, {format_rate(figures['bytes_per_s'])}; "
        f"{figures['verified']:,} packages verified ({format_volume(figures['verified_bytes'])}), "
        f"{figures['bad']:,} bad"
    )
