from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distd.domain.visible import visible
from distd.report.html_page import write_page
from distd.report.page import (
    Bars,
    Curve,
    KeyFigure,
    Lines,
    Series,
    Shape,
    StackedBar,
    Table,
    Tone,
    Verdict,
)
from tests.report.parsed_page import ParsedPage

if TYPE_CHECKING:
    from distd.report.page import Part

ROOT = Path(__file__).parents[2]
UPLOT = ROOT / "distd/report/static/uplot"
HOSTILE = "</script><script>alert(1)</script><!-- \"'&"
VERDICT = Verdict(Tone.GOOD, "Passed", "All goals are met.", "Twice <b>.")
TABLE = Table("All <i>", ("cell", "x & y", ""), [["1 < 2", "12.5 MB/s", "met"], ["3", "–", "NOT MET"]], note="a note")
BARS = Bars("Speed <b>", "Rate, MB/s", ["a & b", "c"], [Series("one", [1, None]), Series("two", [2.5, 5])], {"goal": 2})
SPREAD = Bars("Ratio", "Ratio", ["a"], [Series("one", [1.0], [(0.5, 1.5)])])
POINTS = Bars("Log", "Time, ms", ["a", "b", "c"], [Series("one", [0.02, 90.0, 0.0])], log=True)
LINES = Lines("Rounds", "Round", "Ratio", [Curve("one", [(1, 0.9), (2, 1.1)]), Curve("two", [(1, 3.0)])])
STACK = StackedBar(
    "Agents at the end", "agents", [("done", 3, Tone.GOOD), ("lost", 0, Tone.BAD), ("idle", 1, Tone.WARN)]
)
PARTS: list[Part] = ["A text with <script>.", TABLE, BARS, SPREAD, POINTS, LINES, STACK]
FIGURES = [KeyFigure("Success", "99.9 %", "of <all>")]


def written(*parts: Part, verdict: Verdict = VERDICT) -> ParsedPage:
    return ParsedPage(write_page("Figures <1>", verdict, parts, {"machine": "2 × <CPU>"}, FIGURES))


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_a_page_is_whole_and_asks_for_nothing() -> None:
    page = written(*PARTS)
    assert page.references == []
    assert page.handlers == []  # which the policy would forbid
    text = write_page("x", VERDICT, PARTS, {})
    assert not any(word in text for word in ("@import", "url(", "eval(", "new Function"))


def test_texts_that_would_be_shown_as_others_are_escaped() -> None:
    verdict = Verdict(Tone.GOOD, "pc\u202egpj.exe", "a\u2028b\x9b31m", "two\nlines")
    text = write_page("\u2066x", verdict, [Table("All\u200b", ("cell",), [["\u202e"]])], {"machine": "\ufeff"})
    assert [char for char in text if not char.isprintable() and char not in "\n\t\u00a0\u2009\u202f"] == []
    assert r"pc\u202egpj.exe" in text
    assert "two\nlines" in text


def test_the_policy_names_each_style_and_script_and_nothing_else() -> None:
    page = written(*PARTS)
    assert page.policy["default-src"] == page.policy["base-uri"] == page.policy["form-action"] == ["'none'"]
    assert page.policy["style-src"] == [digest(text) for text in page.inline["style"]]
    assert page.policy["script-src"] == [digest(text) for text in page.inline["script"]]
    assert len(page.inline["script"]) == 2


def test_a_page_without_curves_has_no_script() -> None:
    page = written(TABLE, BARS)
    assert "script" not in page.tags
    assert page.policy["script-src"] == ["'none'"]
    assert page.policy["style-src"] == [digest(text) for text in page.inline["style"]]


def test_the_verdict_stands_first_as_word_and_sentence() -> None:
    page = written(*PARTS)
    assert page.texts["strong"] == ["All goals are met."]
    assert page.texts["title"] == ["Figures <1>: Passed", *page.texts["title"][1:]]
    assert page.words.index("Passed") < page.words.index("A text with")
    assert page.texts["b"] == ["99.9 %"]
    assert "of <all>" in page.words


