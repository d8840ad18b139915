"""`distd operator …`: who may use the API."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Final

import click
from msgspec import UNSET

from distd.cli.site import ask_list, site_option
from distd.domain.errors import BadInput
from distd.domain.permissions import Role, read_role
from distd.domain.sign_in import SignInSource
from distd.domain.units import format_time
from distd.operations import operators as operations
from distd.operations.operators import OperatorChange, OperatorQuery, OperatorRequest
from distd.origin.operators.operators import MAX_PASSWORD
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, one_of
from distd.terminal.output import print_json
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.operators.operators import Operator
    from distd.terminal.lists import ListOptions


name_argument = argument("name", metavar="NAME", hint="see `distd operator list`")
stdin_option = option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input, instead of making one."
)


role_option = option(
    "--role", type=one_of(map(str, Role)), help="viewer: sees; operator: deploys; administrator: also decides who may."
)
filter_option = option(
    "--filter",
    "filter_",
    field="filter",
    metavar="FILTER",
    help="Only with computers that it finds, such as 'tag = \"site 4\"'; '': with all.",
)
COLUMNS: Final[tuple[Column[Operator], ...]] = (
    Column("Operator", lambda row: row.name),
    Column("Role", lambda row: row.role),
    Column("Only with", lambda row: row.filter, rank=2, cut=True),
    Column("Password", lambda row: "here" if row.source == SignInSource.LOCAL else row.source, rank=3),
    Column("Signed in", lambda row: format_time(row.seen_at_s), rank=1),
)


@click.group(cls=Group)
def operator() -> None:
    """Operators, who may use the API: add, list, change, delete, and give another password."""


@operator.command("list", epilog=example("distd operator list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """The operators, by name."""
    print_list(ask_list(site, operations.LIST, listing, OperatorQuery()), COLUMNS, listing, "No operators.")


@operator.command(epilog=example("distd operator add alice --role viewer --data /srv/distd"))
@name_argument
@stdin_option
@role_option
@filter_option
@site_option
@json_option
def add(name: str, from_stdin: bool, role: str | None, filter_: str | None, site: SiteAccess, as_json: bool) -> None:
    """Add an operator, with the role `operator` if none is given; prints the password, which nothing else knows."""
    password = read_password(from_stdin=from_stdin)
    site.ask(operations.ADD, given=OperatorRequest(name, read_role(role or Role.OPERATOR), filter_ or "", password))
    print_password("operator", name, None if from_stdin else password, as_json=as_json)


@operator.command("set", epilog=example("distd operator set alice --role operator --data /srv/distd"))
@name_argument
@role_option
@filter_option
@site_option
@json_option
def set_(name: str, role: str | None, filter_: str | None, site: SiteAccess, as_json: bool) -> None:
    """Give an operator another role, or restrict it to other computers: at once, also on a running server."""
    if role is None and filter_ is None:
        raise BadInput("role", "--role or --filter", "neither")
    wanted = OperatorChange(UNSET if role is None else read_role(role), UNSET if filter_ is None else filter_)
    changed = site.ask(operations.CHANGE, name, given=wanted)
    if as_json:
        print_json(changed)
        return
    restricted = f", only with computers where {changed.filter}" if changed.filter else ""
    click.echo(f"Operator {name}: {changed.role}{restricted}.")


@operator.command(epilog=example("distd operator password admin --data /srv/distd"))
@name_argument
@stdin_option
@site_option
@json_option
def password(name: str, from_stdin: bool, site: SiteAccess, as_json: bool) -> None:
    """Give an operator another password, and print it; the old one is not needed, and no longer taken.

    Where it was signed in, it is no more, and its tokens are revoked.
    """
    chosen = read_password(from_stdin=from_stdin)
    site.ask(operations.CHANGE, name, given=OperatorChange(password=chosen))
    print_password("operator", name, None if from_stdin else chosen, as_json=as_json)


@operator.command(epilog=example("distd operator delete alice --data /srv/distd"))
@name_argument
@site_option
def delete(name: str, site: SiteAccess) -> None:
    """Delete an operator and its tokens; the last administrator with a password here stays."""
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
