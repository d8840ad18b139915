"""What shards report, summed up: counts, histograms, intervals, and what is lost."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from agentsim.fleet import messages
from agentsim.fleet.counters import Kind, ShardCounters, State
from agentsim.fleet.messages import PackageCounters
from agentsim.fleet.totals import MAX_INTERVALS, FleetTotals, interval_length_s
from agentsim.report.live import view
from tests.agentsim.fleet.example_reports import message, report_of, shard_counters


def test_two_shards_are_summed_up() -> None:
    totals = FleetTotals(10)
    first, second = shard_counters(), shard_counters(done=5)
    totals.add("a", message(first))
    totals.add("b", message(second))
    # The second message of a shard tells what is new, and all counts once more.
    first.latencies_s[Kind.RESULT].append(0.5)
    totals.add("a", message(first, 2.0, 6000))
    figures = totals.figures()
    assert (figures["done"], figures["requests"], figures["fragments"], figures["bytes"]) == (8, 45, 32, 32_000)
    assert (figures["requests_per_s"], figures["fragments_per_s"]) == (45 / 2, 32 / 2)
    assert figures["success"] == 0.8
    assert figures["errors"] == pytest.approx(2 / 45)
    assert figures["fragment_p50"] == pytest.approx(0.002, rel=0.02)
    assert figures["fragment_p100"] == pytest.approx(0.1, rel=0.02)
    assert (figures["finish_p50"], figures["finish_p100"]) == (4.0, float("inf"))
    assert totals.states[State.DONE] == 8
    assert totals.packages["17"].listed == 10
    assert sorted(totals.packages["17"].done_s) == [2, 2, 3, 3, 4, 4, 5, 6]
    assert totals.places["localhost:80"].bytes == 32_000
    assert sum(interval.bytes for interval in totals.intervals.values()) == 11_000
    assert sum(interval.requests for interval in totals.intervals.values()) == 45
    assert sum(interval.fragments for interval in totals.intervals.values()) == 32
    assert sum(interval.errors for interval in totals.intervals.values()) == 2
    assert figures["memory"] == 2000


def test_an_exchange_that_failed_is_one_exchange_and_no_fragment() -> None:
    """Nine of ten answers say 503."""
    totals = FleetTotals(1)
    shard = ShardCounters(1)
    shard.packages["17"] = PackageCounters(5, 1, listed=1, fragments=1, bytes=100)
    shard.latencies_s[Kind.FRAGMENT] = [0.001] * 10
    shard.errors["fragment", "HTTP 503"] = 9
    totals.add("a", message(shard))
    figures = totals.figures()
    assert (figures["requests"], figures["errors"], figures["fragments"]) == (10, 0.9, 1)
    (row,) = report_of(totals)["course"]
    assert (row["requests_per_s"], row["errors"], row["fragments_per_s"]) == (10, 9, 1)
    console = Console(width=150, record=True, file=io.StringIO())
    totals.add("a", message(shard, 2.0))
    console.print(view(totals))
    shown = console.export_text()
    assert shown.partition("Now")[2].splitlines()[1].split()[:2] == ["1", "10"]


def test_an_exchange_that_the_end_cut_off_has_a_latency_but_is_neither_a_request_nor_an_error() -> None:
    totals = FleetTotals(1)
    shard = ShardCounters(1)
    shard.latencies_s[Kind.FRAGMENT] = [0.001]
    totals.add("a", message(shard))
    shard.cut_off(Kind.FRAGMENT, 3.0)
    shard.cut_off(Kind.PROLOG, 2.0)
    totals.add("a", message(shard, 2.0))
    figures = totals.figures()
    assert (figures["requests"], figures["unanswered"], figures["errors"]) == (1, 2, 0)
    assert figures["fragment_p100"] == pytest.approx(3, rel=0.02)
    assert figures["prolog_p50"] == pytest.approx(2, rel=0.02)
    assert [row["requests_per_s"] for row in report_of(totals)["course"]] == [1, 0]


def test_messages_are_the_same_after_msgpack() -> None:
    shard = shard_counters()
    shard.cut_off(Kind.FRAGMENT, 1.0)
    first = message(shard)
    assert messages.decode(messages.encode(first)) == first


def test_what_a_lost_shard_had_not_ended_is_lost() -> None:
    totals = FleetTotals(10)
    totals.add("a", message(shard_counters()))
    totals.add("b", message(shard_counters()))
    totals.lose("b", 5, "killed")
    figures = totals.figures()
    assert (figures["lost"], figures["done"]) == (2, 6)
    assert totals.lost == ["b: killed"]
    assert sum(totals.states) + 2 == 10
    # One that never reported anything.
    silent = FleetTotals(4)
    silent.lose("c", 4, "gone")
    assert silent.figures()["lost"] == 4
    assert silent.figures()["success"] == 0


def test_a_long_run_has_few_intervals_and_loses_nothing() -> None:
    totals = FleetTotals(1)
    shard = ShardCounters(1)
    shard.packages["17"] = PackageCounters(5, 1)
    for second in range(1, 2001):
        shard.packages["17"].fragments += 3
        shard.latencies_s[Kind.FRAGMENT] += [0.001] * 3
        totals.add("a", message(shard, float(second), second * 100))
    assert len(totals.intervals) <= MAX_INTERVALS
    assert totals.interval_s == 16
    assert sum(interval.fragments for interval in totals.intervals.values()) == 6000
    assert sum(interval.latency.get_total_count() for interval in totals.intervals.values()) == 6000
    assert sum(interval.bytes for interval in totals.intervals.values()) == 200_000


@pytest.mark.parametrize(
    ("duration_s", "length_s"), [(0, 1), (1, 1), (240, 1), (240.4, 1), (240.5, 2), (480, 2), (481, 4), (7200, 32)]
)
def test_how_long_intervals_are_follows_from_the_duration(duration_s: float, length_s: float) -> None:
    totals = FleetTotals(5)
    totals.add("a", message(shard_counters(), duration_s))
    assert totals.interval_s == interval_length_s(duration_s) == length_s
