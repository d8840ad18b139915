"""The entry point `distd`. Exit status: 0 good, 1 failed, 2 bad usage or input; errors are one line on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from distd import __version__
from distd.cli import package_activation
from distd.cli.assignments import assign, results, unassign
from distd.cli.computer import computer
from distd.cli.init import init
from distd.cli.mirror import mirror
from distd.cli.package import package
from distd.cli.package_build import COMMANDS
from distd.cli.package_verify import verify
from distd.cli.plan import plan
from distd.cli.serve import serve
from distd.domain.errors import BadInput, DistdError

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """Deploy software packages to all computers of a site, with unmodified OCS agents."""


for command in (*COMMANDS, *package_activation.COMMANDS, verify):
    package.add_command(command)
for command in (init, serve, package, computer, assign, unassign, results, plan, mirror):
    cli.add_command(command)


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
