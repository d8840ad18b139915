"""The entry point `distd`. Exit status: 0 good, 1 failed, 2 bad usage or input; errors are one line on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from distd import __version__
from distd.terminal import program
from distd.terminal.completion import add_completion
from distd.terminal.program import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: Final = {
    "assign": "distd.cli.assignments:assign",
    "computer": "distd.cli.computer:computer",
    "config": "distd.cli.config:config",
    "events": "distd.cli.events:events",
    "init": "distd.cli.init:init",
    "mirror": "distd.cli.mirror:mirror",
    "operator": "distd.cli.operator:operator",
    "package": "distd.cli.package:package",
    "plan": "distd.cli.plan:plan",
    "results": "distd.cli.assignments:results",
    "serve": "distd.cli.serve:serve",
    "unassign": "distd.cli.assignments:unassign",
}


@click.group("distd", cls=Group, places=COMMANDS, context_settings={"help_option_names": program.HELP_OPTIONS})
@click.version_option(__version__)
def cli() -> None:
    """Deploy software packages to all computers of a site, with unmodified OCS agents."""


add_completion(cli)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    return program.run(cli, arguments)
