"""`distd login …`: names and passwords by which agents log in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from distd.cli.operator import print_password, read_password, stdin_option
from distd.cli.site import ask_list, site_option
from distd.domain.units import format_time
from distd.operations import operators as operations
from distd.operations.operators import AgentPasswordRequest, OperatorQuery
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option
from distd.terminal.program import Group, argument

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.agents.logins import AgentLogin
    from distd.terminal.lists import ListOptions

name_argument = argument("name", metavar="NAME", hint="see `distd login list`")

COLUMNS: Final[tuple[Column[AgentLogin], ...]] = (
    Column("Login", lambda row: row.name),
    Column("Added", lambda row: format_time(row.added_at_s), rank=1),
)


@click.group("login", cls=Group)
def login() -> None:
    """Names and passwords by which agents log in: see agents.login_networks in the settings."""


@login.command("list", epilog=example("distd login list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """The logins of agents, by name."""
    print_list(
        ask_list(site, operations.LIST_LOGINS, listing, OperatorQuery()),
        COLUMNS,
        listing,
        "No logins: agents need none.",
    )


@login.command("set", epilog=example("distd login set school --data /srv/distd"))
@name_argument
@stdin_option
@site_option
@json_option
def set_(name: str, from_stdin: bool, site: SiteAccess, as_json: bool) -> None:
    """Add a login, or give it another password; prints the password, which nothing else knows.

    Agents have it in their options: ocsinventory-agent --user NAME --password PASSWORD --realm distd (2.10: the first
    two in Base64), on Windows /USER and /PWD. A running server knows it within a second.
    """
    password = read_password(from_stdin=from_stdin)
    site.ask(operations.PUT_LOGIN, name, given=AgentPasswordRequest(password))
    print_password("login", name, None if from_stdin else password, as_json=as_json)


@login.command(epilog=example("distd login delete school --data /srv/distd"))
@name_argument
@site_option
def delete(name: str, site: SiteAccess) -> None:
    """Agents can no longer log in by it."""
    site.ask(operations.DELETE_LOGIN, name)
    click.echo(f"Login {name} is deleted.")
