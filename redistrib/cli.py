"""The command `redistrib`: the composition root of a redistribution server."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
import tomllib
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import trio

from distd import __version__
from distd.domain.errors import BadInput, Corrupt, DistdError, Unavailable
from distd.domain.settings import load
from distd.lane import sockets
from distd.packaging.media_import import take_in
from distd.packaging.verify import verify as verify_package
from distd.storage import package_dirs as directories
from distd.storage import pki
from distd.storage.incoming import IncomingFragments
from redistrib import standalone
from redistrib.join import join as join_origin
from redistrib.mirror_dir import open_mirror, read_identity
from redistrib.serve import run_mirror

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.domain.settings import Settings
    from redistrib.mirror_dir import MirrorDir

LOG_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"

data_option = click.option(
    "--data",
    "root",
    metavar="DIR",
    required=True,
    envvar="REDISTRIB_DATA",
    type=click.Path(path_type=Path),
    help="The mirror's folder (or the variable REDISTRIB_DATA).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def example(text: str) -> str:
    return f"\b\nExample:\n  {text}"


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """A redistribution server of distd: mirrors packages by events, and serves them to the agents near it."""


@cli.command(epilog=example("redistrib join https://distd.example.org:8443 --token 3f…a2.9c…01 --data /srv/redistrib"))
@click.argument("origin", metavar="ORIGIN_URL")
@click.option("--token", required=True, help="What `distd mirror add` printed; good once.")
@data_option
@json_option
def join(origin: str, token: str, root: Path, as_json: bool) -> None:
    """Join an origin, or a mirror that has joined: pins its CA, gets a certificate and a key of its own."""
    identity = trio.run(join_origin, origin, token, root)
    if as_json:
        click.echo(json.dumps({"name": identity.name, "origin": identity.origin}))
    else:
        click.echo(f"This is the mirror {identity.name} now. Next: redistrib serve --data {root}")


@cli.command(epilog=example("redistrib serve --data /srv/redistrib --http 0.0.0.0:8080 --https 0.0.0.0:8443"))
@data_option
@click.option("--http", metavar="HOST:PORT", help="Where to listen for HTTP; port 0 takes a free one.")
@click.option("--https", metavar="HOST:PORT", help="Where to listen for HTTPS.")
@click.option("--from-ocs", metavar="URL|DIR", help="Copy an OCS server's download folder, instead of an origin's.")
@click.option("--package", "named", metavar="ID", multiple=True, help="With --from-ocs: only this one.")
@click.option("--ca", "authority", type=click.Path(path_type=Path, exists=True), help="With --from-ocs: its CA.")
@click.option("--host", "hosts", multiple=True, help="With --from-ocs: a name for the certificate that is made.")
@click.option("--set", "overrides", metavar="SECTION.NAME=VALUE", multiple=True, help="A setting for this run.")
@json_option
def serve(
    root: Path,
    http: str | None,
    https: str | None,
    from_ocs: str | None,
    named: tuple[str, ...],
    authority: Path | None,
    hosts: tuple[str, ...],
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Mirror and serve until SIGTERM or SIGINT; then what is being sent is finished first.

    Sockets that systemd passes are used instead of --http and --https.
    With --json the addresses are printed as one line of JSON as soon as it serves.
    """
    mirror = standalone.create(root, hosts or (socket.gethostname(),)) if from_ocs else open_mirror(root)
    settings = read_settings(mirror, overrides)
    identity = None if from_ocs else read_identity(mirror)
    if identity is None and not from_ocs:
        raise BadInput("--data", "a mirror that has joined", str(root), "see `redistrib join --help`")
    if not from_ocs and (named or authority or hosts):
        raise BadInput("--package, --ca, --host", "--from-ocs with them", "none")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=LOG_FORMAT)
    listeners = (
        sockets.passed() or sockets.listen(http or settings["server.http"], https or settings["server.https"], 1)[0]
    )
    with closing(listeners):
        plain, secure = sockets.name_of(listeners.http), sockets.name_of(listeners.https)

        def announce() -> None:
            if as_json:
                sys.stdout.write(json.dumps({"http": [plain], "https": [secure]}) + "\n")
            else:
                who = f"mirror {identity.name} of {identity.origin}" if identity else f"copies of {from_ocs}"
                sys.stdout.write(f"redistrib {__version__}: {who}: serving http://{plain} and https://{secure}\n")
            sys.stdout.flush()

        if identity is not None:
            trio.run(partial(run_mirror, mirror, identity, settings, listeners, announce))
        else:
            trio.run(
                partial(standalone.run_copies, mirror, from_ocs or "", named, authority, settings, listeners, announce)
            )