def test_a_table_says_what_it_is_given_and_has_its_numbers_to_the_right() -> None:
    page = written(TABLE)
    assert page.tables["All <i>"] == [["cell", "x & y", ""], ["1 < 2", "12.5 MB/s", "met"], ["3", "–", "NOT MET"]]
    assert page.classes["All <i>"] == [["", "number", ""]] * 3
    assert "badge good" in write_page("x", VERDICT, [TABLE], {})
    assert "a note" in page.words


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (["3 d 2 h", "never", ""], True),
        (["8 of 10", "≥ 0.90"], True),
        (["1.20 (1.20–1.20)", "failed"], True),
        (["sendfile", "read"], False),
        (["3", "sendfile"], False),
        (["2.31 s, simulated 2.40 s (+3.9%)"], False),
    ],
)
def test_which_columns_hold_numbers(cells: list[str], right: bool) -> None:
    page = written(Table("x", ("", "cells"), [["a", cell] for cell in cells]))
    assert {row[1] for row in page.classes["x"]} == {"number" if right else ""}


def test_curves_are_data_and_their_figures_a_table() -> None:
    page = written(LINES)
    (plot,) = page.data
    assert (plot["x_title"], plot["y_title"], plot["x_end"]) == ("Round", "Ratio", None)
    assert [(curve["name"], curve["x"], curve["y"]) for curve in plot["curves"]] == [
        ("one", [1, 2], [0.9, 1.1]),
        ("two", [1], [3.0]),
    ]
    assert page.tables["Rounds"] == [["Round", "one", "two"], ["1", "0.9", "3"], ["2", "1.1", ""]]
    assert {"Ratio", "Round"} <= {text.strip() for text in page.texts["p"]}  # titles of the axes
    assert "needs JavaScript" in page.words
    assert "<details open>" in write_page("x", VERDICT, [LINES], {})


def test_places_far_along_an_axis_can_be_told_apart() -> None:
    curve = Curve("", [(24.6, 1.0), (24.667, 2.0), (1234.5, 3.0)])
    assert [row[0] for row in written(Lines("x", "h", "y", [curve])).tables["x"][1:]] == ["24.6", "24.667", "1,234.5"]


def test_steps_end_where_nothing_is_known() -> None:
    """Intervals 0, 1 and 5 of 10 s: nothing joins the second with the third, whose value holds for 10 s."""
    curve = Curve("", [(0, 3), (10, 4), (50, 5)], Shape.STEPS, 10)
    (plot,) = written(Lines("x", "s", "1/s", [curve])).data
    (drawn,) = plot["curves"]
    assert list(zip(drawn["x"], drawn["y"], strict=True)) == [(0, 3), (10, 4), (20, None), (50, 5), (60, 5)]
    assert drawn["gaps"]


def test_what_cannot_be_drawn_is_no_number() -> None:
    curve = Curve("", [(0, 0.0), (1, float("inf")), (2, float("nan")), (3, 2.0)])
    (plot,) = written(Lines("x", "s", "ms", [curve], log=True)).data
    assert plot["curves"][0]["y"] == [None, None, None, 2.0]
    assert plot["y_title"] == "ms, logarithmic"


def test_bars_say_their_values_and_the_axis_its_unit() -> None:
    page = written(BARS)
    rows = page.tables["Speed <b>"]
    assert [row[0] for row in rows[1:-1]] == ["a & b", "c"]
    assert [row[2] for row in rows[1:-1]] == ["12.5", "5"]  # 1 and 2.5; None is no bar
    assert rows[-1][1].endswith("Rate, MB/s")
    assert rows[0][1] == "goal"
    text = write_page("x", VERDICT, [BARS], {})
    assert 'width="20.00%"' in text  # 1 of 5
    assert 'width="50.00%"' in text  # 2.5 of 5
    assert f"<title>{escape('a & b')}, two: 2.5</title>" in text


def test_on_a_logarithmic_axis_values_are_points() -> None:
    text = write_page("x", VERDICT, [POINTS], {})
    assert text.count("<circle") == 3
    assert "<rect class=" not in text
    assert 'cx="0.00%"' in text  # 0 lies at the lower end
    assert "Time, ms, logarithmic" in text


def test_shares_of_a_whole_are_a_bar_and_numbers() -> None:
    page = written(STACK)
    assert page.texts["dd"][1:4] == ["3", "1", "4"]
    text = write_page("x", VERDICT, [STACK], {})
    assert 'x="75.000%" width="25.000%"' in text
    assert "lost" not in page.words
    assert written(StackedBar("None", "agents", [("done", 0, Tone.GOOD)])).texts["dd"][1] == "0"


