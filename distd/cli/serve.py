"""`distd serve`."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from distd import __version__
from distd.cli.options import data_option
from distd.lane import sockets
from distd.origin.installation import open_installation, read_settings
from distd.terminal import log_lines
from distd.terminal.log_lines import log_options
from distd.terminal.options import example, json_option, options_record, set_option
from distd.terminal.program import command, option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from distd.domain.settings import Settings
    from distd.lane.sockets import Listeners


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options of `distd serve`; None: not given."""

    http: str | None
    https: str | None
    workers: int
    log_level: str
    log_format: str


@command(epilog=example("distd serve --data /srv/distd --http 0.0.0.0:8080 --https 0.0.0.0:8443 --workers 2"))
@data_option
@option("--http", metavar="HOST:PORT", help="The address for HTTP; port 0: a free one.")
@option("--https", metavar="HOST:PORT", help="The address for HTTPS; port 0: a free one.")
@option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Number of processes, at most one for each core.",
)
@set_option
@log_options
@json_option
@options_record(ServeOptions)
def serve(root: Path, options: ServeOptions, overrides: Mapping[str, str], as_json: bool) -> None:
    """Serve agents and operators until SIGTERM or SIGINT; then transfers are finished first.

    SIGHUP reloads settings and certificate without closing a connection. While a database of PostgreSQL does not
    answer, fragments are served all the same, also at the start. Sockets that systemd passes are used instead
    of --http and --https. With --json the addresses are printed as one line of JSON as soon as it serves.
    """
    import trio  # here, like the server: without it the other commands start in half the time

    from distd.server.process import run_server

    workers = options.workers
    log_lines.set_up(logging.getLogger("distd"), options.log_level, options.log_format)
    with open_installation(root, overrides, later=True) as installation, ExitStack() as stack:
        listeners = _listeners(installation.settings, options)
        for opened in listeners:
            stack.enter_context(closing(opened))
        announce = partial(_announce, listeners[0], installation.data.ca_certificate, as_json=as_json)
        if workers == 1:
            trio.run(
                partial(
                    run_server,
                    installation,
                    listeners[0],
                    partial(read_settings, installation.data, overrides),
                    announce,
                )
            )
        else:
            from distd.catalogue.outage import log_outages
            from distd.server.supervisor import Supervisor

            host, port = installation.settings.server.host, listeners[0].https.getsockname()[1]
            command = _worker_command(root, options, overrides)
            drain_s = installation.settings.limits.drain_s
            log_outages(installation.catalogue.outage, logging.getLogger("distd"))
            supervisor = Supervisor(command, listeners, drain_s, installation.catalogue)
            trio.run(supervisor.run, partial(announce, "", f"{host}:{port}"))


def _listeners(settings: Settings, options: ServeOptions) -> list[Listeners]:
    given = sockets.passed()
    if given is not None:
        return [given] * options.workers  # all processes accept connections from the same sockets
    http, https = options.http or settings.server.http, options.https or settings.server.https
    return sockets.listen(http, https, options.workers)


def _worker_command(root: Path, options: ServeOptions, overrides: Mapping[str, str]) -> list[str]:
    settings = [part for name, value in overrides.items() for part in ("--set", f"{name}={value}")]
    log = ["--log-level", options.log_level, "--log-format", options.log_format]
    # -P: or Python would import what lies in the current folder, a file trio.py for instance, before it is asked to.
    return [sys.executable, "-P", "-m", "distd.cli", "serve", "--data", str(root), "--json", *log, *settings]


def _announce(listeners: Listeners, ca: Path, _http: str, https: str, *, as_json: bool) -> None:
    plain, secure = sockets.name_of(listeners.http), sockets.name_of(listeners.https)
    if as_json:
        sys.stdout.write(json.dumps({"http": [plain], "https": [secure]}) + "\n")
    else:
        sys.stdout.write(f"distd {__version__} serves http://{plain} and https://{secure}\n")
        sys.stdout.write(f"console: https://{https}/\n")
        sys.stdout.write(
            f"agents: in /etc/ocsinventory/ocsinventory-agent.cfg, with {ca} copied to /etc/ocsinventory/cacert.pem:\n"
            f"  server=https://{https}/ocsinventory\n"
            "  ca=/etc/ocsinventory/cacert.pem\n"
        )
    sys.stdout.flush()