@cli.command(epilog=example("redistrib status --data /srv/redistrib"))
@data_option
@json_option
def status(root: Path, as_json: bool) -> None:
    """How the mirror fares. Exit status 1: it does not serve, or is not in touch with its origin."""
    mirror = open_mirror(root)
    identity = read_identity(mirror)
    shown = _status(mirror) | ({"name": identity.name, "origin": identity.origin} if identity else {})
    if as_json:
        click.echo(json.dumps(shown))
    else:
        width = max(map(len, shown))
        for name, value in shown.items():
            click.echo(f"{name:<{width}}  {value}")
    if not (shown["serving"] and shown["connected"]):
        sys.exit(1)


def _status(mirror: MirrorDir) -> dict[str, Any]:
    try:
        shown: dict[str, Any] = json.loads(mirror.status_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {"serving": False, "connected": False}
    age_s = time.time() - shown.pop("at_s", 0.0)
    return {"serving": age_s < 30.0 and _is_alive(shown.pop("pid", 0))} | shown


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0


@cli.command(epilog=example("redistrib verify --data /srv/redistrib"))
@data_option
@json_option
def verify(root: Path, as_json: bool) -> None:
    """Hash everything that the mirror holds again, and name what is bad. Exit status 1: something is."""
    mirror = open_mirror(root)
    ca = pki.load_ca(mirror.data.ca_certificate)
    rows = []
    for package_id in directories.list_ids(mirror.data):
        faults = verify_package(mirror.data, package_id, ca)
        rows.append({"id": package_id, "good": not faults, "faults": [str(fault) for fault in faults.values()]})
        for fault in faults.values():
            click.echo(f"redistrib: {fault}", err=True)
    good = sum(bool(row["good"]) for row in rows)
    click.echo(json.dumps(rows) if as_json else f"{good} of {len(rows)} packages are whole.")
    if good < len(rows):
        sys.exit(1)


@cli.command("import", epilog=example("redistrib import /media/usb/download --data /srv/redistrib"))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@data_option
@json_option
def import_(folder: Path, root: Path, as_json: bool) -> None:
    """Take packages from a copy of an origin's or a mirror's `download` folder, or one of them; every byte is checked.

    A mirror that serves need not be stopped. Exit status 1: not all could be taken; the others are.
    """
    mirror = open_mirror(root)
    ca = pki.load_ca(mirror.data.ca_certificate)
    packages = (
        [folder] if (folder / "manifest").is_file() else sorted(path.parent for path in folder.glob("*/manifest"))
    )
    if not packages:
        raise BadInput("DIR", "packages with their manifests", str(folder))
    rows, failed = [], False
    for one in packages:
        try:
            manifest = take_in(mirror.data, IncomingFragments(mirror.data, mirror.incoming), one, ca)
            rows.append({"id": manifest.package_id, "version": manifest.version, "size": manifest.size})
        except (Corrupt, Unavailable, OSError) as error:
            failed = True
            click.echo(f"redistrib: {one.name} is not taken: {error}", err=True)
    click.echo(json.dumps(rows) if as_json else f"{len(rows)} of {len(packages)} packages are here.")
    if failed:
        sys.exit(1)


def read_settings(mirror: MirrorDir, overrides: Sequence[str]) -> Settings:
    """From the command line, the environment (DISTD_…), `redistrib.toml`. Raises `BadInput`."""
    try:
        file = tomllib.loads(mirror.settings_file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput("redistrib.toml", "TOML", str(error)) from None
    pairs = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadInput("--set", "SECTION.NAME=VALUE", text)
        pairs[name.strip()] = value.strip()
    return load(file, os.environ, pairs, "redistrib.toml")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 well, 1 failed, 2 bad usage or input, with one line on stderr."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    try:
        result = cli.main(arguments, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "redistrib"
        click.echo(f"{where}: {error.format_message()} See `{where} --help`.", err=True)
        return 2
    except DistdError as error:
        click.echo(f"redistrib: {error}", err=True)
        return 2 if isinstance(error, BadInput) else 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("redistrib: interrupted", err=True)
        return 130
    return result if isinstance(result, int) else 0
