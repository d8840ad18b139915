"""A mirror without an origin: serves copies of the packages of an OCS server, a web server or a folder."""

from __future__ import annotations

import logging
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio

from distd.domain.errors import BadInput, Conflict
from distd.lane.client.http_client import open_client
from distd.storage import pki
from redistrib.control_port import ControlPort
from redistrib.copier import Copier, CopyLimits
from redistrib.download import Traffic
from redistrib.metrics import Metrics
from redistrib.mirror_dir import MirrorDir, building_mirror, read_identity
from redistrib.package_sources import FolderSource, WebSource, check_ids
from redistrib.scrub import Scrub
from redistrib.serve import MIB, open_local_packages, serve_until_stopped
from redistrib.standalone_backend import StandaloneBackend
from redistrib.status import Statistics, run_status_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distd.lane.client.http_client import Client
    from redistrib.serve import Serving

log = logging.getLogger("redistrib")


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What is copied. `base`: a URL or a folder. `named`: only these packages; none: all that there are.

    `ca_file`: certificates that `base` is trusted by; None: those of the system. `hosts`: names for the mirror's own
    certificate; none: the name of this machine.
    """

    base: str
    named: Sequence[str] = ()
    ca_file: Path | None = None
    hosts: Sequence[str] = ()

    @property
    def is_web(self) -> bool:
        """Whether `base` is a URL."""
        return self.base.startswith(("http://", "https://"))

    def open(self, client: Client, traffic: Traffic) -> WebSource | FolderSource:
        """The source, whose traffic is counted."""
        return WebSource(client, self.base, traffic) if self.is_web else FolderSource(Path(self.base), traffic)


def check_standalone(root: Path, options: SourceOptions) -> MirrorDir:
    """The folder for copies in `root`, which may not be there yet. Raises `BadInput`, `Conflict`."""
    check_ids(options.named)
    for host in options.hosts:
        pki.check_host(host)
    _trusting(options.ca_file)
    mirror = MirrorDir(root)
    if root.exists() and not root.is_dir():
        raise BadInput("--data", "a folder", str(root))
    if read_identity(mirror) is not None:
        raise Conflict("--from-ocs", f"{root} is the mirror of an origin", "take another folder")
    if options.is_web and not _has_host(options.base):
        raise BadInput("--from-ocs", "http://HOST[:PORT]/PATH or https://…", options.base)
    # A share that was there once may be away just now; what was never there is a slip.
    if not options.is_web and not (
        options.base and (Path(options.base).is_dir() or mirror.data.ca_certificate.exists())
    ):
        raise BadInput("--from-ocs", "http://HOST/PATH, https://HOST/PATH or a folder", options.base)
    return mirror


def _has_host(url: str) -> bool:
    with suppress(ValueError):  # of a port that is none
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    return False


def create_standalone(mirror: MirrorDir, options: SourceOptions) -> None:
    """Make the folder for copies, with a CA and a certificate, where it is not there yet. Raises `BadInput`."""
    if not mirror.data.ca_certificate.exists():
        with building_mirror(mirror.root) as built:
            hosts = options.hosts or (socket.gethostname(),)
            pki.create_keys(built.data.keys, built.data.ca_certificate, hosts)


async def run_standalone(mirror: MirrorDir, options: SourceOptions, serving: Serving) -> None:
    """Serve copies until SIGTERM or SIGINT; then finish what is being sent. Raises `BadInput`."""
    settings, statistics, traffic = serving.settings, Statistics(mirror.root), Traffic()
    local = open_local_packages(mirror, settings, pki.load_ca(mirror.data.ca_certificate))
    context = _trusting(options.ca_file)
    async with open_client(context, "redistrib") as client, trio.open_nursery() as nursery:
        source = options.open(client, traffic)
        limits = CopyLimits(settings.redistrib.connections, settings.redistrib.package_mib * MIB)
        copier = Copier(local, source, options.named, pki.load_signer(mirror.data.keys), mirror.incoming, limits, log)
        await local.load(log)
        metrics = Metrics(statistics.counts, traffic, copier.state)
        control_port = ControlPort(client, "", metrics.render, lambda: copier.is_ready, nursery)
        base = options.base.rstrip("/") if options.is_web else ""
        backend = StandaloneBackend(local, copier, statistics, control_port, base)

        def count(package_id: str, name: str, *, healed: bool) -> None:
            statistics.checked(healed=healed)

        nursery.start_soon(copier.run, settings.redistrib.poll_s)
        nursery.start_soon(run_status_file, mirror.status_file, statistics, copier.state)
        nursery.start_soon(Scrub(local, copier.fetch_fragment, count, log).run, settings.redistrib.scrub_mib_per_s)
        await serve_until_stopped(local, backend, serving)
        nursery.cancel_scope.cancel()


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise BadInput("--ca", "a file of certificates in PEM", str(ca_file), _why(error)) from None


def _why(error: OSError) -> str:
    return "" if isinstance(error, ssl.SSLError) else error.strerror or ""
