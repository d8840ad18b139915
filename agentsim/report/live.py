"""A run while it goes on, on a terminal."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agentsim.fleet.counters import FINAL_STATES, State
from agentsim.report.load_report import milliseconds
from distd.domain.units import format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agentsim.fleet.totals import FleetTotals, Interval

REFRESH_S = 1.0
MAX_ERRORS = 5


@asynccontextmanager
async def shown(totals: FleetTotals, *, quiet: bool) -> AsyncIterator[None]:
    """Shows the run while the block lasts; does nothing where stdout is no terminal, or with `quiet`."""
    if quiet or not sys.stdout.isatty():
        yield
        return
    with Live(view(totals), console=Console(), refresh_per_second=2, transient=True) as live:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_refresh, live, totals)
            yield
            nursery.cancel_scope.cancel()


async def _refresh(live: Live, totals: FleetTotals) -> None:
    while True:
        await trio.sleep(REFRESH_S)
        live.update(view(totals))


def view(totals: FleetTotals) -> Group:
    """The run as it is now."""
    states = totals.states
    ended = sum(states[state] for state in FINAL_STATES) + totals.lost_agents
    head = Text(f"{format_duration(totals.at_s)} gone, {time_left(totals)} left  ", style="bold")
    bar = ProgressBar(total=max(totals.agents, 1), completed=ended, width=60)
    top = Table.grid()
    top.add_row(head)
    top.add_row(bar)
    tables = (_agents(totals), _flow(totals), _latency(totals), _counts(totals))
    return Group(top, *(table for table in tables if table.row_count))


def time_left(totals: FleetTotals) -> str:
    """An estimate, by the agents' arrivals and the latencies that they were told."""
    left_s = totals.expected_s - totals.at_s
    return f"about {format_duration(left_s)}" if left_s > 0 else "little"


def _agents(totals: FleetTotals) -> Table:
    """Only states that agents are in: all of them would be too wide for a terminal of 80 columns."""
    named = {**{state.name.lower(): totals.states[state] for state in State}, "lost": totals.lost_agents}
    present = {name: count for name, count in named.items() if count}
    table = _table("Agents", *present)
    table.add_row("", *(f"{count:,}" for count in present.values()))
    return table


def _flow(totals: FleetTotals) -> Table:
    interval = _latest(totals)
    opened, made = totals.total(lambda last: last.open_connections), totals.total(lambda last: last.connections)
    table = _table("Now", "fragments/s", "requests/s", "received", "connections", "under way")
    seconds = totals.interval_s
    table.add_row(
        "",
        f"{interval.fragments / seconds:,.0f}" if interval else "",
        f"{interval.requests / seconds:,.0f}" if interval else "",
        format_rate(interval.bytes / seconds) if interval else "",
        f"{opened:,} open, {made:,} made",
        f"{totals.total(lambda last: last.busy):,}",
    )
    return table


def _latest(totals: FleetTotals) -> Interval | None:
    """The last interval that is over."""
    numbers = sorted(totals.intervals)
    return totals.intervals[numbers[-2]] if len(numbers) > 1 else None


def _latency(totals: FleetTotals) -> Table:
    table = _table("Latency, ms", "requests", "p50", "p99", "p99.9", "max")
    for kind, latency in totals.latency.items():
        if latency.get_total_count():
            values = (milliseconds(latency.get_value_at_percentile(share) / 1e6) for share in (50, 99, 99.9, 100))
            table.add_row(kind, f"{latency.get_total_count():,}", *values)
    return table


def _counts(totals: FleetTotals) -> Table:
    table = _table("Results and errors", "times")
    for name, count in sorted(totals.results.items()):
        table.add_row(name, f"{count:,}")
    for name, count in totals.errors.most_common(MAX_ERRORS):
        table.add_row(name, f"{count:,}", style="red")
    for name in totals.lost:
        table.add_row(name, "lost", style="red")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title, no_wrap=True, style="bold", header_style="bold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table
