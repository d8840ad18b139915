"""One serving process: the composition of lane, origin and web, from start to drain."""

from __future__ import annotations

import logging
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.catalogue.reader import Reader
from distd.catalogue.writer import open_batcher, open_writer
from distd.domain.errors import BadInput, DistdError, Unavailable
from distd.domain.mirror_rules import Via
from distd.lane.file_cache import FileCache
from distd.lane.pacer import Levels
from distd.lane.process_setup import limits, set_up_process, tls
from distd.lane.server import Lane
from distd.lane.sockets import is_worker, shared_levels
from distd.origin.agents import posts as agents
from distd.origin.installation import MIB
from distd.origin.mirrors import directory as nearest
from distd.origin.packages import planned_activations
from distd.origin.packages.recovery import reconcile
from distd.server.backend import LaneSite, keep_books
from distd.server.handover import open_hand_over
from distd.server.metrics import Metrics
from distd.server.mirror_streams import Followers, Waves
from distd.server.steering import Steering
from distd.storage import package_dirs as directories
from distd.storage import pki
from distd.storage.uploads import Uploads
from distd.web.api.app import Logins, make_app
from distd.web.api.forecasts import PlansApi
from distd.web.api.mirrors import MirrorsApi
from distd.web.api.uploads import UploadsApi

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy import Connection

    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings
    from distd.lane.sockets import Listeners
    from distd.origin.installation import Installation
    from distd.storage.data_dir import DataDir

PLANNED_S: Final = 5.0  # activations that wait for a date are looked at so often
LOG_FORMAT: Final = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"

log = logging.getLogger("distd")


class Server:
    """What a reload may change: settings, and with them what agents are told; the certificate."""

    def __init__(self, site: Installation, listeners: Listeners, read_settings: Callable[[], Settings]) -> None:
        self.data = site.data
        self.settings = site.settings
        self._read_settings = read_settings
        self._ports = listeners.http.getsockname()[1], listeners.https.getsockname()[1]
        self._token_key = (site.data.keys / pki.TOKEN_KEY).read_bytes()
        self.directory = nearest.EMPTY
        self.agents = self._agents()

    def _agents(self) -> agents.Site:
        host = self.settings["server.host"]
        http, https = (f"{host}:{port}" for port in self._ports)
        return agents.Site(self.settings, self._token_key, http, https, self.directory)

    def use(self, directory: nearest.Directory) -> None:
        """From now on agents are told of these mirrors."""
        self.directory = directory
        self.agents = self._agents()

    def via(self) -> Via:
        """How agents come to mirrors where an activation does not say it."""
        return _via(self.settings)

    def answer(self, conn: Connection, heard: Sequence[agents.Heard]) -> list[agents.Reply]:
        return agents.answer(conn, heard, self.agents)

    def reload(self, lane: Lane) -> None:
        """Take up changed settings and certificates. Connections stay; what cannot be read leaves all as it was."""
        try:
            settings = self._read_settings()
            context, its_limits = _tls(self.data), limits(settings)
            _via(settings)
        except (DistdError, OSError) as error:
            log.error("reload: %s; nothing is changed", error)
            return
        self.settings = settings
        self.agents = self._agents()
        lane.reconfigure(its_limits, context)
        log.info("reloaded settings and certificate")


