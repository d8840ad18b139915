"""How a bench ends, and what it writes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from distd.report.page import Curve, Lines, Table
from loadtests import fleet, results, simulation
from loadtests.results import goal_row, goal_table
from tests.report.parsed_page import ParsedPage

GOOD = goal_table("Good", [goal_row("speed", "9", "≥ 8", True), goal_row("without a goal", "1")])
BAD = goal_table("Bad", [goal_row("memory", "9", "≤ 8", False), goal_row("CPU", "9", "≤ 8", False)])
NOISE = Table("Goals", ("what", "found", "goal", ""), [["lowest", "0.89", "≥ 0.90", "within the noise"]])


@pytest.mark.parametrize(
    ("tables", "status"),
    [
        pytest.param([GOOD], 0, id="met"),
        pytest.param([NOISE], 0, id="within the noise"),
        pytest.param([], 0, id="no goals"),
        pytest.param([GOOD, BAD, NOISE], "NOT MET: memory; CPU", id="missed"),
    ],
)
def test_a_missed_goal_is_the_status(tables: Any, status: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        results.finish(tables)
    assert ended.value.code == status  # a text goes to stderr, and the status is 1


@pytest.mark.parametrize(
    ("tables", "failures", "word", "sentence", "more"),
    [
        pytest.param([GOOD], 0, "Passed", "The goal is met.", "", id="one"),
        pytest.param([GOOD, GOOD], 0, "Passed", "All 2 goals are met.", "", id="all"),
        pytest.param([GOOD, NOISE], 0, "Passed", "All 2 goals are met.", "1 of them within the noise.", id="noise"),
        pytest.param([GOOD, BAD], 0, "Failed", "2 of 3 goals are not met: memory; CPU.", "", id="missed"),
        pytest.param([], 2, "Measured", "These figures have no goals.",
                     "2 measurements failed and are not counted.", id="no goals"),
    ],
)  # fmt: skip
def test_the_page_says_first_which_goals_are_met(
    tables: Any, failures: Any, word: Any, sentence: Any, more: Any
) -> None:
    found = results.judgement(tables, failures)
    assert (found.word, found.sentence, found.more) == (word, sentence, more)


def test_what_is_published_stands_in_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    facts = {"date": "today", "machine": "m", "system": "s", "versions": "v", "commit": "c"}
    monkeypatch.setattr(results, "machine_facts", lambda *_programs: facts)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    plot = Lines("Rounds", "Round", "Ratio", [Curve("one", [(1, 0.9)])])
    results.publish("x", "Title", "make x", [BAD], [plot])
    page = ParsedPage((tmp_path / "x.html").read_text("utf-8"))
    assert page.texts["strong"] == ["2 of 2 goals are not met: memory; CPU."]
    assert page.tables["Bad"][1:] == [["memory", "9", "≤ 8", "NOT MET"], ["CPU", "9", "≤ 8", "NOT MET"]]
    assert [plot["label"] for plot in page.data] == ["Rounds"]
    assert "make x" in page.words
    assert json.loads((tmp_path / "x.json").read_text("utf-8"))["tables"][0]["title"] == "Bad"


WITHOUT_GOALS = {"breakdown", "demo", "fuzz", "screenshots"}
PROGRAMS = set(re.findall(r"-m loadtests\.(\w+)", (results.HERE.parent / "Makefile").read_text("utf-8")))


@pytest.mark.parametrize("name", sorted(PROGRAMS - WITHOUT_GOALS))
def test_every_program_with_goals_ends_by_them(name: Any) -> None:
    main = (results.HERE / f"{name}.py").read_text("utf-8").partition("\ndef main(")[2]
    body = main.partition("\n\n\n")[0].splitlines()
    assert re.match(r"    (results\.)?finish\(", body[-1]), body[-1]  # behind all that is written


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The names of the sections that were written; none is."""
    names = []
    monkeypatch.setattr(results, "publish", lambda name, *_args, **_options: names.append(name))
    return names


@pytest.mark.parametrize(("met", "status"), [(True, 0), (False, 1)])
def test_a_miss_in_one_part_does_not_keep_the_others_from_being_measured(
    monkeypatch: pytest.MonkeyPatch, written: Any, met: Any, status: Any
) -> None:
    async def bench(part: Any, _quick: Any) -> Any:
        return [goal_row(part, "9", "≤ 8", met or part != "speed")]

    monkeypatch.setattr(fleet, "bench", bench)
    done = CliRunner().invoke(fleet.main, [])
    assert (done.exit_code, written) == (status, ["load-speed", "load-counters", "load-memory"])
    assert ("NOT MET: speed\n" in done.output) == (not met)


def test_any_of_the_tables_counts(monkeypatch: pytest.MonkeyPatch, written: Any) -> None:
    monkeypatch.setattr(simulation, "simulations", lambda _quick: [goal_row("a simulation", "1 s", "≤ 15 s", True)])
    monkeypatch.setattr(simulation, "plans", lambda: Table("What to set", ("wish", ""), [["a plan", "NOT MET"]]))
    done = CliRunner().invoke(simulation.main, [])
    assert (done.exit_code, written) == (1, ["simulate"])
    assert "NOT MET: a plan\n" in done.output
