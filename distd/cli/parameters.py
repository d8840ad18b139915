"""`distd parameters …`, and what `distd computer set` and `distd group set` have in common with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from distd.cli.actor import unix_actor
from distd.cli.options import data_option
from distd.domain.errors import BadInput
from distd.domain.parameters import PARAMETERS, read_values
from distd.domain.units import format_count
from distd.origin.computers import parameters as use_cases
from distd.origin.computers.parameters import SITE
from distd.origin.installation import open_installation
from distd.terminal.lists import print_table
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from distd.domain.parameters import Effective
    from distd.origin.computers.parameters import Subject, ValueChange
    from distd.origin.installation import Installation

pairs_argument = argument("pairs", field="values", metavar="KEY=VALUE...", nargs=-1, required=True)
dry_run_option = option("--dry-run", is_flag=True, help="Change nothing, but say how many computers would get what.")


@click.group(cls=Group)
def parameters() -> None:
    """Parameters of agents that hold for the whole site; groups and computers may have their own."""


@parameters.command(epilog=example("distd parameters show --data /srv/distd"))
@data_option
@json_option
def show(root: Path, as_json: bool) -> None:
    """The site's parameters, and where each comes from."""
    with open_installation(root) as installation, installation.catalogue.read() as conn:
        found = use_cases.show(conn, unix_actor(), installation.settings, SITE)
    if as_json:
        print_json(found)
    else:
        print_parameters(found)


@parameters.command("set", epilog=example("distd parameters set download.frag_latency_s=30 --data /srv/distd"))
@pairs_argument
@dry_run_option
@data_option
@json_option
def set_(pairs: tuple[str, ...], dry_run: bool, root: Path, as_json: bool) -> None:
    """Set parameters of the site: agents have them after their next contacts. KEY=: as the settings say."""
    with open_installation(root) as installation:
        apply(installation, SITE, read_pairs(pairs), dry_run=dry_run, as_json=as_json)


def read_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE, each key once. Raises `BadInput`."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name.strip() in found:
            raise BadInput("values", "KEY=VALUE, each key once", pair)
        found[name.strip()] = value
    return found


def apply(
    installation: Installation, subject: Subject, texts: Mapping[str, str], *, dry_run: bool, as_json: bool
) -> None:
    """Set parameters of the site, a group or a computer and print them; or only say what would change."""
    values, actor = read_values(texts), unix_actor()
    changes: list[ValueChange] = []
    if dry_run:
        with installation.catalogue.read() as conn:
            changes = use_cases.foresee(conn, actor, installation.settings, subject, values)
            found = use_cases.show(conn, actor, installation.settings, subject)
    else:
        with installation.catalogue.write() as conn:
            use_cases.set_values(conn, actor, subject, values, time.time())
            found = use_cases.show(conn, actor, installation.settings, subject)
    if as_json:
        print_json({"dry_run": dry_run, "changes": changes, "parameters": found})
    elif dry_run:
        rows = [
            (each.parameter, _text(each.before), _text(each.after), format_count(each.computers, "computer"))
            for each in changes
        ]
        print_table(("Parameter", "Now", "Then", "For"), rows, "No computer would get another value.")
    else:
        print_parameters({name: found[name] for name in PARAMETERS if name in values})


def print_parameters(found: Mapping[str, Effective]) -> None:
    """A table of parameters, their values and where these come from."""
    rows = [(name, _value(each), each.origin) for name, each in found.items()]
    print_table(("Parameter", "Value", "From"), rows, "")


def _text(each: Effective) -> str:
    return f"{_value(each)} ({each.origin})"


def _value(each: Effective) -> str:
    return str(each.value).lower()
