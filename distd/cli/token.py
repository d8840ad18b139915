"""`distd token …`: tokens by which programs use the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from distd.cli.site import ask_list, site_option
from distd.domain.api_tokens import DEFAULT_DAYS, MAX_DAYS
from distd.domain.permissions import Act, Role, read_acts, read_role
from distd.domain.units import format_time
from distd.operations import tokens as operations
from distd.operations.tokens import TokenQuery, TokenRequest
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from distd.cli.site import SiteAccess
    from distd.origin.operators.api_tokens import ApiToken
    from distd.terminal.lists import ListOptions

name_argument = argument("name", metavar="NAME", hint="see `distd token list`")
COLUMNS: Final[tuple[Column[ApiToken], ...]] = (
    Column("Token", lambda row: row.name),
    Column("Of", lambda row: row.owner or "this machine", rank=1),
    Column("Role", lambda row: row.role),
    Column("Acts", lambda row: " ".join(row.acts), rank=4, cut=True),
    Column("Only with", lambda row: row.filter, rank=5, cut=True),
    Column("Expires", lambda row: format_time(row.expires_at_s), rank=2),
    Column("Last used", lambda row: format_time(row.used_at_s), rank=3),
)


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """What a token is to be."""

    role: str
    acts: tuple[str, ...]
    filter_: str
    days: int


@click.group(cls=Group)
def token() -> None:
    """Tokens by which programs use the API, in place of an operator's password."""


@token.command("list", epilog=example("distd token list --data /srv/distd"))
@site_option
@list_options
def list_(site: SiteAccess, listing: ListOptions) -> None:
    """The tokens, by name; not what they are."""
    print_list(ask_list(site, operations.LIST, listing, TokenQuery()), COLUMNS, listing, "No tokens.")


@token.command(epilog=example("distd token create backup --role viewer --days 30 --data /srv/distd"))
@name_argument
@option(
    "--role",
    type=one_of(map(str, Role)),
    default=str(Role.VIEWER),
    show_default=True,
    help="What it may, as an operator.",
)
@option(
    "--act",
    "acts",
    type=one_of(map(str, Act)),
    multiple=True,
    help="Only this. Repeatable; without it all of its role.",
)
@option("--filter", "filter_", field="filter", metavar="FILTER", default="", help="Only with such computers.")
@option(
    "--days", type=click.IntRange(1, MAX_DAYS), default=DEFAULT_DAYS, show_default=True, help="How long it is valid."
)
@site_option
@json_option
@options_record(TokenOptions)
def create(name: str, site: SiteAccess, as_json: bool, options: TokenOptions) -> None:
    """Create a token; prints it, and nothing else knows it. Programs send it as `Authorization: Bearer`."""
    role, acts = read_role(options.role), tuple(sorted(read_acts(options.acts)))
    added = site.ask(operations.ADD, given=TokenRequest(name, role, acts, options.filter_, options.days))
    if as_json:
        print_json(added)
        return
    click.echo(f"Token {name}, valid until {format_time(added.token.expires_at_s)}: {added.secret} (shown only now)")


@token.command(epilog=example("distd token revoke backup --data /srv/distd"))
@name_argument
@site_option
def revoke(name: str, site: SiteAccess) -> None:
    """Revoke a token: at once, also on a running server."""
    site.ask(operations.REVOKE, name)
    click.echo(f"Token {name} is revoked.")
