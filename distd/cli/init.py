"""`distd init`."""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import click

from distd.cli.actor import unix_actor
from distd.cli.options import data_option
from distd.domain.database_url import check_database_url
from distd.domain.errors import BadInput
from distd.domain.permissions import Role
from distd.domain.settings import CatalogueSettings
from distd.origin.installation import create_installation, open_installation
from distd.origin.operators import operators
from distd.origin.operators.operators import Grant
from distd.terminal.options import FolderPath, example, json_option, options_record
from distd.terminal.output import print_json
from distd.terminal.program import command, option

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class InitOptions:
    """The options of `distd init`; None, and an empty `url`: not given."""

    hosts: tuple[str, ...]
    offline_ca: Path | None
    url: str
    password_file: Path | None
    ca_file: Path | None

    def place(self) -> CatalogueSettings:
        """Where the catalogue is to be. Raises `BadInput`."""
        check_database_url(self.url, "--database")
        names = {"password_file": self.password_file, "ca_file": self.ca_file}
        files = {name: str(path.absolute()) for name, path in names.items() if path is not None}
        if files and not self.url:
            raise BadInput("--database", "a URL, which the files are of", "")
        return CatalogueSettings(self.url, **files)


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
@option(
    "--database",
    "url",
    metavar="URL",
    default="",
    help="An empty database of PostgreSQL, postgresql://USER@HOST/NAME without a password, instead of a file.",
)
@option(
    "--password-file",
    "password_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with the password of its user; otherwise PGPASSWORD or ~/.pgpass.",
)
@option(
    "--ca-file",
    "ca_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with the CAs that may sign its server's certificate; otherwise those of the system.",
)
@json_option
@options_record(InitOptions)
def init(root: Path, options: InitOptions, as_json: bool) -> None:
    """Create a data directory: database, CA and server certificate, signing key, admin password, settings.

    Agents use the first --host; the certificate is valid for all of them. The default is the name of this machine.
    Give the file cacert.pem to the agents. With --offline-ca what the CA has to sign later is asked for by
    `distd keys request`. With --database the tables are made in a database of PostgreSQL, which must be empty.
    """
    password = secrets.token_urlsafe(12)
    data = create_installation(root, options.hosts or (socket.getfqdn(),), options.offline_ca, options.place())
    with open_installation(root) as installation, installation.catalogue.write() as conn:
        operators.create(conn, unix_actor(), ADMIN, password, time.time(), Grant(Role.ADMINISTRATOR))
    if as_json:
        print_json({"data": str(root), "ca": str(data.ca_certificate), "operator": ADMIN, "password": password})
        return
    click.echo(f"Data directory   {root}")
    click.echo(f"CA for agents    {data.ca_certificate}")
    if options.offline_ca is not None:
        click.echo(f"Key of the CA    {options.offline_ca} (take it to where it is kept)")
    click.echo(f"Settings         {data.settings_file}")
    click.echo(f"Operator (API)   {ADMIN}, password {password} (shown only now)")
    click.echo(f"Next             distd serve --data {root}")
