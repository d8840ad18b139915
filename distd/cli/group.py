"""`distd group …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from distd.cli.parameters import apply, dry_run_option, pairs_argument, read_pairs
from distd.cli.site import site_option
from distd.domain.parameters import Level
from distd.terminal.options import example, json_option
from distd.terminal.program import Group, argument

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess


@click.group(cls=Group)
def group() -> None:
    """Groups of computers."""


@group.command("set", epilog=example("distd group set lab download.frag_latency_s=30 --dry-run --data /srv/distd"))
@argument("name", field="group", metavar="NAME")
@pairs_argument
@dry_run_option
@site_option
@json_option
def set_(name: str, pairs: tuple[str, ...], dry_run: bool, site: SiteAccess, as_json: bool) -> None:
    """Set parameters of a group: its members' agents have them after their next contacts. KEY=: as the site has it.

    Of several groups of a computer the longest pause and the shortest of all else hold; off is off.
    """
    apply(site, Level.GROUP, (name,), read_pairs(pairs), dry_run=dry_run, as_json=as_json)
