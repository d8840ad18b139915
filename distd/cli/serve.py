"""`distd serve`: the server's composition root."""

from __future__ import annotations

import errno
import json
import logging
import signal
import socket
import ssl
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import click
import trio

from distd import __version__
from distd.cli.common import data_option, example, json_option, opened, set_option
from distd.core.errors import BadInput
from distd.lane.files import FileCache
from distd.lane.server import Lane, Limits
from distd.origin import answer as agents
from distd.origin.packages import reconcile
from distd.store import keys
from distd.store import packages as directories
from distd.store.reader import Reader
from distd.store.writer import open_batcher, open_writer
from distd.web.app import make_app
from distd.web.handover import open_hand_over
from distd.web.site import LaneSite, keep_books

if TYPE_CHECKING:
    from pathlib import Path

    from distd.cli.common import Opened
    from distd.core.settings import Settings
    from distd.store.layout import DataDir

BACKLOG: Final = 4096


@click.command(epilog=example("distd serve --data /srv/distd --http 0.0.0.0:8080 --https 0.0.0.0:8443"))
@data_option
@click.option("--http", metavar="HOST:PORT", help="Where to listen for HTTP; port 0 takes a free one.")
@click.option("--https", metavar="HOST:PORT", help="Where to listen for HTTPS.")
@set_option
@json_option
def serve(root: Path, http: str | None, https: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Serve agents and operators until SIGTERM or SIGINT; then what is being sent is finished first.

    With --json the addresses are printed as one line of JSON as soon as it serves.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with opened(root, overrides) as site:
        plain = listen("--http", http or site.settings["server.http"])
        with plain:
            secure = listen("--https", https or site.settings["server.https"])
            with secure:
                trio.run(partial(run_server, site, plain, secure, as_json=as_json))


def listen(field: str, address: str) -> socket.socket:
    """A listening socket on "host:port" or "[address]:port". Raises `BadInput` for what cannot be bound."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise BadInput(field, "HOST:PORT", address)
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadInput(field, "a free port", f"{address}, which is taken") from None
        raise BadInput(field, "an address of this machine", f"{address}: {error.strerror or error}") from None
    except OverflowError:
        raise BadInput(field, "HOST:PORT", address) from None


async def run_server(site: Opened, plain: socket.socket, secure: socket.socket, *, as_json: bool) -> None:
    """Serve until a signal, then drain. Listeners and catalogue are the caller's to close."""
    log = logging.getLogger("distd")
    settings, data = site.settings, site.data
    _report(log, reconcile(site.catalogue, data).missing)
    at = agents.Site(
        settings=settings,
        token_key=(data.keys / keys.TOKEN_KEY).read_bytes(),
        http=f"{settings['server.host']}:{plain.getsockname()[1]}",
        https=f"{settings['server.host']}:{secure.getsockname()[1]}",
    )
    read = partial(agents.read, max_inflated_bytes=settings["limits.inflated_bytes"])
    waiting_limit = settings["limits.waiting_posts"]
    drain_s = settings["limits.drain_s"]
    app = make_app(Reader(site.catalogue))
    async with (
        open_writer(site.catalogue) as writer,
        open_batcher(site.catalogue, partial(agents.answer, site=at), read, waiting_limit=waiting_limit) as desk,
        open_hand_over(app, log, drain_s) as hand_over,
        trio.open_nursery() as nursery,
    ):
        lane_site = LaneSite(desk, hand_over, at.token_key, log)
        lane = Lane(lane_site, _files(data), _limits(settings), log)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            nursery.start_soon(lane.run, [(plain, None), (secure, _tls(data))])
            nursery.start_soon(keep_books, lane_site, writer, settings["events.keep"])
            _announce(at, plain, secure, as_json=as_json)
            async for number in signals:
                log.info("%s: finishing what is being sent, at most %d s", signal.Signals(number).name, drain_s)
                break
        lane.stop()
        with trio.move_on_after(drain_s):
            await lane.drained.wait()
        await lane_site.flush(writer)
        nursery.cancel_scope.cancel()


def _files(data: DataDir) -> FileCache:
    ca = keys.load_ca(data.ca_certificate)
    return FileCache(data.download, lambda package_id: directories.read_manifest(data, package_id, ca))


def _limits(settings: Settings) -> Limits:
    return Limits(
        head_bytes=settings["limits.head_bytes"],
        body_bytes=settings["limits.body_bytes"],
        head_timeout_s=settings["limits.head_timeout_s"],
        idle_timeout_s=settings["limits.idle_timeout_s"],
        connections=settings["limits.connections"],
    )


def _tls(data: DataDir) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    # With h2 on offer a client would take it, and its fragments would not be the lane's any more.
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(data.keys / keys.SERVER_CERTIFICATE, data.keys / keys.SERVER_KEY)
    return context


def _report(log: logging.Logger, missing: list[str]) -> None:
    for package_id in missing:
        log.error("package %s: its folder is gone from the download directory", package_id)


def _announce(at: agents.Site, plain: socket.socket, secure: socket.socket, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"http": [_name(plain)], "https": [_name(secure)]}) + "\n")
    else:
        sys.stdout.write(f"distd {__version__} serves http://{_name(plain)} and https://{_name(secure)}\n")
        sys.stdout.write(f"agents: --server=https://{at.https}/ocsinventory --ca=cacert.pem\n")
    sys.stdout.flush()


def _name(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
