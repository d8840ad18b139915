"""`distd login …`: names and passwords by which agents log in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from distd.cli.actor import unix_actor
from distd.cli.operator import print_password, read_password, stdin_option
from distd.cli.options import data_option
from distd.domain.units import format_time
from distd.origin.agents import logins
from distd.origin.installation import open_installation
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option
from distd.terminal.program import Group, argument

if TYPE_CHECKING:
    from pathlib import Path

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
@data_option
@list_options
def list_(root: Path, listing: ListOptions) -> None:
    """The logins of agents, by name."""
    with open_installation(root) as installation, installation.catalogue.read() as conn:
        page = logins.list_logins(conn, listing.window)
    print_list(page, COLUMNS, listing, "No logins: agents need none.")


@login.command("set", epilog=example("distd login set school --data /srv/distd"))
@name_argument
@stdin_option
@data_option
@json_option
def set_(name: str, from_stdin: bool, root: Path, as_json: bool) -> None:
    """Add a login, or give it another password; prints the password, which nothing else knows.

    Agents have it in their options: ocsinventory-agent --user NAME --password PASSWORD --realm distd (2.10: the first
    two in Base64), on Windows /USER and /PWD. A running server knows it within a second.
    """
    password = read_password(from_stdin=from_stdin)
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        logins.put(conn, unix_actor(), name, password, time.time())
    print_password("login", name, None if from_stdin else password, as_json=as_json)


@login.command(epilog=example("distd login delete school --data /srv/distd"))
@name_argument
@data_option
def delete(name: str, root: Path) -> None:
    """Agents can no longer log in by it."""
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        logins.delete(conn, unix_actor(), name, time.time())
    click.echo(f"Login {name} is deleted.")
