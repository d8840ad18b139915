"""The view of a run while it goes on."""

from __future__ import annotations

import io

from rich.console import Console

from agentsim.fleet.totals import FleetTotals
from agentsim.report.live import view
from tests.agentsim.fleet.example_reports import message, shard_counters


def test_the_live_view() -> None:
    totals = FleetTotals(10)
    shard = shard_counters()
    shard.expected_s = 100.0
    totals.add("a", message(shard))
    totals.add("a", message(shard, 2.0))
    totals.lose("b", 5, "killed")
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(view(totals))
    shown = console.export_text()
    for words in ("2.0 s gone, about 1 min 38 s left", "downloading", "fragment: timed out", "SUCCESS", "b: killed"):
        assert words in shown
    console.print(view(FleetTotals(1)))


def test_the_live_view_fits_a_narrow_terminal() -> None:
    totals = FleetTotals(10)
    totals.add("a", message(shard_counters()))
    totals.lose("b", 5, "killed")
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(view(totals))
    lines = console.export_text().splitlines()
    assert all("…" not in line for line in lines)
    assert set(lines[1].strip()) <= set("━╸╺ ")
    assert lines[2].startswith("Agents")
