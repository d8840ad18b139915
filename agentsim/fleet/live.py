"""A run as it goes, on a terminal."""

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

from agentsim.fleet.counters import ENDS, State
from agentsim.report.load_report import milliseconds
from distd.domain.units import format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agentsim.fleet.totals import Picture, Row

EVERY_S = 1.0
MOST_ERRORS = 5


@asynccontextmanager
async def shown(picture: Picture, *, quiet: bool) -> AsyncIterator[None]:
    """While the block runs; nothing where stdout is no terminal, or with `quiet`."""
    if quiet or not sys.stdout.isatty():
        yield
        return
    with Live(view(picture), console=Console(), refresh_per_second=2, transient=True) as live:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_refresh, live, picture)
            yield
            nursery.cancel_scope.cancel()


async def _refresh(live: Live, picture: Picture) -> None:
    while True:
        await trio.sleep(EVERY_S)
        live.update(view(picture))


def view(picture: Picture) -> Group:
    """What there is to see now."""
    states = picture.states
    ended = sum(states[end] for end in ENDS) + picture.lost_agents
    head = Text(f"{format_duration(picture.at_s)} gone, {time_left(picture)} left  ", style="bold")
    bar = ProgressBar(total=max(picture.agents, 1), completed=ended, width=60)
    top = Table.grid()
    top.add_row(head)
    top.add_row(bar)
    tables = (_agents(picture), _flow(picture), _latency(picture), _counts(picture))
    return Group(top, *(table for table in tables if table.row_count))


def time_left(picture: Picture) -> str:
    """By their arrivals, and the latencies that they were told."""
    left_s = picture.expected_s - picture.at_s
    return f"about {format_duration(left_s)}" if left_s > 0 else "little"


def _agents(picture: Picture) -> Table:
    """Those states that agents are in: all of them would be too wide for many a terminal."""
    named = {**{state.name.lower(): picture.states[state] for state in State}, "lost": picture.lost_agents}
    inhabited = {name: count for name, count in named.items() if count}
    table = _table("Agents", *inhabited)
    table.add_row("", *(f"{count:,}" for count in inhabited.values()))
    return table


def _flow(picture: Picture) -> Table:
    row = _latest(picture)
    opened, made, _ = picture.totals("connections") or (0, 0, 0)
    table = _table("Now", "fragments/s", "requests/s", "received", "connections", "under way")
    seconds = picture.row_s
    table.add_row(
        "",
        f"{row.fragments / seconds:,.0f}" if row else "",
        f"{row.requests / seconds:,.0f}" if row else "",
        format_rate(row.bytes / seconds) if row else "",
        f"{opened:,} open, {made:,} made",
        f"{picture.total('busy'):,}",
    )
    return table


def _latest(picture: Picture) -> Row | None:
    """The last stretch that is over."""
    numbers = sorted(picture.rows)
    return picture.rows[numbers[-2]] if len(numbers) > 1 else None


def _latency(picture: Picture) -> Table:
    table = _table("Latency, ms", "requests", "p50", "p99", "p99.9", "max")
    for kind, late in picture.late.items():
        if late.get_total_count():
            values = (milliseconds(late.get_value_at_percentile(one) / 1e6) for one in (50, 99, 99.9, 100))
            table.add_row(kind, f"{late.get_total_count():,}", *values)
    return table


def _counts(picture: Picture) -> Table:
    table = _table("Results and errors", "times")
    for name, count in sorted(picture.counts("results").items()):
        table.add_row(name, f"{count:,}")
    for name, count in picture.errors.most_common(MOST_ERRORS):
        table.add_row(name, f"{count:,}", style="red")
    for name in picture.lost:
        table.add_row(name, "lost", style="red")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title, no_wrap=True, style="bold", header_style="bold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table
