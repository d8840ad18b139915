"""The report of a run, as JSON, tables and a page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from agentsim.fleet.counters import Kind, ShardCounters
from agentsim.fleet.messages import PackageCounters
from agentsim.fleet.options import FaultShares
from agentsim.fleet.totals import FleetTotals
from agentsim.report import load_report
from distd.report.page import Table
from tests.agentsim.fleet.example_reports import OPTIONS, message, report_of, shard_counters

REFERENCE = Path(__file__).parents[3] / "distd/docs/reference/reports.md"


def test_the_report_is_json_and_each_field_stands_in_the_reference() -> None:
    found = json.loads(json.dumps(report_of(), allow_nan=False))
    section = REFERENCE.read_text().partition("What `agentsim load` reports")[2]
    named = set(re.findall(r"`([a-z_0-9.]+)`", section))
    percentile = re.compile(r"(prolog|info|inventory|fragment|result|finish)_p[\d.]+(_s)?|p[\d.]+(_s)?")
    fields = set(found) | set(found["figures"]) | {name for row in found["course"] for name in row}
    for kind in ("latency", "packages", "places"):
        fields |= {name for one in found[kind].values() for name in one}
    fields |= set(found["thresholds"][0])
    assert {name for name in fields if not percentile.fullmatch(name)} - named == set()
    assert found["figures"]["finish_p100"] is None
    assert [one["holds"] for one in found["thresholds"]] == [False, True]


def test_the_forecast_is_of_the_same_contacts() -> None:
    found = report_of()
    assert found["forecast"][-1][1] == 1.0
    assert found["forecast_finish_s"]["100"] > found["forecast_finish_s"]["50"] > 0
    # Agents that were given different packages have none.
    totals = FleetTotals(10)
    shard = shard_counters()
    shard.packages["18"] = PackageCounters(1, 1, listed=2)
    totals.add("a", message(shard))
    assert report_of(totals)["forecast"] is None


@pytest.mark.parametrize("time_scale", [1.0, 600.0])
def test_slow_agents_have_lines_of_their_own_in_the_forecast(time_scale: float) -> None:
    """One of ten takes 50 ms more for each of its 40 fragments, however fast the latencies run. All came within 1 s."""
    options = replace(OPTIONS, shares=FaultShares(slow=0.1, slow_bytes_per_s=20_000), time_scale=time_scale)
    totals = FleetTotals(10)
    shard = shard_counters(10, done=10)
    shard.latencies_s[Kind.FRAGMENT] = [0.002] * 400
    shard.packages["17"] = PackageCounters(1, 40, listed=10, good=10, fragments=400, bytes=400_000)
    totals.add("a", message(shard))
    with_, without = (
        report_of(totals, options=each)["forecast_finish_s"]
        for each in (options, replace(options, shares=FaultShares()))
    )
    assert with_["100"] - without["50"] == pytest.approx(40 * 0.05, abs=0.6)
    assert with_["50"] == pytest.approx(without["50"], abs=0.2)


def test_sleep_is_not_in_the_forecast_and_the_report_says_so() -> None:
    found = report_of(options=replace(OPTIONS, shares=FaultShares(sleep=0.1)))
    (completion,) = (table for table in load_report.tables(found) if table.title == "Completion")
    assert "sleep" in completion.note
    assert not any(table.note for table in load_report.tables(report_of()))


def test_tables() -> None:
    found = report_of()
    tables = list(load_report.tables(found))
    assert all(isinstance(table, Table) for table in tables)
    assert {table.title for table in tables} >= {"Agents", "Packages", "Completion", "Results", "Errors", "Thresholds"}
    assert [row[-1] for table in tables for row in table.rows if table.title == "Thresholds"] == ["FAILS", "holds"]
    assert load_report.summary_line(found).startswith("44 requests in 1.0 s: 32 fragments/s")


def test_a_report_of_nothing() -> None:
    found = report_of(FleetTotals(3))
    assert found["figures"]["success"] == 0
    assert list(load_report.tables(found))
    json.dumps(found, allow_nan=False)


def test_latencies_of_an_interval_without_a_fragment_are_in_the_report() -> None:
    totals = FleetTotals(1)
    shard = ShardCounters(1)
    shard.latencies_s[Kind.FRAGMENT] = [30.0]
    shard.errors["fragment", "timed out"] = 1
    totals.add("a", message(shard))
    found = report_of(totals)
    assert found["course"][0]["fragment_p99_s"] == pytest.approx(30, rel=0.02)


def test_a_run_that_was_interrupted_says_so() -> None:
    totals = FleetTotals(5)
    shard = message(shard_counters(done=5))
    totals.add("a", shard)
    assert report_of(totals)["interrupted"] is False
    last = message(shard_counters(done=5))
    last.over = last.stopped = True
    totals.add("a", last)
    found = report_of(totals)
    assert found["interrupted"] is True
    assert load_report.summary_line(found).startswith("Interrupted. ")
