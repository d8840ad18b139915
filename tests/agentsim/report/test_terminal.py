from __future__ import annotations

import pytest

from agentsim.report.terminal import show
from distd.report.page import Table

WIDE = Table("Agents", ("all", *(f"state {number}" for number in range(12))), [["10", *"012345678901"]])


def test_a_table_that_fits_stays(capsys: pytest.CaptureFixture[str]) -> None:
    show([Table("Two", ("what", "figure"), [["speed", "3"]])])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["Two"],
        ["what", "figure"],
        ["speed", "3"],
        [],
    ]


def test_a_note_stands_below(capsys: pytest.CaptureFixture[str]) -> None:
    show([Table("Two", ("what", "figure"), [["the speed of it", "3"]], "As it was today.")])
    assert capsys.readouterr().out.split("\n")[-3].strip() == "As it was today."


@pytest.mark.parametrize("columns", [60, 80])
def test_a_table_that_is_too_wide_is_turned(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentsim.report.terminal.WIDTH_IN_PIPE", columns)
    show([WIDE])
    out = capsys.readouterr().out
    assert "…" not in out
    assert [line.split() for line in out.splitlines()][1:3] == [["all", "10"], ["state", "0", "0"]]


def test_one_without_rows_is_not(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentsim.report.terminal.WIDTH_IN_PIPE", 20)
    show([Table("None", WIDE.columns, [])])
    assert "None" in capsys.readouterr().out
