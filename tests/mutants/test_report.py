"""The score by module, and the changes that are said to change nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants import report
from tests.mutants.report import Outcome, Verdict

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(report.__file__).with_name("equivalent.toml")
CHANGE = '[[change]]\nmodule = "m.py"\nfunction = "f"\nline = "a"\ntext = "a → b"\n'


def verdict(module: str, outcome: Outcome, change: str = "a → b") -> Verdict:
    return Verdict(module, 1, "f", "a", change, outcome, 1)


def test_the_exit_status_is_that_of_the_worst_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    none = tmp_path / "equivalent.toml"
    none.write_text("# nothing\n")
    good = [verdict("good.py", Outcome.NOTICED)] * 99
    assert report.print_report([*good, verdict("good.py", Outcome.SURVIVED)], none) == 0
    assert report.print_report([*good, verdict("bad.py", Outcome.NOT_EXECUTED)], none) == 1
    assert "bad.py:1: a → b   (no test executes it)" in capsys.readouterr().out
    assert report.print_report([verdict("m.py", Outcome.NOTICED)] * 8 + [verdict("m.py", Outcome.SURVIVED)], none) == 1


def test_what_changes_nothing_does_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "equivalent.toml"
    path.write_text(CHANGE + 'reason = "the same value"\n')
    verdicts = [verdict("m.py", Outcome.NOTICED), verdict("m.py", Outcome.SURVIVED)]
    assert report.print_report(verdicts, path) == 0
    assert "1 changes that change nothing are left out" in capsys.readouterr().out


def test_without_a_reason_nothing_is_equivalent(tmp_path: Path) -> None:
    path = tmp_path / "equivalent.toml"
    path.write_text(CHANGE)
    with pytest.raises(KeyError, match="reason"):
        report.read_equivalent(path)


def test_the_list_names_lines_that_there_are() -> None:
    for module, _, line, _ in report.read_equivalent(EQUIVALENT):
        assert line in [text.strip() for text in (ROOT / module).read_text("utf-8").splitlines()]


def test_what_ends_too_late_is_noticed() -> None:
    assert report.score_percent(Counter({Outcome.NOTICED: 1, Outcome.TOO_LONG: 1, Outcome.SURVIVED: 2})) == 50.0
