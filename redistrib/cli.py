"""The command `redistrib`: the composition root of a redistribution server."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import closing
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import trio

from distd import __version__
from distd.domain.errors import BadInput, Corrupt, Unavailable
from distd.domain.visible import visible
from distd.lane import sockets
from distd.lane.process_setup import set_up_process
from distd.packaging.media_import import import_package
from distd.packaging.verify import verify as verify_package
from distd.storage import package_dirs
from distd.storage.incoming import IncomingFragments
from distd.storage.trust_file import load_trust
from distd.terminal import log_lines, program
from distd.terminal.completion import add_completion
from distd.terminal.log_lines import log_options
from distd.terminal.options import FolderPath, example, json_option, options_record, set_option
from distd.terminal.output import print_record
from distd.terminal.program import Group, argument, option
from redistrib.join import join as join_origin
from redistrib.mirror_dir import open_mirror, read_identity, read_settings
from redistrib.serve import Serving, run_mirror
from redistrib.standalone import SourceOptions, check_standalone, create_standalone, run_standalone
from redistrib.status import read_status
from redistrib.status_text import status_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

data_option = option(
    "--data",
    "root",
    field="data",
    metavar="DIR",
    required=True,
    envvar="REDISTRIB_DATA",
    type=FolderPath(),
    help="The mirror's folder (or the variable REDISTRIB_DATA).",
)


@click.group("redistrib", cls=Group, context_settings={"help_option_names": program.HELP_OPTIONS})
@click.version_option(__version__)
def cli() -> None:
    """A redistribution server of distd: mirrors packages by events, and serves them to the agents near it."""


@cli.command(epilog=example("redistrib join https://distd.example.org:8443 --token 3f…a2.9c…01 --data /srv/redistrib"))
@argument("origin", metavar="ORIGIN_URL")
@option("--token", required=True, help="What `distd mirror add` printed; it can be used once.")
@data_option
@json_option
def join(origin: str, token: str, root: Path, as_json: bool) -> None:
    """Join an origin, or a mirror that has joined: pins its CA, gets a certificate and a key of its own."""
    identity = trio.run(join_origin, origin, token, root)
    if as_json:
        click.echo(json.dumps({"name": identity.name, "origin": identity.origin}))
    else:
        click.echo(f"This is the mirror {identity.name} now. Next: redistrib serve --data {root}")


_SOURCE_OPTIONS = (
    option("--from-ocs", metavar="URL|DIR", help="Copy an OCS server's download folder, instead of an origin's."),
    option("--package", "named", metavar="ID", multiple=True, help="With --from-ocs: only this one (repeatable)."),
    option("--ca", "ca_file", type=click.Path(path_type=Path, exists=True), help="With --from-ocs: its CA."),
    option("--host", "hosts", multiple=True, help="With --from-ocs: a name for the certificate (repeatable)."),
)


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a mirror without an origin, as one argument `source`; None: they are not given."""

    @wraps(command)
    def collect(**given: Any) -> None:
        base, named, ca_file, hosts = (given.pop(name) for name in ("from_ocs", "named", "ca_file", "hosts"))
        if base is None and (named or ca_file or hosts):
            raise BadInput("--package, --ca, --host", "--from-ocs with them", "none")
        command(source=None if base is None else SourceOptions(base, named, ca_file, hosts), **given)

    for decorate in reversed(_SOURCE_OPTIONS):
        collect = decorate(collect)
    return collect


@dataclass(frozen=True, slots=True)
class MirrorServeOptions:
    """The options of `redistrib serve`, but for those of a mirror without an origin; None: not given."""

    http: str | None
    https: str | None
    log_level: str
    log_format: str


