from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadtests.measure import Cell, failed
from loadtests.report import MARKERS, Run, as_json, cost, html, markdown, put_between_markers, speed
from tests.report.parsed_page import ParsedPage

FACTS = {
    "date": "2026-11-23 12:00 UTC",
    "machine": "2 × CPU, 4 GiB",
    "versions": "Python 3.11, nginx 1.22",
    "commit": "0123456789",
    "command": "make bench-transfer",
    "rounds": "5 rounds of 3 s",
}


@pytest.fixture
def finished(result: Any) -> Run:
    broken = [1100, failed("3 reads failed <x>")]
    cells = [
        result(Cell("4KiB", 1), [1500, 1500]),
        result(Cell("4KiB", 32), [1200, 1200], sendfile=[900, 900]),
        result(Cell("64KiB", 32, tls=True), broken, apache=[failed("gone")] * 2),
    ]
    return Run(FACTS, cells)


def test_the_tables_have_a_row_for_each_cell(finished: Run) -> None:
    rows = speed(finished).rows
    assert [row[0] for row in rows] == ["4 KiB, c = 1", "4 KiB, c = 32", "64 KiB, TLS, c = 32"]
    assert list(rows[1][1:]) == ["1,200", "6", "read", "1,000", "1.20 (1.20–1.20)", "1,000", "1.20 (1.20–1.20)"]
    assert rows[2][-2:] == ["failed", "failed"]
    assert all(len(row) == len(cost(finished).columns) for row in cost(finished).rows)


def test_the_json_has_every_slice(finished: Run) -> None:
    read = json.loads(as_json(finished))
    assert read["facts"] == FACTS
    assert read["failures"][0] == "64 KiB, TLS, c = 32: distd, round 2: 3 reads failed <x>"
    cell = read["cells"][1]
    assert (cell["size"], cell["connections"], cell["best_nginx"]) == ("4KiB", 32, "nginx read")
    assert cell["ratio"]["rounds"] == [1.2, 1.2]
    assert [piece["requests"] for piece in cell["slices"]["nginx sendfile"]] == [900, 900]


def test_the_page_shows_facts_goals_and_failures(finished: Run) -> None:
    page = ParsedPage(html(finished))
    for text in (
        FACTS["command"],
        "geometric mean of the HTTP cells (2)",
        "3 reads failed <x>",
        "1.20 (1.20–1.20)",
    ):
        assert text in page.words
    missed = [goal.what for goal in finished.goals if goal.verdict == "NOT MET"]
    assert "slices in which distd failed" in missed
    assert page.texts["strong"][0].endswith(f" not met: {'; '.join(missed)}.")
    assert "3 measurements failed and are not counted." in page.words
    assert page.texts["b"][0] == "1.342"  # of 1.5 and 1.2


def test_only_cells_with_every_round_are_drawn_round_by_round(finished: Run) -> None:
    (plot,) = ParsedPage(html(finished)).data
    assert [(curve["name"], curve["shape"], curve["x"]) for curve in plot["curves"]] == [("HTTP", "points", [1, 2])]


def test_the_readme_has_a_row_for_each_kind_of_cell(finished: Run) -> None:
    lines = markdown(finished).splitlines()
    assert lines[0].startswith("| distd / best nginx | c = 1 | c = 32 | c = 256 |")
    assert lines[2] == "| 4 KiB | 1.50 (1.50–1.50) | 1.20 (1.20–1.20) |  | 1,200 | 1,000 | 20 | 20 |"
    assert lines[3].startswith("| 64 KiB, TLS |  | 1.10 (1.10–1.10) |  | 1,100 |")
    assert lines[-1].endswith("commit 0123456789; `make bench-transfer`, 5 rounds of 3 s.")


def test_a_table_takes_the_place_of_the_one_before() -> None:
    begin, end = MARKERS
    once = put_between_markers(f"before\n{begin}\n{end}\nafter\n", "| one |")
    assert once == f"before\n{begin}\n| one |\n{end}\nafter\n"
    assert put_between_markers(once, "| two |") == once.replace("one", "two")


@pytest.mark.parametrize("text", ["", MARKERS[0], MARKERS[1] + MARKERS[0]])
def test_without_markers_nothing_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="expected <!-- transfer:begin"):
        put_between_markers(text, "| one |")


def test_the_readme_has_the_markers() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    assert put_between_markers(text, "here").count("\nhere\n") == 1
