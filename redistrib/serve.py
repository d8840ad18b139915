"""A serving mirror: the composition of lane, follower, sync, scrub and books, from start to drain."""

from __future__ import annotations

import logging
import random
import signal
import ssl
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio
from msgspec import UNSET, structs

from distd.domain.errors import Corrupt
from distd.lane.client.http_client import open_client
from distd.lane.file_cache import FileCache
from distd.lane.process_setup import limits, set_up_process, tls
from distd.lane.server import Lane
from distd.storage import package_dirs as directories
from distd.storage import pki
from distd.storage.incoming import IncomingFragments
from distd.storage.quota import DiskLimits
from distd.wire import mirror_events, packing
from distd.wire.mirror_events import Heartbeat, State
from redistrib.backend import MirrorSite
from redistrib.control_port import Door
from redistrib.fetcher import Fetcher
from redistrib.follower import Follower
from redistrib.metrics import Metrics
from redistrib.reporter import Books, standing_of
from redistrib.scrub import Scrub
from redistrib.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.domain.settings import Settings
    from distd.lane.sockets import Listeners
    from distd.wire.mirror_events import PackageChange
    from redistrib.mirror_dir import Identity, MirrorDir

MIB: Final = 1_048_576
STATE_S: Final = 2.0  # how far the mirror has followed is written so often

log = logging.getLogger("redistrib")


class Neighbours:
    """Where fragments may be had: whom this mirror follows, then the origin, then other mirrors."""

    def __init__(self, followed: str) -> None:
        self._followed = followed
        self._origin = ""
        self._is_origin = False  # who is followed; else it is a mirror
        self._others: list[str] = []

    def learn(self, event: State | PackageChange) -> None:
        """What the origin says of itself and of its mirrors ("host:port" of their HTTP)."""
        if event.http:
            self._origin = f"http://{event.http}/download"
            self._is_origin = urlsplit(self._followed).netloc == event.https
        if event.mirrors is not UNSET:
            self._others = [f"http://{address}/download" for address in event.mirrors]

    def sources(self) -> list[str]:
        """The best first. The origin's own fragments come by HTTP: the manifest says what they must be."""
        followed = f"{self._followed}/download"
        near = [self._origin, followed] if self._is_origin else [followed, self._origin]
        return [one for one in (*near, *self._others) if one]

    def holders(self) -> list[str]:
        """For agents that are sent elsewhere: the origin is the last resort."""
        return [self._origin] if self._origin else [f"{self._followed}/download"]


async def run_mirror(
    mirror: MirrorDir,
    identity: Identity,
    settings: Settings,
    listeners: Listeners,
    announce: Callable[[], None],
) -> None:
    """Serve and follow until SIGTERM or SIGINT; then finish what is being sent, within the limit."""
    data, ca = mirror.data, pki.load_ca(mirror.data.ca_certificate)
    context = ssl.create_default_context(cafile=str(data.ca_certificate))
    set_up_process(settings["limits.connections"], log)
    incoming, books = IncomingFragments(data, mirror.incoming), Books(mirror, log)
    neighbours = Neighbours(identity.origin)
    room = DiskLimits(settings["store.quota_mib"] * MIB, settings["store.keep_free_mib"] * MIB)
    async with open_client(context, "redistrib") as client, trio.open_nursery() as nursery:
        fetcher = Fetcher(client, incoming, neighbours.sources, settings["redistrib.connections"], nursery)
        sync = Sync(data, ca, incoming, fetcher, room, log, books.changed)
        await sync.look()
        follower = Follower(
            client, identity, partial(_take, sync, neighbours, books), 0, random.SystemRandom().random, log
        )
        _restore(mirror, sync, neighbours)
        metrics = Metrics(books.counts, fetcher.traffic, partial(standing_of, follower, sync))
        ready = partial(_is_ready, sync, follower)
        door = Door(client, identity.origin, metrics.render, ready, nursery, log)
        site = MirrorSite(books, sync, incoming, fetcher, door, settings["redistrib.wait_s"], log, neighbours.holders)
        scrub = Scrub(data, ca, sync.have, incoming, fetcher.fragment, site.bad, books.fault, log)
        cache = FileCache(data.download, lambda package_id: directories.read_manifest(data, package_id, ca))
        lane = Lane(site, cache, limits(settings), log)
        secure = tls(data.keys / pki.SERVER_CERTIFICATE, data.keys / pki.SERVER_KEY)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            nursery.start_soon(lane.run, [(listeners.http, None), (listeners.https, secure)])
            nursery.start_soon(site.run)
            nursery.start_soon(sync.run)
            nursery.start_soon(follower.run)
            nursery.start_soon(books.run, client, identity, follower, sync)
            nursery.start_soon(scrub.run, settings["redistrib.scrub_mib_per_s"])
            announce()
            async for _ in signals:
                break
        log.info("finishing what is being sent, at most %d s", settings["limits.drain_s"])
        lane.stop()
        with trio.move_on_after(settings["limits.drain_s"]):
            await lane.drained.wait()
        books.flush()
        nursery.cancel_scope.cancel()


def _take(sync: Sync, neighbours: Neighbours, books: Books, event: State | PackageChange) -> None:
    neighbours.learn(event)
    sync.apply(event)
    if isinstance(event, State):
        books.tell_all = True  # who says everything wants to hear everything
        books.remember(packing.pack(structs.replace(event, seq=0, mirrors=UNSET)))


def _restore(mirror: MirrorDir, sync: Sync, neighbours: Neighbours) -> None:
    """What was wanted when the mirror was last told: so that it serves and fetches while the origin is away."""
    try:
        event = mirror_events.read(mirror.state_file.read_bytes(), "state")
        if not isinstance(event, Heartbeat):
            neighbours.learn(event)
            sync.apply(event)
    except FileNotFoundError:
        pass
    except Corrupt as error:
        log.warning("%s", error)


def _is_ready(sync: Sync, follower: Follower) -> bool:
    return follower.connected and all(sync.have.get(one) == wanted.version for one, wanted in sync.wanted.items())
