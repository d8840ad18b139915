"""`distd operator …`: who may use the API."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Final

import click

from distd.cli.site import ask_list, site_option
from distd.domain.errors import BadInput
from distd.operations import operators as operations
from distd.operations.operators import OperatorQuery, OperatorRequest, PasswordRequest
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option
from distd.terminal.output import print_json
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.operators.operators import Operator
    from distd.terminal.lists import ListOptions

MAX_PASSWORD: Final = 1024  # characters

name_argument = argument("name", metavar="NAME", hint="see `distd operator list`")
stdin_option = option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input, instead of making one."
)


COLUMNS: Final[tuple[Column[Operator], ...]] = (Column("Operator", lambda row: row.name),)


@click.group(cls=Group)
def operator() -> None:
    """Operators, who may use the API: add, list, delete, and give another password."""


@operator.command("list", epilog=example("distd operator list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """The operators, by name."""
    print_list(ask_list(site, operations.LIST, listing, OperatorQuery()), COLUMNS, listing, "No operators.")


@operator.command(epilog=example("distd operator add alice --data /srv/distd"))
@name_argument
@stdin_option
@site_option
@json_option
def add(name: str, from_stdin: bool, site: SiteAccess, as_json: bool) -> None:
    """Add an operator; prints the password, which nothing else knows."""
    password = read_password(from_stdin=from_stdin)
    site.ask(operations.ADD, given=OperatorRequest(name, password))
    print_password("operator", name, None if from_stdin else password, as_json=as_json)


@operator.command(epilog=example("distd operator password admin --data /srv/distd"))
@name_argument
@stdin_option
@site_option
@json_option
def password(name: str, from_stdin: bool, site: SiteAccess, as_json: bool) -> None:
    """Give an operator another password, and print it; the old one is not needed.

    A running server may take the old one for another minute.
    """
    chosen = read_password(from_stdin=from_stdin)
    site.ask(operations.SET_PASSWORD, name, given=PasswordRequest(chosen))
    print_password("operator", name, None if from_stdin else chosen, as_json=as_json)


@operator.command(epilog=example("distd operator delete alice --data /srv/distd"))
@name_argument
@site_option
def delete(name: str, site: SiteAccess) -> None:
    """Delete an operator; the last one stays.

    A running server may take the password for another minute.
    """
    site.ask(operations.DELETE, name)
    click.echo(f"Operator {name} is deleted.")


def read_password(*, from_stdin: bool) -> str:
    """From standard input, or a new one. Raises `BadInput`."""
    if not from_stdin:
        return secrets.token_urlsafe(12)
    text = sys.stdin.read(MAX_PASSWORD + 2).rstrip("\r\n")
    if not text or len(text) > MAX_PASSWORD or not text.isprintable():
        raise BadInput("--password-stdin", f"one line of 1 to {MAX_PASSWORD} characters", "something else")
    return text


def print_password(what: str, name: str, password: str | None, *, as_json: bool) -> None:
    """Of an operator or a login of agents (`what`). `password` None: who runs the command knows it."""
    if as_json:
        print_json({what: name} | ({} if password is None else {"password": password}))
    elif password is None:
        click.echo(f"{what.capitalize()} {name} has this password now.")
    else:
        click.echo(f"{what.capitalize()} {name}, password {password} (shown only now)")
