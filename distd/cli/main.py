"""The entry point `distd`. Exit status: 0 good, 1 failed, 2 bad usage or input; errors are one line on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from distd import __version__
from distd.cli.lazy_group import LazyGroup
from distd.domain.errors import BadInput, DistdError

if TYPE_CHECKING:
    from collections.abc import Sequence


COMMANDS: Final = {
    "assign": "distd.cli.assignments:assign",
    "computer": "distd.cli.computer:computer",
    "events": "distd.cli.events:events",
    "init": "distd.cli.init:init",
    "mirror": "distd.cli.mirror:mirror",
    "package": "distd.cli.package:package",
    "plan": "distd.cli.plan:plan",
    "results": "distd.cli.assignments:results",
    "serve": "distd.cli.serve:serve",
    "unassign": "distd.cli.assignments:unassign",
}


@click.group(cls=LazyGroup, places=COMMANDS)
@click.version_option(__version__)
def cli() -> None:
    """Deploy software packages to all computers of a site, with unmodified OCS agents."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        status = cli.main(arguments, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "distd"
        click.echo(f"{where}: {error.format_message()} See `{where} --help`.", err=True)
        return 2
    except BadInput as error:
        click.echo(f"distd: {error}", err=True)
        return 2
    except DistdError as error:
        click.echo(f"distd: {error}", err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("distd: interrupted", err=True)
        return 130
    return status if isinstance(status, int) else 0
