"""`distd init`."""

from __future__ import annotations

import secrets
import socket
import time
from typing import TYPE_CHECKING

import click

from distd.catalogue.engine import open_catalogue
from distd.cli.actor import unix_actor
from distd.cli.options import data_option
from distd.domain.permissions import Role
from distd.origin.installation import create_installation
from distd.origin.operators import operators
from distd.origin.operators.operators import Grant
from distd.terminal.options import FolderPath, example, json_option
from distd.terminal.output import print_json
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from pathlib import Path

ADMIN = "admin"


@command(epilog=example("distd init --data /srv/distd --host distd.example.org"))
@data_option
@option("--host", "hosts", multiple=True, metavar="NAME", help="A name or address of this server. Repeatable.")
@option(
    "--offline-ca",
    "offline_ca",
    metavar="DIR",
    type=FolderPath(),
    help="Put the CA's key there, to be kept elsewhere; DIR must not exist yet.",
)
@json_option
def init(root: Path, hosts: tuple[str, ...], offline_ca: Path | None, as_json: bool) -> None:
    """Create a data directory: database, CA and server certificate, signing key, admin password, settings.

    Agents use the first --host; the certificate is valid for all of them. The default is the name of this machine.
    Give the file cacert.pem to the agents. With --offline-ca what the CA has to sign later is asked for by
    `distd keys request`.
    """
    password = secrets.token_urlsafe(12)
    data = create_installation(root, hosts or (socket.getfqdn(),), offline_ca)
    with open_catalogue(data.catalogue) as catalogue, catalogue.write() as conn:
        operators.create(conn, unix_actor(), ADMIN, password, time.time(), Grant(Role.ADMINISTRATOR))
    if as_json:
        print_json({"data": str(root), "ca": str(data.ca_certificate), "operator": ADMIN, "password": password})
        return
    click.echo(f"Data directory   {root}")
    click.echo(f"CA for agents    {data.ca_certificate}")
    if offline_ca is not None:
        click.echo(f"Key of the CA    {offline_ca} (take it to where it is kept)")
    click.echo(f"Settings         {data.settings_file}")
    click.echo(f"Operator (API)   {ADMIN}, password {password} (shown only now)")
    click.echo(f"Next             distd serve --data {root}")
