"""A serving mirror, put together: from start until what is being sent at the end is finished."""

from __future__ import annotations

import logging
import random
import signal
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from msgspec import UNSET

from distd.domain.errors import DistdError
from distd.lane.client.http_client import open_client
from distd.lane.file_cache import FileCache
from distd.lane.file_watch import identity_of, watch
from distd.lane.process_setup import limits, log_reload, tls
from distd.lane.server import Lane
from distd.storage import key_pairs, pki
from distd.storage.incoming import IncomingFragments
from distd.storage.quota import DiskLimits
from distd.storage.trust_file import TrustFile
from redistrib.access_spool import AccessSpool
from redistrib.backend import MirrorBackend, Redirects
from redistrib.control_port import ControlPort
from redistrib.download import Downloader, Traffic
from redistrib.event_handler import EventHandler
from redistrib.fetcher import Fetcher
from redistrib.follower import Follower
from redistrib.local_packages import LocalPackages
from redistrib.manifests import ManifestFetcher
from redistrib.metrics import Metrics
from redistrib.neighbours import Neighbours
from redistrib.on_demand import OnDemand
from redistrib.origin_client import OriginClient
from redistrib.renewal import Renewal
from redistrib.reporter import Reporter
from redistrib.scrub import Scrub
from redistrib.status import MirrorState, Statistics, run_status_file
from redistrib.sync import Sync
from redistrib.trust_keeper import TrustKeeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from distd.domain.settings import Settings
    from distd.lane.backend import Backend
    from distd.lane.client.http_client import Client
    from distd.lane.sockets import Listeners
    from distd.storage.data_dir import DataDir
    from distd.wire.mirror_events import PackageChange, State
    from distd.wire.trust import Authority
    from redistrib.mirror_dir import Identity, MirrorDir

MIB: Final = 1_048_576

log = logging.getLogger("redistrib")


@dataclass(frozen=True, slots=True)
class Serving:
    """How a mirror serves. `announce()` is called as soon as it does; `read_settings()` reads `settings` again."""

    settings: Settings
    listeners: Listeners
    announce: Callable[[], None]
    read_settings: Callable[[], Settings]


def open_local_packages(mirror: MirrorDir, settings: Settings, authority: Authority) -> LocalPackages:
    """What is in a mirror's folder, not yet read. `authority`: whose manifests count.

    Raises `Corrupt` when the version floors cannot be read.
    """
    incoming = IncomingFragments(mirror.data, mirror.incoming)
    local = LocalPackages(mirror.data, authority, incoming, _disk_limits(settings))
    local.floors.verify()
    return local


def _disk_limits(settings: Settings) -> DiskLimits:
    return DiskLimits(settings.store.quota_mib * MIB, settings.store.keep_free_mib * MIB)


