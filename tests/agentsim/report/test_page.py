from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsim.report.page import Bars, Lines, Series, Table, number_text, scale, write_page

BARS = Bars("Speed <b>", "MB/s", ["a & b", "c"], [Series("one", [1.0, None]), Series("two", [2.5, 300.0])], {"goal": 2})
SPREAD = Bars("Ratio", "ratio", ["a"], [Series("one", [1.0], [(0.5, 1.5)])])
LOG = Bars("Log", "ms", ["a", "b", "c"], [Series("one", [0.02, 90.0, 0.0])], log=True)
LINES = Lines("Rounds", "round", "ratio", {"one": [(1, 0.9), (2, 1.1)], "two": [(1, 3.0)]}, note="a note")
TABLE = Table("All <i>", ("cell", "x & y"), [["1 < 2", '"q"']])
PARTS: list[str | Table | Bars | Lines] = ["A text with <script>.", TABLE, BARS, SPREAD, LOG, LINES]
VOID = {"meta", "line", "rect", "polyline"}


class Balance(HTMLParser):
    """Every element that begins ends, in its turn; keeps what the page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("href", "src", "action", "xlink:href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_a_page_is_whole_and_asks_for_nothing() -> None:
    page = write_page("Figures <1>", {"machine": "2 × <CPU>"}, PARTS)
    parser = read(page)
    assert parser.references == []
    assert "script" not in parser.seen
    assert not re.search(r"url\(|@import|https?://", page)
    assert parser.seen.count("svg") == 4


def test_every_drawing_is_xml_without_numbers_that_are_none() -> None:
    page = write_page("x", {}, PARTS)
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert not re.search(r'"-?(nan|inf)|None', drawing)
    assert len(drawings) == 4


def bars_of(part: Bars) -> list[ElementTree.Element]:
    drawing = re.search(r"<svg.*?</svg>", write_page("x", {}, [part]), re.DOTALL)
    assert drawing is not None
    return [bar for bar in ElementTree.fromstring(drawing[0]).iter("rect") if bar.find("title") is not None]


def test_a_bar_is_as_long_as_its_value_and_none_is_no_bar() -> None:
    widths = {bar.findtext("title"): float(bar.get("width", "")) for bar in bars_of(BARS)}
    assert list(widths) == ["a & b, one: 1", "a & b, two: 2.5", "c, two: 300"]
    first, second, third = widths.values()
    assert second / first == pytest.approx(2.5, rel=0.1)
    assert third / second == pytest.approx(120, rel=0.05)


def test_on_a_logarithmic_scale_equal_steps_are_equal_factors() -> None:
    bars = Bars("x", "ms", ["a", "b", "c"], [Series("one", [1.0, 10.0, 100.0])], log=True)
    first, second, third = (float(bar.get("width", "")) for bar in bars_of(bars))
    assert first == 0.0
    assert third == pytest.approx(2 * second, rel=0.01)


@given(st.lists(st.floats(-1e9, 1e9).map(lambda value: round(value, 12)), min_size=1, max_size=20), st.booleans())
def test_a_scale_holds_its_values_between_a_handful_of_ticks(values: list[float], log: bool) -> None:
    across = scale(values, 100, 900, log=log)
    for value in values:
        if not log:
            assert across.clip(value) == pytest.approx(value)
        assert 100 <= round(across.at(value), 6) <= 900
    ticks = across.ticks()
    assert ticks == sorted(ticks)
    assert log or 2 <= len(ticks) <= 13
    assert all(99.999 <= across.at(tick) <= 900.001 for tick in ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (1.234, "1.23"),
        (1.5, "1.5"),
        (12.34, "12.3"),
        (120.4, "120"),
        (12345.6, "12,346"),
        (1000, "1,000"),
        (-2.5, "-2.5"),
    ],
)
def test_numbers_show_three_digits_that_count(value: float, text: str) -> None:
    assert number_text(value) == text
