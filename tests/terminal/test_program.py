from __future__ import annotations

import subprocess
import sys
from typing import Any

import click
import pytest

from distd.cli.main import cli
from distd.cli.package import package
from distd.terminal.program import Group


@pytest.mark.parametrize("group", [cli, package])
def test_every_place_has_a_command_of_that_name(group: Any) -> None:
    assert isinstance(group, Group)
    context = click.Context(group)
    assert set(group.places) <= set(group.list_commands(context))
    for name in group.places:
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_commands_that_are_added_are_there_too() -> None:
    group = Group("group", places={"init": "distd.cli.init:init"})
    group.add_command(click.Command("also"))
    context = click.Context(group)
    assert group.list_commands(context) == ["also", "init"]
    assert group.get_command(context, "also") is group.commands["also"]
    assert group.get_command(context, "neither") is None


def test_only_the_command_that_is_named_is_imported() -> None:
    script = (
        "import sys; from distd.cli.main import run; run(['init', '--help']);"
        "assert 'distd.cli.init' in sys.modules and 'distd.cli.plan' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "distd init" in done.stdout
