"""A server of copies: a mirror without an origin, of a genuine OCS server, a web server or a folder."""

from __future__ import annotations

import logging
import signal
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from distd.domain.errors import BadInput, Conflict
from distd.lane.backend import LOCAL, Located
from distd.lane.client.http_client import open_client
from distd.lane.file_cache import FileCache
from distd.lane.process_setup import limits, set_up_process, tls
from distd.lane.server import Lane
from distd.storage import package_dirs as directories
from distd.storage import pki
from distd.storage.incoming import IncomingFragments
from distd.storage.quota import DiskLimits
from redistrib.control_port import Door
from redistrib.copier import Copier, FolderSource, WebSource, check_ids
from redistrib.fetcher import Traffic
from redistrib.metrics import Metrics
from redistrib.mirror_dir import create_mirror, read_identity
from redistrib.reporter import Books
from redistrib.scrub import Scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distd.domain.settings import Settings
    from distd.lane.backend import FileRequest, Post
    from distd.lane.sockets import Listeners
    from distd.lane.streams import PlainStream, TlsStream
    from redistrib.mirror_dir import MirrorDir

MIB: Final = 1_048_576

log = logging.getLogger("redistrib")


def create(root: Path, hosts: Sequence[str]) -> MirrorDir:
    """A folder for copies, with a CA and a certificate for `hosts`. Raises `BadInput`, `Conflict`."""
    mirror = create_mirror(root)
    if read_identity(mirror) is not None:
        raise Conflict("--from-ocs", f"{root} is the mirror of an origin", "take another folder")
    if not mirror.data.ca_certificate.exists():
        for host in hosts:
            pki.check_host(host)
        pki.create_keys(mirror.data.keys, mirror.data.ca_certificate, hosts)
    return mirror


async def run_copies(
    mirror: MirrorDir,
    base: str,
    named: Sequence[str],
    authority: Path | None,
    settings: Settings,
    listeners: Listeners,
    announce: Callable[[], None],
) -> None:
    """Serve copies of what is at `base` (a URL or a folder) until SIGTERM or SIGINT. `authority`: a file with the CA of
    its certificate, where it is none of the system's."""
    check_ids(named)
    data, ca = mirror.data, pki.load_ca(mirror.data.ca_certificate)
    set_up_process(settings["limits.connections"], log)
    incoming, books, traffic = IncomingFragments(data, mirror.incoming), Books(mirror, log), Traffic()
    room = DiskLimits(settings["store.quota_mib"] * MIB, settings["store.keep_free_mib"] * MIB)
    is_web = base.startswith(("http://", "https://"))
    async with open_client(_trust(authority), "redistrib") as client, trio.open_nursery() as nursery:
        source = WebSource(client, base, traffic) if is_web else FolderSource(Path(base), traffic)
        signer, connections = pki.load_signer(data.keys), settings["redistrib.connections"]
        copier = Copier(data, source, named, ca, signer, incoming, mirror.incoming, room, connections, log)
        await copier.look()
        metrics = Metrics(books.counts, traffic, copier.standing)
        door = Door(client, "", metrics.render, lambda: _is_ready(copier), nursery, log)
        site = CopySite(copier, books, door, base.rstrip("/") if is_web else "")
        scrub = Scrub(data, ca, copier.have, incoming, copier.good, site.bad, books.fault, log)
        cache = FileCache(data.download, lambda package_id: directories.read_manifest(data, package_id, ca))
        lane = Lane(site, cache, limits(settings), log)
        secure = tls(data.keys / pki.SERVER_CERTIFICATE, data.keys / pki.SERVER_KEY)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            nursery.start_soon(lane.run, [(listeners.http, None), (listeners.https, secure)])
            nursery.start_soon(copier.run, settings["redistrib.poll_s"])
            nursery.start_soon(books.watch, copier.standing)
            nursery.start_soon(scrub.run, settings["redistrib.scrub_mib_per_s"])
            announce()
            async for _ in signals:
                break
        lane.stop()
        with trio.move_on_after(settings["limits.drain_s"]):
            await lane.drained.wait()
        nursery.cancel_scope.cancel()


class CopySite:
    """The lane's `Backend`: agents have no tokens here, and what is not here (yet) is at the source."""

    def __init__(self, copier: Copier, books: Books, door: Door, base: str) -> None:
        """`base`: the source's URL, to send agents to; empty: there is none."""
        self.bad: dict[str, set[str]] = {}
        self._copier = copier
        self._books = books
        self._door = door
        self._base = base

    def computer_of(self, token: str) -> int | None:
        return None

    def fetched(self, computer_id: int, package_id: str, number: int, size_bytes: int, address: str) -> None:
        self._books.counts.hits += 1
        self._books.fetched("", address, package_id, number, size_bytes)

    def post(self, post: Post, answer: Callable[[int, bytes], None]) -> None:
        answer(404, b"this is a redistribution server: agents talk to the OCS server\n")

    def hand_over(self, stream: PlainStream | TlsStream, path: bytes) -> None:
        self._door.take(stream)

    def answered_elsewhere(self, package_id: str) -> bool:
        return package_id in self.bad

    def find(self, wanted: FileRequest, answer: Callable[[Located], None]) -> Located | None:
        names = self.bad.get(wanted.package_id)
        if names is not None and wanted.package_id in self._copier.have:
            if wanted.key.rpartition("/")[2] not in names:
                return LOCAL
        elif wanted.package_id not in self._copier.wanted:
            return Located(status=404)
        self._books.counts.misses += 1
        if not self._base:
            return Located(status=503, why="it has not come yet")
        self._books.counts.redirected += 1
        return Located(location=f"{self._base}/{wanted.key}")


def _is_ready(copier: Copier) -> bool:
    return copier.answers and all(one in copier.have for one in copier.wanted)


def _trust(authority: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(authority) if authority else None)
    except (OSError, ssl.SSLError) as error:
        raise BadInput("--ca", "a file of certificates in PEM", f"{authority}: {error}") from None
