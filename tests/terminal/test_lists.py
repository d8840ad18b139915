from __future__ import annotations

import csv
import io
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from distd.domain.page import Page
from distd.terminal.lists import Column, ListOptions, print_list, table_lines

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Row:
    id: str
    name: str = ""
    size: int = 0
    tags: tuple[str, ...] = ()


COLUMNS: Sequence[Column[Row]] = (
    Column("Id", lambda row: row.id),
    Column("Name", lambda row: row.name, rank=1, cut=True),
    Column("Size", lambda row: str(row.size), rank=2, right=True),
    Column("Tags", lambda row: " ".join(row.tags), rank=3, cut=True),
)
ROWS = [Row("1700000001", "Editor", 5, ("a", "b")), Row("2", "A very long name that goes on and on", 12_000)]


def test_columns_are_as_wide_as_their_texts() -> None:
    assert table_lines(ROWS, COLUMNS, None) == [
        "Id          Name                                   Size  Tags",
        "1700000001  Editor                                    5  a b",
        "2           A very long name that goes on and on  12000",
    ]


def test_a_column_without_texts_is_left_out() -> None:
    assert table_lines([Row("1"), Row("2")], COLUMNS, None) == ["Id  Size", "1      0", "2      0"]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (61, "2           A very long name that goes on and on  12000"),
        (60, "2           A very long name that goes on and…  12000"),
        (49, "2           A very long name that g…  12000"),
        (43, "2           A very long name that g…  12000"),
        (42, "2           A very long name that g…"),
        (30, "2           A very long name…"),
        (24, "2           A very long…"),
        (23, "2"),
        (3, "2"),
    ],
)
def test_lines_fit_and_what_names_the_row_is_never_cut(width: int, expected: str) -> None:
    lines = table_lines(ROWS, COLUMNS, width)
    assert lines[2] == expected
    assert lines[1].startswith("1700000001")
    assert all(cell_len(line) <= max(width, 10) for line in lines)


@pytest.mark.parametrize("name", ["日本語のとても長い名前です、これは", "e\u0301" * 30, "😀" * 20])
def test_wide_characters_are_counted_as_a_terminal_does(name: str) -> None:
    for width in range(24, 50):
        assert all(cell_len(line) <= width for line in table_lines([Row("1" * 10, name)], COLUMNS, width))


def test_what_agents_sent_moves_no_cursor() -> None:
    (_, line) = table_lines([Row("1", "pc\x1b[2J\n17\u202e")], COLUMNS, None)
    assert line == r"1   pc\x1b[2J\n17\u202e     0"


def listing(**values: Any) -> ListOptions:
    asked = {"limit": 50, "everything": False, "wide": False, "as_csv": False, "as_json": False}
    return ListOptions(**asked | values)


def printed(capsys: Any, page: Page[Row], **values: Any) -> tuple[str, str]:
    print_list(page, COLUMNS, listing(**values), "There is nothing.")
    out, err = capsys.readouterr()
    return out, err


def test_a_page_says_how_much_more_there_is(capsys: Any) -> None:
    out, err = printed(capsys, Page(ROWS, "x", 10_000))
    assert len(out.splitlines()) == 3
    assert err == "2 of 10,000; --all shows the rest.\n"
    assert printed(capsys, Page(ROWS, None, 2))[1] == ""


def test_an_empty_list_is_a_sentence_and_no_csv(capsys: Any) -> None:
    assert printed(capsys, Page([], None, 0)) == ("There is nothing.\n", "")
    assert printed(capsys, Page([], None, 0), as_csv=True) == ("", "")
    assert printed(capsys, Page([], None, 0), as_json=True)[0] == '{"items": [], "next": null, "total": 0}\n'


def test_csv_has_all_fields_and_no_formula(capsys: Any) -> None:
    rows = [Row("1", "=1+1", -5, ("a", "b")), Row("2", 'say "hi",\nso')]
    out, _ = printed(capsys, Page(rows, None, 2), as_csv=True)
    assert list(csv.reader(io.StringIO(out))) == [
        ["id", "name", "size", "tags"],
        ["1", "'=1+1", "-5", '["a", "b"]'],
        ["2", 'say "hi",\nso', "0", "[]"],
    ]


def test_on_a_terminal_lines_are_as_long_as_it_is_wide(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert max(map(len, printed(capsys, Page(ROWS, None, 2))[0].splitlines())) <= 24
    assert max(map(len, printed(capsys, Page(ROWS, None, 2), wide=True)[0].splitlines())) > 24
