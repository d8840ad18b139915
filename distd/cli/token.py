"""`distd token …`: tokens by which programs use the API."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from distd.cli.actor import unix_actor
from distd.cli.options import data_option
from distd.domain.api_tokens import DEFAULT_DAYS, MAX_DAYS, SECRET_BYTES
from distd.domain.permissions import Act, Role, read_acts, read_role
from distd.domain.units import format_time
from distd.origin.installation import open_installation
from distd.origin.operators import api_tokens
from distd.origin.operators.api_tokens import NewToken
from distd.terminal.lists import Column, list_options, print_list
from distd.terminal.options import example, json_option, one_of, options_record
from distd.terminal.output import print_json
from distd.terminal.program import Group, argument, option

if TYPE_CHECKING:
    from pathlib import Path

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
@data_option
@list_options
def list_(root: Path, listing: ListOptions) -> None:
    """The tokens, by name; not what they are."""
    with open_installation(root) as installation, installation.catalogue.read() as conn:
        page = api_tokens.list_tokens(conn, listing.window)
    print_list(page, COLUMNS, listing, "No tokens.")


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
@data_option
@json_option
@options_record(TokenOptions)
def create(name: str, root: Path, as_json: bool, options: TokenOptions) -> None:
    """Create a token; prints it, and nothing else knows it. Programs send it as `Authorization: Bearer`."""
    role, acts = read_role(options.role), read_acts(options.acts)
    new = NewToken(name, role, acts, options.filter_, options.days)
    secret = secrets.token_bytes(SECRET_BYTES)
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        made = api_tokens.create(conn, unix_actor(), new, secret, time.time())
        shown = api_tokens.show(conn, name)
    if as_json:
        print_json({"token": shown, "secret": made})
        return
    click.echo(f"Token {name}, valid until {format_time(shown.expires_at_s)}: {made} (shown only now)")


@token.command(epilog=example("distd token revoke backup --data /srv/distd"))
@name_argument
@data_option
def revoke(name: str, root: Path) -> None:
    """Revoke a token: at once, also on a running server."""
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        api_tokens.revoke(conn, unix_actor(), name, time.time())
    click.echo(f"Token {name} is revoked.")