async def serve_until_stopped(local: LocalPackages, backend: Backend, serving: Serving) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is being sent, within the limit of the settings.

    SIGHUP reloads settings and certificate.
    """
    settings, data = serving.settings, local.data
    key_pairs.settle(data.keys)
    cache = FileCache(data.download, local.read_digests)
    lane = Lane(backend, cache, limits(settings), log)
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            listeners = serving.listeners
            nursery.start_soon(lane.run, [(listeners.http, None), (listeners.https, _tls(data))])
            nursery.start_soon(
                watch, partial(_certificate_identity, data), partial(_use_certificate, data, lane, serving)
            )
            serving.announce()
            async for number in signals:
                if number != signal.SIGHUP:
                    break
                _reload(local, lane, serving)
        log.info("finishing what is being sent, at most %d s", settings.limits.drain_s)
        lane.stop()
        with trio.move_on_after(settings.limits.drain_s):
            await lane.drained.wait()
        nursery.cancel_scope.cancel()


def _reload(local: LocalPackages, lane: Lane, serving: Serving) -> None:
    """Take up changed settings and the certificate. Connections stay; if something cannot be read, nothing changes."""
    try:
        new = serving.read_settings()
        context, lane_limits = _tls(local.data), limits(new)
    except (DistdError, OSError) as error:
        log.error("reload: %s; nothing is changed", error)
        return
    local.limits = _disk_limits(new)
    lane.reconfigure(lane_limits, context)
    log_reload(log, serving.settings, new)


def _certificate_identity(data: DataDir) -> object:
    return [identity_of(data.keys / name) for name in (pki.SERVER_CERTIFICATE, pki.SERVER_KEY)]


def _use_certificate(data: DataDir, lane: Lane, serving: Serving) -> None:
    """The certificate has been replaced. Connections stay."""
    try:
        lane.reconfigure(limits(serving.settings), _tls(data))
    except DistdError as error:
        log.error("certificate: %s; nothing is changed", error)


def _tls(data: DataDir) -> ssl.SSLContext:
    return tls(data.keys / pki.SERVER_CERTIFICATE, data.keys / pki.SERVER_KEY)


async def run_mirror(mirror: MirrorDir, identity: Identity, serving: Serving) -> None:
    """Serve and follow until SIGTERM or SIGINT."""
    settings, statistics = serving.settings, Statistics(mirror.root)
    key_pairs.settle(mirror.data.keys)
    _tls(mirror.data)  # an error is told before anything runs
    trust_file = TrustFile(mirror.data.trust_file, pki.load_ca(mirror.data.ca_certificate))
    local, neighbours = open_local_packages(mirror, settings, trust_file.trust), Neighbours(identity.origin)
    spool = AccessSpool(mirror.spool, log)
    context = ssl.create_default_context(cafile=str(mirror.data.ca_certificate))
    trust_file.use_in(context)
    async with open_client(context, "redistrib") as client, trio.open_nursery() as nursery:
        downloader, origin = Downloader(client, Traffic()), OriginClient(client, identity, lambda: trust_file.trust)
        fetcher = Fetcher(downloader, local.incoming, neighbours.sources, settings.redistrib.connections, nursery)
        manifests = ManifestFetcher(downloader, neighbours.sources, local.ca)
        reporter = Reporter(origin, statistics, spool, local.versions, log)
        sync = Sync(local, manifests, fetcher, reporter, log)
        handler = EventHandler(mirror, neighbours, sync, reporter)
        renewal = Renewal(origin, mirror.data, trust_file, time.time, log)
        trust_keeper = TrustKeeper(origin, trust_file, partial(_use_trust, trust_file, client, sync, renewal), log)
        follower = Follower(origin, partial(_apply, handler, trust_keeper, renewal), random.SystemRandom().random, log)
        await local.load(log)
        handler.restore(log)
        state = partial(_state, follower, local, sync)
        metrics = Metrics(statistics.counts, downloader.traffic, state)
        is_ready = partial(_is_ready, follower, sync)
        control_port = ControlPort(client, identity.origin, metrics.render, is_ready, nursery)
        redirects = Redirects(neighbours, statistics)
        on_demand = OnDemand(manifests, fetcher, local.incoming, redirects.locate, settings.redistrib.wait_s, log)
        backend = MirrorBackend(local, sync, on_demand, redirects, statistics, spool, control_port)
        scrub = Scrub(local, fetcher.fetch, reporter.fault, log)
        for run in (on_demand.run, sync.run, follower.run, trust_keeper.run, renewal.run):
            nursery.start_soon(run)
        nursery.start_soon(reporter.run, state)
        nursery.start_soon(run_status_file, mirror.status_file, statistics, state)
        nursery.start_soon(scrub.run, settings.redistrib.scrub_mib_per_s)
        await serve_until_stopped(local, backend, serving)
        with suppress(OSError):  # a full disk: what was fetched in the last seconds is lost
            spool.flush()
        nursery.cancel_scope.cancel()


def _use_trust(file: TrustFile, client: Client, sync: Sync, renewal: Renewal) -> None:
    client.reconfigure_tls(file.use_in)
    sync.trust_changed()
    renewal.look_again()


def _apply(handler: EventHandler, trust_keeper: TrustKeeper, renewal: Renewal, event: State | PackageChange) -> None:
    if event.trust_epoch is not UNSET:
        trust_keeper.learn(event.trust_epoch)
    if event.renew_before_s is not UNSET:
        renewal.learn(event.renew_before_s)
    handler.apply(event)


def _is_ready(follower: Follower, sync: Sync) -> bool:
    return follower.connected and sync.is_complete


def _state(follower: Follower, local: LocalPackages, sync: Sync) -> MirrorState:
    return MirrorState(
        connected=follower.connected,
        packages=len(local.versions),
        wanted=len(sync.wanted),
        missing_bytes=sync.missing_bytes,
        seq=follower.seq,
        refused=follower.refused,
    )
