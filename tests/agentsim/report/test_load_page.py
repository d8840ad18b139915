"""The page of a run: its verdict, which the exit status says too, and its plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agentsim.fleet import thresholds
from agentsim.fleet.counters import Kind, ShardCounters, State
from agentsim.fleet.totals import FleetTotals
from agentsim.report import load_report
from agentsim.report.load_page import is_passed, page, plots, verdict
from distd.report.page import Lines, Tone
from tests.agentsim.fleet.example_reports import OPTIONS, message, report_of, shard_counters
from tests.report.parsed_page import ParsedPage

if TYPE_CHECKING:
    from collections.abc import Sequence

MET = ("success>=50%", "fragment_p99<1s")


def totals_of(*shards: ShardCounters, agents: int | None = None, stopped: bool = False) -> FleetTotals:
    """Of shards that reported once, after a second."""
    totals = FleetTotals(sum(sum(shard.states) for shard in shards) if agents is None else agents)
    for number, shard in enumerate(shards):
        sent = message(shard)
        sent.stopped = stopped
        totals.add(str(number), sent)
    return totals


def report_with(totals: FleetTotals, goals: Sequence[str] = ()) -> dict[str, Any]:
    return load_report.as_json(OPTIONS, totals, [thresholds.read(text) for text in goals], {"began": "now"})


def failing_shard() -> ShardCounters:
    """Five agents: three are done, one failed, one vanished."""
    shard = shard_counters()
    shard.move(State.DOWNLOADING, State.FAILED)
    shard.move(State.DOWNLOADING, State.VANISHED)
    return shard


def lost_shard() -> FleetTotals:
    totals = totals_of(shard_counters(done=5), agents=10)
    totals.lose("1", 5, "killed")
    return totals


CASES = {
    "thresholds met": (totals_of(shard_counters(done=5)), MET),
    "one threshold not met": (totals_of(shard_counters()), ("success>=90%", "fragment_p99<1s")),
    "a threshold without a figure": (totals_of(shard_counters(done=5)), ("inventory_p50<1s",)),
    "all done": (totals_of(shard_counters(done=5)), ()),
    "one failed": (totals_of(failing_shard()), ()),
    "some had not ended": (totals_of(shard_counters()), ()),
    "a shard was lost": (lost_shard(), ()),
    "interrupted": (totals_of(shard_counters(), stopped=True), MET),
    "interrupted at its end": (totals_of(shard_counters(done=5), stopped=True), ()),
    "nothing": (FleetTotals(3), ()),
    "nothing, as expected": (FleetTotals(3), ("requests==0",)),
}
SAID = {
    "thresholds met": (Tone.GOOD, "5 of 5 agents have deployed all that was assigned; 2 thresholds met."),
    "one threshold not met": (Tone.BAD, "1 of 2 thresholds was not met: success>=90% was 60%."),
    "a threshold without a figure": (Tone.BAD, "The threshold was not met: inventory_p50<1s was none."),
    "all done": (Tone.GOOD, "5 of 5 agents have deployed all that was assigned."),
    "one failed": (Tone.BAD, "3 of 5 agents have deployed all that was assigned; 1 failed, 1 vanished."),
    "some had not ended": (Tone.BAD, "3 of 5 agents have deployed all that was assigned; 2 had not ended."),
    "a shard was lost": (Tone.BAD, "5 of 10 agents have deployed all that was assigned; 5 lost."),
    "interrupted": (Tone.WARN, "Interrupted after 1.0 s: 3 of 5 agents have deployed all that was assigned by then."),
    "interrupted at its end": (
        Tone.WARN,
        "Interrupted after 1.0 s: 5 of 5 agents have deployed all that was assigned by then.",
    ),
    "nothing": (Tone.BAD, "Nothing was measured: no request of 3 agents came to an end."),
    "nothing, as expected": (Tone.NEUTRAL, "Nothing was measured: no request of 3 agents came to an end."),
}


@pytest.mark.parametrize("name", CASES)
def test_the_verdict(name: str) -> None:
    totals, goals = CASES[name]
    report = report_with(totals, goals)
    found = verdict(report)
    assert (found.tone, found.sentence) == SAID[name]
    assert is_passed(report) == thresholds.is_passed(totals, [thresholds.read(text) for text in goals])
    assert (found.word == "Passed") == is_passed(report)
    written = ParsedPage(page(report))
    assert written.texts["strong"] == [found.sentence]
    assert found.more in written.words


def test_agents_without_a_package() -> None:
    shard = ShardCounters(1)
    shard.move(State.AWAITED, State.DONE)
    shard.latencies_s[Kind.PROLOG] = [0.01]
    found = verdict(report_with(totals_of(shard)))
    assert found.sentence == "1 of 1 agent ended well, and none was given a package."
    assert found.tone is Tone.GOOD


def test_the_page_has_all_tables_and_plots() -> None:
    report = report_of()
    written = ParsedPage(page(report))
    titles = {table.title for table in load_report.tables(report) if table.rows}
    assert titles - {"Agents"} <= set(written.tables)
    assert [row[-1] for row in written.tables["Thresholds"][1:]] == ["FAILS", "holds"]
    assert "Agents at the end" in written.panels  # in the place of the table of states
    assert [plot["label"] for plot in written.data] == [
        "Agents that have all their packages",
        "Fragments",
        "Received",
        "Latency of fragments, from the due time",
    ]
    assert {plot["x_end"] for plot in written.data} == {written.data[0]["x_end"]}  # one axis of time
    assert "10 agents against https://h/ocsinventory" in written.words


def test_a_report_of_nothing_has_no_plots() -> None:
    report = report_with(FleetTotals(3))
    assert list(plots(report)) == []
    assert "script" not in ParsedPage(page(report)).tags


def test_what_is_measured_holds_until_the_next_agent_and_the_end() -> None:
    report = report_of()
    report["figures"]["duration"] = 30.0
    measured, simulated = next(plot for plot in plots(report) if isinstance(plot, Lines)).curves
    assert measured.points[0] == (0.0, 0.0)
    assert measured.points[-1] == (30.0, 80.0)
    assert (measured.dashed, simulated.dashed) == (False, True)


def test_rates_of_intervals_far_apart_are_not_joined() -> None:
    """Messages of a minute and of ten, in a run long enough for intervals of 4 s."""
    totals = FleetTotals(5)
    for at_s in (60.0, 600.0):
        shard = shard_counters(done=5)
        totals.add(str(at_s), message(shard, at_s))
    written = ParsedPage(page(report_with(totals)))
    (fragments,) = (plot for plot in written.data if plot["label"] == "Fragments")
    (curve,) = fragments["curves"]
    assert curve["x"] == pytest.approx([56 / 60, 1.0, 596 / 60, 10.0])  # minutes
    assert curve["y"][0] == pytest.approx(20 / 4)
    assert curve["y"][1] is None
    assert curve["y"][2] == curve["y"][3] > 0
    assert curve["shape"] == "steps"


def test_percentages_close_to_none_and_all_do_not_say_none_and_all() -> None:
    report = report_of()
    report["figures"] |= {"success": 0.99999, "errors": 0.00001}
    figures = ParsedPage(page(report)).texts["b"]
    assert figures[0] == "> 99.99 %"
    assert "< 0.01 %" in figures
    report["figures"] |= {"success": 1.0, "errors": 0.0, "finish_p95": None}
    figures = ParsedPage(page(report)).texts["b"]
    assert figures[:2] == ["100 %", "not reached"]
    assert "0 %" in figures
