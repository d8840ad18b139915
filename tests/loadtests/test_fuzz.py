"""The program around the targets; atheris is not among what the tests need."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from click.testing import CliRunner

from loadtests import fuzz
from loadtests.fuzz_targets import BY_NAME


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; that of `post` fails."""
    commands = []

    def run(command: list[str], **_options: Any) -> Any:
        commands.append(command)
        return subprocess.CompletedProcess(command, 77 if "post" in command else 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_targets_share_the_time_and_one_with_a_fault_does_not_stop_the_others(started: list[list[str]]) -> None:
    done = CliRunner().invoke(fuzz.main, ["--seconds", str(3 * len(BY_NAME))])
    assert [command[command.index("--one") + 1] for command in started] == list(BY_NAME)
    assert {command[command.index("--seconds") + 1] for command in started} == {"3"}
    assert (done.exit_code, done.output.splitlines()[-1]) == (1, "faults were found in post: see .fuzz")


def test_one_target(started: list[list[str]]) -> None:
    assert CliRunner().invoke(fuzz.main, ["--target", "frames"]).exit_code == 0
    assert len(started) == 1


def test_a_target_that_is_none(started: list[list[str]]) -> None:
    done = CliRunner().invoke(fuzz.main, ["--target", "frame"])
    assert (done.exit_code, started) == (2, [])
    assert "expected one of head, stream" in done.output
