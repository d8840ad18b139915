"""`.ci/debian-packages`: which machines may get the Debian packages of the tests. Nothing is installed here."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.import_graph import ROOT

if TYPE_CHECKING:
    from pathlib import Path

STARTED = 9  # the status of the apt-get here, which ends the script at its first use


class Machine:
    """A copy of the script, on a machine that has none of the packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        (folder / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "debian-packages", folder / ".ci")
        self.program("dpkg-query", "exit 1")
        self.program("python3", "exit 0")
        self.program("apt-get", f"exit {STARTED}")

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def set_up(self, user_id: int, **environment: str) -> subprocess.CompletedProcess[str]:
        self.program("id", f"echo {user_id}")
        env = {"PATH": f"{self.programs}:/usr/bin:/bin", **environment}
        command = ["/bin/sh", str(self.folder / ".ci" / "debian-packages")]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_is_refused_where_there_is_no_checkout(machine: Machine) -> None:
    done = machine.set_up(0)
    assert done.returncode == 1
    assert done.stderr.startswith("refused: ")
    assert "this is no git checkout" in done.stderr
    assert "DISTD_DEVELOPMENT=1" in done.stderr


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"DISTD_DEVELOPMENT": "1"}], ids=["CI", "by hand"])
def test_a_variable_says_that_a_machine_is_for_development(machine: Machine, environment: dict[str, str]) -> None:
    assert machine.set_up(0, **environment).returncode == STARTED


def test_a_checkout_is_for_development(machine: Machine) -> None:
    (machine.folder / ".git").touch()
    assert machine.set_up(0).returncode == STARTED


def test_without_root_the_packages_are_named(machine: Machine) -> None:
    done = machine.set_up(1000)
    assert done.returncode == 0
    assert "sudo apt-get install --no-install-recommends ocsinventory-agent" in done.stderr


def test_nothing_is_refused_where_nothing_is_missing(machine: Machine) -> None:
    machine.program("dpkg-query", "echo install ok installed")
    assert machine.set_up(0).returncode == 0
