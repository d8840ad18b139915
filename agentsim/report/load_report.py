"""What a run came to: as tables, as JSON, as a page. Fields: distd/docs/reference/reports.md."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from agentsim.fleet.counters import State
from agentsim.fleet.forecast import forecast
from agentsim.fleet.options import Arrivals
from agentsim.fleet.thresholds import in_unit
from agentsim.fleet.totals import PERCENTILES, SHARES
from agentsim.report.page import Bars, Lines, Series, Table, number_text, write_page
from distd.domain.units import format_duration, format_rate, format_volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentsim.fleet.options import Order
    from agentsim.fleet.thresholds import Threshold
    from agentsim.fleet.totals import Picture

SCHEMA: Final = 1
POINTS: Final = 200
MOST_ROWS: Final = 20


def as_json(
    order: Order, picture: Picture, thresholds: Sequence[Threshold], facts: Mapping[str, str]
) -> dict[str, Any]:
    figures = picture.figures()
    foreseen = forecast(order, picture)
    scale = order.time_scale
    return {
        "schema": SCHEMA,
        "facts": dict(facts),
        "order": {
            "server": order.server,
            "agents": order.agents,
            "dialects": dict(order.dialects),
            "arrival": {"kind": order.arrival.kind, "value": order.arrival.value},
            "shares": {name: getattr(order.shares, name) for name in order.shares.__slots__},
            "time_scale": scale,
            "duration_s": order.duration_s,
            "verify": order.verify,
            "seed": order.seed,
        },
        "told": picture.told,
        "interrupted": picture.interrupted,
        "figures": {name: _finite(value) for name, value in figures.items()},
        "thresholds": [
            {"text": one.text, "value": _finite(figures.get(one.name, math.nan)), "holds": one.holds(figures)}
            for one in thresholds
        ],
        "states": {state.name.lower(): count for state, count in zip(State, picture.states, strict=True)},
        "results": dict(picture.counts("results")),
        "errors": dict(picture.errors),
        "lost": picture.lost,
        "latency": {kind: _latency(late) for kind, late in picture.late.items() if late.get_total_count()},
        "packages": {name: _package(one) for name, one in picture.packages.items()},
        "priorities": {str(priority): _package(one) for priority, one in picture.priorities.items()},
        "places": {name: {"fragments": one.fragments, "bytes": one.bytes} for name, one in picture.places.items()},
        "course": [_row(picture, number) for number in sorted(picture.rows)],
        "completion": curve(picture.finished_s, picture.agents),
        "forecast": [[at_s / scale, share] for at_s, share in foreseen.curve] if foreseen else None,
        "forecast_finish_s": {
            str(share): None if after is None else after / scale for share, after in foreseen.all.after_s.items()
        }
        if foreseen
        else None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _latency(late: Any) -> dict[str, Any]:
    told = {f"p{percentile:g}_s": late.get_value_at_percentile(percentile) / 1e6 for percentile in PERCENTILES}
    return {"count": late.get_total_count(), **told, "hdr": late.encode().decode()}


def _package(one: Any) -> dict[str, Any]:
    done = sorted(one.done_s)
    ranks = {share: -(-one.listed * share // 100) for share in SHARES}
    finish = {str(share): done[rank - 1] if 0 < rank <= len(done) else None for share, rank in ranks.items()}
    told = {"priority": one.priority, "listed": one.listed, "good": one.good}
    return {**told, "fragments": one.fragments, "bytes": one.bytes, "finish_s": finish}


def _row(picture: Picture, number: int) -> dict[str, float | None]:
    row, seconds = picture.rows[number], picture.row_s
    told: dict[str, float | None] = {
        "at_s": number * seconds,
        "requests_per_s": row.requests / seconds,
        "fragments_per_s": row.fragments / seconds,
        "bytes_per_s": row.bytes / seconds,
        "errors": row.errors,
    }
    for percentile in PERCENTILES:
        late = row.late.get_value_at_percentile(percentile) / 1e6 if row.late.get_total_count() else None
        told[f"fragment_p{percentile:g}_s"] = late
    return told


def curve(times_s: Sequence[float], of: int) -> list[list[float]]:
    """[seconds, share]: some points of a completion curve."""
    times = sorted(times_s)
    step = max(len(times) // POINTS, 1)
    chosen = [*range(step - 1, len(times), step)]
    if times and chosen[-1:] != [len(times) - 1]:
        chosen.append(len(times) - 1)
    return [[times[index], (index + 1) / of] for index in chosen]


# --- for people --------------------------------------------------------------------------------------------------


def tables(told: Mapping[str, Any]) -> Iterator[Table]:
    """Of what `as_json` made."""
    figures = told["figures"]
    yield Table(
        "Agents",
        ("all", *told["states"], "lost", "success"),
        [[f"{figures['agents']:,}", *(f"{one:,}" for one in told["states"].values()), f"{figures['lost']:,}",
          f"{figures['success']:.2%}"]],
    )  # fmt: skip
    rows = [
        [kind, f"{late['count']:,}", *(milliseconds(late[f"p{percentile:g}_s"]) for percentile in PERCENTILES)]
        for kind, late in told["latency"].items()
    ]
    yield Table("Latency from the due time, ms", ("", "requests", *(f"p{one:g}" for one in PERCENTILES)), rows)
    rows = [
        [name, str(one["priority"]), f"{one['good']:,} of {one['listed']:,}", format_volume(one["bytes"]),
         *(_after(one["finish_s"][str(share)]) for share in SHARES)]
        for name, one in told["packages"].items()
    ]  # fmt: skip
    if rows:
        yield Table("Packages", ("id", "priority", "deployed", "bytes", *(f"{share} %" for share in SHARES)), rows)
    if told["forecast_finish_s"]:
        measured = [_after(figures[f"finish_p{share}"]) for share in SHARES]
        foreseen = [_after(told["forecast_finish_s"][str(share)]) for share in SHARES]
        head = ("All packages through after", *(f"{share} %" for share in SHARES))
        note = "The simulation knows nothing of sleep." if told["order"]["shares"]["sleep"] else ""
        yield Table("Completion", head, [["measured", *measured], ["simulated", *foreseen]], note)
    flows = [[name, f"{one['fragments']:,}", format_volume(one["bytes"])] for name, one in told["places"].items()]
    if len(flows) > 1:
        yield Table("Where fragments came from", ("host", "fragments", "bytes"), flows[:MOST_ROWS])
    for title, counts in (("Results", told["results"]), ("Errors", told["errors"])):
        if counts:
            rows = [[name, f"{count:,}"] for name, count in sorted(counts.items(), key=lambda pair: -pair[1])]
            yield Table(title, ("", "times"), rows[:MOST_ROWS])
    if told["thresholds"]:
        rows = [
            [one["text"], in_unit(one["text"], one["value"]), "holds" if one["holds"] else "FAILS"]
            for one in told["thresholds"]
        ]
        yield Table("Thresholds", ("", "was", ""), rows)


def milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else number_text(seconds * 1000)


def _after(seconds: float | None) -> str:
    return format_duration(seconds)


def summary_line(told: Mapping[str, Any]) -> str:
    figures = told["figures"]
    begin = "Interrupted. " if told["interrupted"] else ""
    return (
        f"{begin}{figures['requests']:,} requests in {format_duration(figures['duration'])}: "
        f"{figures['fragments_per_s']:,.0f} fragments/s, {format_rate(figures['bytes_per_s'])}; "
        f"{figures['verified']:,} packages verified ({format_volume(figures['verified_bytes'])}), "
        f"{figures['bad']:,} bad"
    )


def page(told: Mapping[str, Any]) -> str:
    """One HTML file of what `as_json` made."""
    course = told["course"]
    lines: dict[str, list[tuple[float, float]]] = {"measured": [(at, share * 100) for at, share in told["completion"]]}
    if told["forecast"]:
        lines["simulated"] = [(at, share * 100) for at, share in told["forecast"]]
    late = {
        f"p{percentile:g}": [
            (row["at_s"], row[f"fragment_p{percentile:g}_s"] * 1000)
            for row in course
            if row[f"fragment_p{percentile:g}_s"] is not None
        ]
        for percentile in PERCENTILES
    }
    parts: list[str | Table | Bars | Lines] = [summary_line(told), *tables(told)]
    if told["completion"]:
        parts.append(Lines("Agents that have all their packages", "seconds", "%", lines))
    parts += [
        Lines("Fragments", "seconds", "1/s", {"": [(row["at_s"], row["fragments_per_s"]) for row in course]}),
        Lines("Received", "seconds", "MB/s", {"": [(row["at_s"], row["bytes_per_s"] / 1e6) for row in course]}),
    ]
    if any(late.values()):
        parts.append(Lines("Latency of fragments, from the due time", "seconds", "ms", late, log=True))
    places = told["places"]
    if len(places) > 1:
        shown = Series("bytes", [one["bytes"] / 1e6 for one in places.values()])
        parts.append(Bars("Where fragments came from", "MB", list(places), [shown]))
    by_priority = told["priorities"]
    if len(by_priority) > 1:
        series = [
            Series(f"{share} %", [one["finish_s"][str(share)] for one in by_priority.values()])
            for share in (50, 90, 99)
        ]
        groups = [f"priority {name}" for name in by_priority]
        parts.append(Bars("Through after, by priority", "seconds", groups, series))
    facts = {
        **told["facts"],
        "server": told["order"]["server"],
        "agents": f"{told['order']['agents']:,}, {', '.join(told['order']['dialects'])}",
        "arrival": _arrival(told["order"]["arrival"]),
        "time scale": f"{told['order']['time_scale']:g}",
        "seed": str(told["order"]["seed"]),
        "behaviour": ", ".join(f"{name} {share:.3g}" for name, share in _befallen(told["order"]["shares"])) or "none",
        "latencies": ", ".join(f"{name} {value}" for name, value in told["told"].items()),
    }
    return write_page("Agents against a server", facts, parts)


def _arrival(told: Mapping[str, Any]) -> str:
    value = told["value"]
    spelled = {
        Arrivals.WINDOW: format_duration(value),
        Arrivals.POISSON: f"{value:g} a second",
        Arrivals.CLOSED: f"{value:g} at a time",
    }
    return " ".join((told["kind"], spelled.get(told["kind"], ""))).strip()


def _befallen(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    """Without the numbers that say how long and how fast."""
    return [(name, share) for name, share in shares.items() if share and not name.endswith("_s")]
