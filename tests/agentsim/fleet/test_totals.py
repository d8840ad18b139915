"""What shards tell, put together: counts, histograms, the course, what is lost; and how it is told."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
from rich.console import Console

from agentsim.fleet import thresholds
from agentsim.fleet.counters import Deployment, Flow, Kind, State, Tally
from agentsim.fleet.live import view
from agentsim.fleet.options import Order, Shares
from agentsim.fleet.totals import MOST_ROWS, Picture
from agentsim.report import load_report
from agentsim.report.page import Table
from distd.domain.records import Dialect

REFERENCE = Path(__file__).parents[3] / "distd/docs/reference/reports.md"
ORDER = Order("https://h/ocsinventory", "", 10, dialects={Dialect.UNIX: 1.0}, time_scale=10)


def tally(agents: Any = 5, done: Any = 3) -> Any:
    """A shard in which `done` agents have their package, and one asked for a fragment in vain."""
    one = Tally(agents)
    one.packages["17"] = Deployment(5, 4)
    one.places["localhost:80"] = Flow()
    one.told = {"frag_latency_s": 1, "cycle_latency_s": 1, "period_latency_s": 1, "period_length": 10,
                "prolog_freq_h": 24}  # fmt: skip
    for number in range(agents):
        one.move(State.AWAITED, State.DOWNLOADING)
        one.contacts_s.append(number * 0.1)
        one.late_s[Kind.PROLOG].append(0.01)
        one.packages["17"].listed += 1
    for number in range(done):
        one.late_s[Kind.FRAGMENT] += [0.001, 0.002, 0.004, 0.1]
        one.packages["17"].fragments += 4
        one.packages["17"].bytes += 4000
        one.packages["17"].good += 1
        one.packages["17"].done_s.append(2.0 + number)
        one.finished_s.append(2.0 + number)
        one.places["localhost:80"].fragments += 4
        one.places["localhost:80"].bytes += 4000
        one.results["SUCCESS"] += 1
        one.move(State.DOWNLOADING, State.DONE)
    one.late_s[Kind.FRAGMENT].append(0.002)
    one.errors["fragment", "timed out"] += 1
    return one


def message(one: Any, at_s: Any = 1.0, bytes_in: Any = 5000) -> Any:
    return one.message(at_s, bytes_in, (2, 9, 1), 1) | {"over": False, "stopped": False, "memory_bytes": 1000}


def test_two_shards_are_one_picture() -> None:
    picture = Picture(10)
    first, second = tally(), tally(done=5)
    picture.hear("a", message(first))
    picture.hear("b", message(second))
    # The second message of a shard tells what is new, and all counts once more.
    first.late_s[Kind.RESULT].append(0.5)
    picture.hear("a", message(first, 2.0, 6000))
    figures = picture.figures()
    assert (figures["done"], figures["requests"], figures["fragments"], figures["bytes"]) == (8, 45, 32, 32_000)
    assert (figures["requests_per_s"], figures["fragments_per_s"]) == (45 / 2, 32 / 2)
    assert figures["success"] == 0.8
    assert figures["errors"] == pytest.approx(2 / 45)
    assert figures["fragment_p50"] == pytest.approx(0.002, rel=0.02)
    assert figures["fragment_p100"] == pytest.approx(0.1, rel=0.02)
    assert (figures["finish_p50"], figures["finish_p100"]) == (4.0, float("inf"))
    assert picture.states[State.DONE] == 8
    assert picture.packages["17"].listed == 10
    assert sorted(picture.packages["17"].done_s) == [2, 2, 3, 3, 4, 4, 5, 6]
    assert picture.places["localhost:80"].bytes == 32_000
    assert sum(row.bytes for row in picture.rows.values()) == 11_000
    assert sum(row.requests for row in picture.rows.values()) == 45
    assert sum(row.fragments for row in picture.rows.values()) == 32
    assert sum(row.errors for row in picture.rows.values()) == 2
    assert figures["memory"] == 2000


def test_an_exchange_that_failed_is_one_exchange_and_no_fragment() -> None:
    """Nine of ten answers say 503."""
    picture = Picture(1)
    one = Tally(1)
    one.packages["17"] = Deployment(5, 1, listed=1, fragments=1, bytes=100)
    one.late_s[Kind.FRAGMENT] = [0.001] * 10
    one.errors["fragment", "HTTP 503"] = 9
    picture.hear("a", message(one))
    figures = picture.figures()
    assert (figures["requests"], figures["errors"], figures["fragments"]) == (10, 0.9, 1)
    (row,) = told(picture)["course"]
    assert (row["requests_per_s"], row["errors"], row["fragments_per_s"]) == (10, 9, 1)
    console = Console(width=150, record=True, file=io.StringIO())
    picture.hear("a", message(one, 2.0))
    console.print(view(picture))
    shown = console.export_text()
    assert shown.partition("Now")[2].splitlines()[1].split()[:2] == ["1", "10"]


def test_latencies_of_a_stretch_in_which_no_fragment_came_are_told() -> None:
    picture = Picture(1)
    one = Tally(1)
    one.late_s[Kind.FRAGMENT] = [30.0]
    one.errors["fragment", "timed out"] = 1
    picture.hear("a", message(one))
    found = told(picture)
    assert found["course"][0]["fragment_p99_s"] == pytest.approx(30, rel=0.02)
    assert "Latency of fragments" in load_report.page(found)


def test_what_the_end_cut_off_is_late_but_neither_a_request_nor_an_error() -> None:
    picture = Picture(1)
    one = Tally(1)
    one.late_s[Kind.FRAGMENT] = [0.001]
    picture.hear("a", message(one))
    one.cut_off(Kind.FRAGMENT, 3.0)
    one.cut_off(Kind.PROLOG, 2.0)
    picture.hear("a", message(one, 2.0))
    figures = picture.figures()
    assert (figures["requests"], figures["unanswered"], figures["errors"]) == (1, 2, 0)
    assert figures["fragment_p100"] == pytest.approx(3, rel=0.02)
    assert figures["prolog_p50"] == pytest.approx(2, rel=0.02)
    assert [row["requests_per_s"] for row in told(picture)["course"]] == [1, 0]


def test_a_run_that_was_interrupted_says_so() -> None:
    picture = Picture(5)
    one = message(tally(done=5))
    picture.hear("a", one)
    assert told(picture)["interrupted"] is False
    picture.hear("a", message(tally(done=5)) | {"over": True, "stopped": True})
    found = told(picture)
    assert found["interrupted"] is True
    assert load_report.summary_line(found).startswith("Interrupted. ")


def test_messages_go_through_msgpack() -> None:
    one = tally()
    one.cut_off(Kind.FRAGMENT, 1.0)
    told_once = message(one)
    assert msgpack.unpackb(msgpack.packb(told_once)) == told_once


def test_what_a_lost_shard_had_not_ended_is_lost() -> None:
    picture = Picture(10)
    picture.hear("a", message(tally()))
    picture.hear("b", message(tally()))
    picture.lose("b", 5, "killed")
    figures = picture.figures()
    assert (figures["lost"], figures["done"]) == (2, 6)
    assert picture.lost == ["b: killed"]
    assert sum(picture.states) + 2 == 10
    # A message may be made of tuples: Dask makes them.
    remote = Picture(5)
    remote.hear("a", msgpack.unpackb(msgpack.packb(message(tally())), use_list=False))
    remote.lose("a", 5, "gone")
    assert (remote.figures()["lost"], remote.figures()["done"]) == (2, 3)
    # One of which nothing was ever heard.
    silent = Picture(4)
    silent.lose("c", 4, "gone")
    assert silent.figures()["lost"] == 4
    assert silent.figures()["success"] == 0


def test_a_long_course_has_few_rows_and_loses_nothing() -> None:
    picture = Picture(1)
    one = Tally(1)
    one.packages["17"] = Deployment(5, 1)
    for second in range(1, 2001):
        one.packages["17"].fragments += 3
        one.late_s[Kind.FRAGMENT] += [0.001] * 3
        picture.hear("a", message(one, float(second), second * 100))
    assert len(picture.rows) <= MOST_ROWS
    assert picture.row_s == 16
    assert sum(row.fragments for row in picture.rows.values()) == 6000
    assert sum(row.late.get_total_count() for row in picture.rows.values()) == 6000
    assert sum(row.bytes for row in picture.rows.values()) == 200_000


def told(picture: Any = None, order: Any = ORDER) -> Any:
    if picture is None:
        picture = Picture(10)
        picture.hear("a", message(tally()))
        picture.hear("b", message(tally(done=5)))
    goals = [thresholds.read("success>=90%"), thresholds.read("fragment_p99<1s")]
    return load_report.as_json(order, picture, goals, {"began": "now"})


def test_the_report_is_json_and_each_field_stands_in_the_reference() -> None:
    found = json.loads(json.dumps(told(), allow_nan=False))
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
    found = told()
    assert found["forecast"][-1][1] == 1.0
    assert found["forecast_finish_s"]["100"] > found["forecast_finish_s"]["50"] > 0
    # Agents that were given different packages have none.
    picture = Picture(10)
    one = tally()
    one.packages["18"] = Deployment(1, 1, listed=2)
    picture.hear("a", message(one))
    assert told(picture)["forecast"] is None


@pytest.mark.parametrize("time_scale", [1.0, 600.0])
def test_slow_agents_have_lines_of_their_own_in_the_forecast(time_scale: Any) -> None:
    """One of ten takes 50 ms more for each of its 40 fragments, however fast the latencies run. All came within 1 s."""
    order = replace(ORDER, shares=Shares(slow=0.1, slow_bytes_per_s=20_000), time_scale=time_scale)
    picture = Picture(10)
    one = tally(10, done=10)
    one.late_s[Kind.FRAGMENT] = [0.002] * 400
    one.packages["17"] = Deployment(1, 40, listed=10, good=10, fragments=400, bytes=400_000)
    picture.hear("a", message(one))
    with_, without = (
        told(picture, order=each)["forecast_finish_s"] for each in (order, replace(order, shares=Shares()))
    )
    assert with_["100"] - without["50"] == pytest.approx(40 * 0.05, abs=0.6)
    assert with_["50"] == pytest.approx(without["50"], abs=0.2)


def test_sleep_is_not_in_the_forecast_and_that_is_said() -> None:
    found = told(order=replace(ORDER, shares=Shares(sleep=0.1)))
    (completion,) = (table for table in load_report.tables(found) if table.title == "Completion")
    assert "sleep" in completion.note
    assert not any(table.note for table in load_report.tables(told()))


def test_tables_and_page() -> None:
    found = told()
    tables = list(load_report.tables(found))
    assert all(isinstance(table, Table) for table in tables)
    assert {table.title for table in tables} >= {"Agents", "Packages", "Completion", "Results", "Errors", "Thresholds"}
    page = load_report.page(found)
    assert page.count("<svg") == 4
    assert "FAILS" in page
    assert "8 of 10" in page
    assert load_report.summary_line(found).startswith("44 requests in 1.0 s: 32 fragments/s")


def test_a_report_of_nothing() -> None:
    found = told(Picture(3))
    assert found["figures"]["success"] == 0
    assert load_report.page(found)
    json.dumps(found, allow_nan=False)


def test_the_live_view_tells_it_all() -> None:
    picture = Picture(10)
    one = tally()
    one.expected_s = 100.0
    picture.hear("a", message(one))
    picture.hear("a", message(one, 2.0))
    picture.lose("b", 5, "killed")
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(view(picture))
    shown = console.export_text()
    for words in ("2.0 s gone, about 1 min 38 s left", "downloading", "fragment: timed out", "SUCCESS", "b: killed"):
        assert words in shown
    console.print(view(Picture(1)))


def test_the_live_view_fits_a_narrow_terminal() -> None:
    picture = Picture(10)
    picture.hear("a", message(tally()))
    picture.lose("b", 5, "killed")
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(view(picture))
    lines = console.export_text().splitlines()
    assert all("…" not in line for line in lines)
    assert set(lines[1].strip()) <= set("━╸╺ ")
    assert lines[2].startswith("Agents")