@cli.command(epilog=example("redistrib serve --data /srv/redistrib --http 0.0.0.0:8080 --https 0.0.0.0:8443"))
@data_option
@option("--http", metavar="HOST:PORT", help="Where to listen for HTTP; port 0 takes a free one.")
@option("--https", metavar="HOST:PORT", help="Where to listen for HTTPS.")
@source_options
@set_option
@log_options
@json_option
@options_record(MirrorServeOptions)
def serve(
    root: Path, options: MirrorServeOptions, source: SourceOptions | None, overrides: Mapping[str, str], as_json: bool
) -> None:
    """Mirror and serve until SIGTERM or SIGINT; then what is being sent is finished first.

    SIGHUP reloads settings and certificate without closing a connection. Sockets that systemd passes are used instead
    of --http and --https. With --json the addresses are printed as one line of JSON as soon as it serves.
    """
    run: Callable[[Serving], Coroutine[Any, Any, None]]
    if source is None:
        mirror = open_mirror(root)
        identity = read_identity(mirror)
        if identity is None:
            raise BadInput("--data", "a mirror that has joined", str(root), "see `redistrib join --help`")
        who, run = f"mirror {identity.name} of {identity.origin}", partial(run_mirror, mirror, identity)
    else:
        mirror = check_standalone(root, source)
        who, run = f"copies of {source.base}", partial(run_standalone, mirror, source)
    reading = partial(read_settings, mirror, os.environ, overrides)
    settings = reading()
    log = logging.getLogger("redistrib")
    log_lines.set_up(log, options.log_level, options.log_format)
    set_up_process(settings.limits.connections, log)
    listeners = sockets.passed()
    if listeners is None:
        (listeners,) = sockets.listen(options.http or settings.server.http, options.https or settings.server.https, 1)
    with closing(listeners):
        if source is not None:
            create_standalone(mirror, source)
        plain, secure = sockets.name_of(listeners.http), sockets.name_of(listeners.https)
        text = f"redistrib {__version__}: {who}: serving http://{plain} and https://{secure}"
        line = json.dumps({"http": [plain], "https": [secure]}) if as_json else text
        trio.run(run, Serving(settings, listeners, partial(print, line, flush=True), reading))


@cli.command(epilog=example("redistrib status --data /srv/redistrib"))
@data_option
@json_option
def status(root: Path, as_json: bool) -> None:
    """How the mirror is doing. Exit status 1: it does not serve, or is not connected to its origin."""
    mirror = open_mirror(root)
    identity = read_identity(mirror)
    shown = read_status(mirror.status_file)
    shown |= {"name": identity.name, "origin": identity.origin} if identity else {}
    if as_json:
        click.echo(json.dumps(shown))
    else:
        print_record(status_rows(shown))
    if not (shown["serving"] and shown["connected"]):
        sys.exit(1)


@cli.command(epilog=example("redistrib verify --data /srv/redistrib"))
@data_option
@json_option
def verify(root: Path, as_json: bool) -> None:
    """Hash everything that the mirror holds again, and name what is bad. Exit status 1: something is."""
    mirror = open_mirror(root)
    ca = load_trust(mirror.data)
    rows = []
    for package_id in package_dirs.list_ids(mirror.data):
        faults = verify_package(mirror.data, package_id, ca)
        rows.append({"id": package_id, "good": not faults, "faults": [str(fault) for fault in faults.values()]})
        for fault in faults.values():
            click.echo(f"redistrib: {visible(str(fault))}", err=True)
    good = sum(bool(row["good"]) for row in rows)
    click.echo(json.dumps(rows) if as_json else f"Good packages: {good} of {len(rows)}.")
    if good < len(rows):
        sys.exit(1)


@cli.command("import", epilog=example("redistrib import /media/usb/download --data /srv/redistrib"))
@argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@data_option
@json_option
def import_(folder: Path, root: Path, as_json: bool) -> None:
    """Take packages from a copy of an origin's or a mirror's `download` folder, or one of them; every byte is checked.

    A mirror that serves need not be stopped. Exit status 1: some could not be taken; the others are.
    """
    mirror = open_mirror(root)
    ca = load_trust(mirror.data)
    is_package = (folder / "manifest").is_file()
    packages = [folder] if is_package else sorted(path.parent for path in folder.glob("*/manifest"))
    if not packages:
        raise BadInput("DIR", "packages with their manifests", str(folder))
    incoming, rows = IncomingFragments(mirror.data, mirror.incoming), []
    for package in packages:
        try:
            manifest = import_package(mirror.data, incoming, package, ca)
        except (Corrupt, Unavailable, OSError) as error:
            click.echo(visible(f"redistrib: {package.name} is not taken: {error}"), err=True)
        else:
            rows.append({"id": manifest.package_id, "version": manifest.version, "size": manifest.size})
    click.echo(json.dumps(rows) if as_json else f"Packages taken: {len(rows)} of {len(packages)}.")
    if len(rows) < len(packages):
        sys.exit(1)


add_completion(cli)
run, main = partial(program.run, cli), partial(program.main, cli)
