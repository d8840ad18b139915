"""`PROGRAM completion SHELL`: what the shell needs to complete commands, options and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import get_completion_class

from distd.terminal.options import example
from distd.terminal.program import Command

if TYPE_CHECKING:
    from collections.abc import Callable

SHELLS: Final = ("bash", "zsh", "fish")
_WHERE: Final = """\
eval "$({0} completion bash)"     # in ~/.bashrc
  eval "$({0} completion zsh)"      # in ~/.zshrc
  {0} completion fish > ~/.config/fish/completions/{0}.fish"""


def add_completion(program: click.Group) -> None:
    """Add the command `completion` to a program."""
    name = program.name or ""

    def print_script(shell: str) -> None:
        """Print what completes this program's commands, options and values in a shell."""
        kind = get_completion_class(shell)
        assert kind is not None
        click.echo(kind(program, {}, name, f"_{name.upper()}_COMPLETE").source())

    described: Callable[..., None] = print_script
    argument = click.Argument(["shell"], type=click.Choice(SHELLS))
    epilog = example(_WHERE.format(name))
    command = Command("completion", callback=described, params=[argument], help=described.__doc__, epilog=epilog)
    program.add_command(command)
