"""`distd parameters …`, and what `distd computer set` and `distd group set` have in common with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from distd.cli.site import site_option
from distd.domain.errors import BadInput
from distd.domain.parameters import PARAMETERS, Level, read_values
from distd.domain.units import format_count
from distd.operations import parameters as operations
from distd.terminal.lists import print_table
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from distd.cli.site import SiteAccess
    from distd.domain.parameters import Effective

pairs_argument = argument("pairs", field="values", metavar="KEY=VALUE...", nargs=-1, required=True)
dry_run_option = option("--dry-run", is_flag=True, help="Change nothing, but say how many computers would get what.")


@click.group(cls=Group)
def parameters() -> None:
    """Parameters of agents that hold for the whole site; groups and computers may have their own."""


@parameters.command(epilog=example("distd parameters show --data /srv/distd"))
@site_option
@json_option
def show(site: SiteAccess, as_json: bool) -> None:
    """The site's parameters, and where each comes from."""
    found = site.ask(operations.SHOW[Level.SITE])
    if as_json:
        print_json(found)
    else:
        print_parameters(found)


@parameters.command("set", epilog=example("distd parameters set download.frag_latency_s=30 --data /srv/distd"))
@pairs_argument
@dry_run_option
@site_option
@json_option
def set_(pairs: tuple[str, ...], dry_run: bool, site: SiteAccess, as_json: bool) -> None:
    """Set parameters of the site: agents have them after their next contacts. KEY=: as the settings say."""
    apply(site, Level.SITE, (), read_pairs(pairs), dry_run=dry_run, as_json=as_json)


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
    site: SiteAccess, level: Level, names: Sequence[str], texts: Mapping[str, str], *, dry_run: bool, as_json: bool
) -> None:
    """Set parameters of the site, a group or a computer (`names` has the name of that) and print them; or only say what
    would change."""
    values = read_values(texts)
    done = site.ask(operations.SET[level], *names, given=operations.values_of(values, dry_run=dry_run))
    if as_json:
        print_json(done)
    elif dry_run:
        rows = [
            (each.parameter, _text(each.before), _text(each.after), format_count(each.computers, "computer"))
            for each in done.changes
        ]
        print_table(("Parameter", "Now", "Then", "For"), rows, "No computer would get another value.")
    else:
        print_parameters({name: done.parameters[name] for name in PARAMETERS if name in values})


def print_parameters(found: Mapping[str, Effective]) -> None:
    """A table of parameters, their values and where these come from."""
    rows = [(name, _value(each), each.origin) for name, each in found.items()]
    print_table(("Parameter", "Value", "From"), rows, "")


def _text(each: Effective) -> str:
    return f"{_value(each)} ({each.origin})"


def _value(each: Effective) -> str:
    return str(each.value).lower()