def test_panels_of_one_kind_stand_in_pairs() -> None:
    wide = Table("wide", tuple(f"column {number}" for number in range(12)), [])
    page = written(LINES, LINES, LINES, Table("a", ("x",), []), Table("b", ("x",), []), wide)
    kinds = [page.panels[title] for title in ("a", "b", "wide")]
    assert kinds == ["panel table half", "panel table half", "panel table whole"]
    text = write_page("x", VERDICT, [LINES, LINES, LINES], {})
    assert (text.count("panel lines half"), text.count("panel lines alone")) == (2, 1)
    assert "Nothing to show." in page.words


def test_everything_given_is_escaped() -> None:
    verdict = Verdict(Tone.BAD, HOSTILE, HOSTILE, HOSTILE)
    parts: list[Part] = [
        HOSTILE,
        Table(HOSTILE, (HOSTILE, HOSTILE), [[HOSTILE, HOSTILE]], HOSTILE),
        Bars(HOSTILE, HOSTILE, [HOSTILE], [Series(HOSTILE, [1.0]), Series(HOSTILE, [2.0])], {HOSTILE: 1}, note=HOSTILE),
        Lines(HOSTILE, HOSTILE, HOSTILE, [Curve(HOSTILE, [(0, 1)])], note=HOSTILE),
        StackedBar(HOSTILE, HOSTILE, [(HOSTILE, 1, Tone.GOOD)]),
    ]
    text = write_page(HOSTILE, verdict, parts, {HOSTILE: HOSTILE}, [KeyFigure(HOSTILE, HOSTILE, HOSTILE)])
    assert text.count("<script") == text.count("</script") == 3  # the data, uPlot, and what draws
    assert text.count("<!--") == 1  # the licence
    page = ParsedPage(text)
    assert page.data[0]["curves"][0]["name"] == HOSTILE
    assert page.texts["strong"] == [HOSTILE]


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
@settings(max_examples=20)
def test_any_text_comes_through(text: str) -> None:
    page = ParsedPage(write_page("x", VERDICT, [Lines("t", "x", "y", [Curve(text, [(0, 1)])]), text], {}))
    assert page.data[0]["curves"][0]["name"] == text
    assert visible(text, "\n\t") in page.texts["p"]


def test_uplot_is_what_its_digests_say() -> None:
    lines = (UPLOT / "SHA256SUMS").read_text("ascii").splitlines()
    digests = {name: value for value, name in (line.split() for line in lines)}
    files = {file.name for file in UPLOT.iterdir()} - {"SHA256SUMS", "README.md"}
    assert files == set(digests)
    for name, value in digests.items():
        assert hashlib.sha256((UPLOT / name).read_bytes()).hexdigest() == value, name
    assert "MIT" in (UPLOT / "LICENSE").read_text("ascii")


def test_the_licence_goes_with_the_code() -> None:
    licence = (UPLOT / "LICENSE").read_text("ascii")
    assert licence in write_page("x", VERDICT, [LINES], {})
    assert licence not in write_page("x", VERDICT, [TABLE], {})


@pytest.mark.parametrize("name", ["uplot/uPlot.iife.min.js", "uplot/uPlot.min.css", "page.css", "plots.js"])
def test_nothing_in_the_assets_ends_the_element_they_stand_in(name: str) -> None:
    text = (resources.files("distd.report") / "static" / name).read_text("utf-8").lower()
    assert not any(end in text for end in ("</script", "</style", "<!--", "\r"))


def test_a_wheel_has_the_template_and_the_assets(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    report = ROOT / "distd/report"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = [*report.glob("templates/*"), *report.glob("static/*.*"), *UPLOT.iterdir()]
    assert len(files) >= 8
    assert {file.relative_to(ROOT).as_posix() for file in files} <= names


def test_commands_that_write_no_page_do_not_wait_for_what_makes_pages() -> None:
    imports = "import sys, agentsim.cli, agentsim.load, agentsim.simulate, distd.cli.rollout"
    shown = "print({'jinja2', 'distd.report.html_page'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{imports}; {shown}"], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
