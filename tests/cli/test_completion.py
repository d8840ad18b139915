from __future__ import annotations

import subprocess
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from distd.cli.main import cli
from tests.fixtures.databases import sqlite_database
from tests.programs.processes import AGENTSIM, DISTD, REDISTRIB, plain_environment

__all__ = ["sqlite_database"]  # what is tested here is the same on each


def completed(*words: str, incomplete: str = "") -> list[tuple[str, str | None]]:
    found = ShellComplete(cli, {}, "distd", "_DISTD_COMPLETE").get_completions([*words], incomplete)
    return [(item.value, item.help) for item in found]


def test_commands_and_options_are_completed() -> None:
    assert completed(incomplete="pack") == [("package", "Build, activate, check, change and delete...")]
    assert [value for value, _ in completed("package", incomplete="ac")] == ["activate"]
    assert ("--postcmd", "Windows: run this command afterwards.") in completed("assign", incomplete="--p")
    assert [value for value, _ in completed("package", "build", "--os", incomplete="l")] == ["linux"]


def test_packages_and_computers_are_completed(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package_id, device_id = site.build(), site.computer()
    data = ("--data", str(site.data))
    assert completed("package", "show", *data) == [(package_id, "Hello")]
    assert completed("package", "show", *data, incomplete=package_id[:3]) == [(package_id, "Hello")]
    assert completed("package", "show", *data, incomplete="x") == []
    assert completed("assign", package_id, *data, "--computer") == [(device_id, None)]
    monkeypatch.setenv("DISTD_DATA", str(site.data))
    assert completed("computer", "show", incomplete="pc") == [(device_id, None)]
    assert completed("events", "--package") == [(package_id, "Hello")]


def test_without_a_data_directory_nothing_is_completed_and_nothing_said(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISTD_DATA", raising=False)
    assert completed("package", "show") == []
    assert completed("package", "show", "--data", str(tmp_path)) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("program", [DISTD, REDISTRIB, AGENTSIM])
def test_every_program_has_a_script_for_every_shell(program: str, shell: str) -> None:
    done = subprocess.run(
        [program, "completion", shell], capture_output=True, text=True, check=True, env=plain_environment()
    )
    name = program.rpartition("/")[2]
    assert f"_{name.upper()}_COMPLETE={shell}_complete" in done.stdout
