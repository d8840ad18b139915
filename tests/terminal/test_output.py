from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distd.terminal.lists import print_table
from distd.terminal.output import print_json, print_record, progress_bar

if TYPE_CHECKING:
    import pytest


@dataclass
class Record:
    name: str
    sizes: frozenset[int]


def test_json_has_records_as_objects_and_sets_as_lists(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([Record("é", frozenset({2, 1}))])
    out = capsys.readouterr().out
    assert json.loads(out) == [{"name": "é", "sizes": [1, 2]}]
    assert out.count("\n") == 1
    assert "é" in out


def test_nothing_that_is_printed_moves_a_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "pc\x1b[2J\x9b\u202ex\u2028y"
    print_record([("Name", hostile), ("Sizes", [hostile])])
    print_json({"name": hostile})
    lines = capsys.readouterr().out.split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert lines[0] == r"Name   pc\x1b[2J\x9b\u202ex\u2028y"
    assert json.loads(lines[2]) == {"name": hostile}


def test_a_table_has_aligned_columns_and_unbroken_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("Name", "Size"), [("a" * 300, None), ("b", 7)], "No rows.")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].index("Size") == lines[2].index("7")


def test_a_table_without_rows_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("Name",), [], "No packages yet.")
    assert capsys.readouterr().out == "No packages yet.\n"


def test_markup_in_a_cell_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("Name",), [("[bold]x[/bold] :smile:",)], "")
    assert "[bold]x[/bold] :smile:" in capsys.readouterr().out


def test_a_record_leaves_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    print_record([("Name", "pc"), ("Tag", ""), ("Seen", None), ("Agents", 0)])
    assert capsys.readouterr().out == "Name    pc\nAgents  0\n"


def test_without_a_terminal_there_is_no_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with progress_bar("Building") as progress:
        assert progress is None
