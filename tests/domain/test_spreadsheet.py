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
