"""CSV for spreadsheets."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distd.domain.spreadsheet import csv_cell, csv_head, csv_lines


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+33", "'+33"),
        ("-1", "'-1"),
        ("@SUM", "'@SUM"),
        ("\tx", "'\tx"),
        (-1, -1),
        ("a=b", "a=b"),
        ("x;=cmd|' /C calc'!A0;", "x;'=cmd|' /C calc'!A0;"),
        ('x;"=1"', 'x;"\'=1"'),
        ("x\t@y\r\n+z", "x\t'@y\n'+z"),
        ("\r=1", "'\n'=1"),
        (["a;=1"], '["a;\'=1"]'),
        (["é"], '["é"]'),
        (None, None),
    ],
)
def test_cells(value: object, cell: object) -> None:
    assert csv_cell(value) == cell


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_reader_gets_what_was_written(texts: list[str]) -> None:
    names = [f"n{number}" for number in range(len(texts))]
    text = csv_head(names) + csv_lines(names, [dict(zip(names, texts, strict=True))])
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [names, [csv_cell(each) for each in texts]]


@given(st.lists(st.text(alphabet=';",\t\n\r =@x', max_size=12), min_size=1, max_size=3), st.sampled_from(",;\t"))
def test_no_cell_is_a_formula_however_cells_are_separated(texts: list[str], separator: str) -> None:
    text = csv_lines(list(map(str, range(len(texts)))), [dict(zip(map(str, range(len(texts))), texts, strict=True))])
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
        assert not any(cell.lstrip().startswith(("=", "@")) for cell in row)