async def run_server(
    site: Installation,
    listeners: Listeners,
    read_settings: Callable[[], Settings],
    announce: Callable[[str, str], None],
) -> None:
    """Serve until SIGTERM, SIGINT, or the end of the supervisor; SIGHUP reloads. Then drain, within the limit.

    `announce(http, https)` is called with what agents are told ("host:port"), once all is ready.
    """
    settings = site.settings
    server = Server(site, listeners, read_settings)
    server.via()  # raises for a setting that cannot be
    set_up_process(settings["limits.connections"], log)
    for package_id in reconcile(site.catalogue, site.data).missing:
        log.error("package %s: its folder is gone from the download directory", package_id)
    reader = Reader(site.catalogue)
    steering = Steering(reader)
    read = partial(agents.read, max_inflated_bytes=settings["limits.inflated_bytes"])
    metrics = Metrics()
    waiting_limit, drain_s = settings["limits.waiting_posts"], settings["limits.drain_s"]
    async with (
        open_writer(site.catalogue) as writer,
        open_batcher(site.catalogue, server.answer, read, waiting_limit=waiting_limit) as desk,
        open_hand_over(_application(site, server, reader, writer, metrics), log, drain_s) as hand_over,
        trio.open_nursery() as nursery,
    ):
        news = Mirrors(server, reader, writer, steering)
        followers = Followers(
            reader, writer, _waves(settings), log, news.ring, (server.agents.http, server.agents.https)
        )
        key = server.agents.token_key
        lane_site = LaneSite(desk, hand_over, key, metrics.observe_post, log, steering, followers)
        levels = Levels(fd=shared_levels())
        lane = Lane(lane_site, _files(site.data), limits(settings), log, levels)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            nursery.start_soon(lane.run, [(listeners.http, None), (listeners.https, _tls(site.data))])
            nursery.start_soon(metrics.run, lane.counts, lane_site, lambda: server.directory)
            nursery.start_soon(followers.run)
            nursery.start_soon(steering.run)
            nursery.start_soon(news.run)
            nursery.start_soon(keep_books, lane_site, writer, settings["events.keep"])
            announce(server.agents.http, server.agents.https)
            await _until_told(signals, partial(server.reload, lane))
        log.info("finishing what is being sent, at most %d s", drain_s)
        lane.stop()
        with trio.move_on_after(drain_s):
            await lane.drained.wait()
        await lane_site.flush(writer)
        nursery.cancel_scope.cancel()


class Mirrors:
    """Keeps up with what is known of mirrors: tells those who send agents to them, and activates what waited for them.

    `ring` says that something has changed.
    """

    def __init__(self, server: Server, reader: Reader, writer: Writer, steering: Steering) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._steering = steering
        self._bell = trio.Event()
        self._bell.set()

    def ring(self) -> None:
        self._bell.set()

    async def run(self) -> None:
        while True:
            with trio.move_on_after(PLANNED_S):
                await self._bell.wait()
            self._bell = trio.Event()
            try:
                if await self._reader.run(planned_activations.list_planned):
                    for package_id in await self._writer.run(
                        partial(planned_activations.activate_due, now_s=time.time())
                    ):
                        log.info("package %s is active: what it waited for has come", package_id)
                load = partial(nearest.load, default=self._server.via(), now_s=time.time())
                directory = await self._reader.run(load)
            except Unavailable as error:
                log.warning("mirrors: %s", error)
                continue
            self._server.use(directory)
            self._steering.use(directory)


def _via(settings: Settings) -> Via:
    try:
        return Via(settings["mirrors.via"])
    except ValueError:
        raise BadInput("mirrors.via", ", ".join(Via), settings["mirrors.via"]) from None


def _waves(settings: Settings) -> Waves:
    return Waves(settings["mirrors.wave"], settings["mirrors.wave_pause_s"])


async def _until_told(signals: AsyncIterator[int], reload: Callable[[], None]) -> None:
    """Until a signal to end, or the end of the supervisor, who holds the other side of a worker's standard input."""
    async with trio.open_nursery() as nursery:
        if is_worker():
            nursery.start_soon(_end_with_supervisor, nursery.cancel_scope)
        async for number in signals:
            if number != signal.SIGHUP:
                break
            reload()
        nursery.cancel_scope.cancel()


async def _end_with_supervisor(scope: trio.CancelScope) -> None:
    await trio.lowlevel.wait_readable(sys.stdin.fileno())  # nothing is ever written: readable is the end
    log.error("the supervisor has gone")
    scope.cancel()


def _tls(data: DataDir) -> ssl.SSLContext:
    return tls(data.keys / pki.SERVER_CERTIFICATE, data.keys / pki.SERVER_KEY)


def log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=LOG_FORMAT)


def _application(site: Installation, server: Server, reader: Reader, writer: Writer, metrics: Metrics) -> UploadsApi:
    """All that is not the lane's."""
    mirrors = MirrorsApi(site.data, reader, writer, server.agents.token_key, server.via)
    plans = PlansApi(reader, lambda: server.settings)
    logins = Logins(reader)
    uploads = Uploads(site.data, site.settings["limits.upload_mib"] * MIB, site.disk_limits())
    uploads.sweep()
    return UploadsApi(make_app(reader, logins, metrics.render, (mirrors, plans)), uploads, logins)


def _files(data: DataDir) -> FileCache:
    ca = pki.load_ca(data.ca_certificate)
    return FileCache(data.download, lambda package_id: directories.read_manifest(data, package_id, ca))
