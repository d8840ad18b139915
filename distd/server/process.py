"""One serving process, from start to drain: what it consists of, and what runs in it."""

from __future__ import annotations

import logging
import signal
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from distd.catalogue.event_watch import EventWatch
from distd.catalogue.outage import RETRY_S, log_outages
from distd.catalogue.reader import Reader
from distd.catalogue.writer import open_writer
from distd.domain.errors import Unreachable
from distd.lane.file_cache import FileCache
from distd.lane.file_watch import watch
from distd.lane.pacer import Levels
from distd.lane.process_setup import limits, set_up_process
from distd.lane.server import Lane
from distd.lane.sockets import is_worker, shared_levels
from distd.origin.agents.catalogue_space import CatalogueSpace
from distd.origin.installation import MIB
from distd.origin.packages.recovery import reconcile
from distd.server.agent_access import AgentAccess
from distd.server.application import open_application
from distd.server.backend import OriginBackend
from distd.server.cancellations import Cancellations
from distd.server.event_lines import logged_events
from distd.server.forecast_upkeep import run_forecasts
from distd.server.forecasts import forecast_in_child, forecast_rollout_in_child
from distd.server.group_upkeep import run_groups
from distd.server.jobs import JobRunner
from distd.server.metrics import Metrics, Sources
from distd.server.mirror_messages import Waves
from distd.server.mirror_monitor import MirrorMonitor
from distd.server.mirror_streams import MirrorStreams
from distd.server.notices import NoticeWatch
from distd.server.other_requests import OtherRequests
from distd.server.post_queues import open_post_queues
from distd.server.progress import ProgressRecorder
from distd.server.progress_events import run_progress_events
from distd.server.repeating import repeat
from distd.server.rollout_upkeep import run_rollouts
from distd.server.source_watch import SourceWatch
from distd.server.state import ServerState
from distd.server.steering import Steering
from distd.server.upkeep import run_upkeep
from distd.storage import package_dirs, pki
from distd.storage.sealing import OriginKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from distd.catalogue.engine import Catalogue
    from distd.catalogue.writer import Writer
    from distd.domain.settings import Settings
    from distd.lane.sockets import Listeners
    from distd.origin.installation import Installation
    from distd.storage.data_dir import DataDir

LOG_S: Final = 5.0

log = logging.getLogger("distd")


async def run_server(
    installation: Installation,
    listeners: Listeners,
    read_settings: Callable[[], Settings],
    announce: Callable[[str, str], None],
) -> None:
    """Serve until SIGTERM, SIGINT, or the end of the supervisor; SIGHUP reloads. Then drain, within the limit.

    `announce(http, https)` is called with the "host:port" that agents get, once all is ready.
    """
    settings, catalogue = installation.settings, installation.catalogue
    state = ServerState(installation, listeners, read_settings)
    set_up_process(settings.limits.connections, log)
    if not is_worker():  # else the supervisor does it, once for all workers
        log_outages(catalogue.outage, log)
    reader, metrics, drain_s = Reader(catalogue), Metrics(), settings.limits.drain_s
    event_watch = EventWatch(reader, log, catalogue.listen, catalogue.last_write)
    space = CatalogueSpace(catalogue, installation.data.root, settings.store.keep_free_mib * MIB)
    state.follow(lambda now: space.limit(now.store.keep_free_mib * MIB))
    async with (
        open_writer(catalogue) as writer,
        open_post_queues(catalogue, state.answer, settings, space) as queues,
        open_application(installation, state, event_watch, writer, metrics, log) as web,
        trio.open_nursery() as nursery,
    ):
        steering = Steering(reader, log)
        monitor = MirrorMonitor(reader, writer, state.default_via, (state.use_directory, steering.use), log)
        waves = Waves(settings.mirrors.wave, settings.mirrors.wave_pause_s)
        addresses = {"http": state.context.http, "https": state.context.https, **state.mirror_keys}
        state.follow(lambda _: addresses.update(http=state.context.http, https=state.context.https))
        origin_key = OriginKey(installation.data)
        mirrors = MirrorStreams(event_watch, writer, waves, addresses, monitor.notify, origin_key, log)
        progress = ProgressRecorder(writer, log)
        access = AgentAccess(state.token_keys, lambda: state.settings.agents, log)
        is_prepared = _prepare(installation, access)
        others = OtherRequests(mirrors, web)
        backend = OriginBackend(queues, steering, progress, others, access, metrics.observe_post, log)
        levels = Levels(fd=shared_levels())
        lane = Lane(backend, _file_cache(installation.data), limits(settings), log, levels)
        behind = reader, writer, lambda: state.settings, log
        notices = NoticeWatch(installation.data, *behind)
        sources = Sources(lane.counts, progress, lambda: state.directory, web.refused, lambda: notices.counts)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            nursery.start_soon(lane.run, [(listeners.http, None), (listeners.https, state.tls_context())])
            nursery.start_soon(watch, state.keys_identity, partial(_use_keys, state, lane, backend, mirrors))
            nursery.start_soon(metrics.run, sources)
            nursery.start_soon(Cancellations(steering.cancel).run, event_watch, log)
            nursery.start_soon(access.run, event_watch)
            if not is_prepared:
                nursery.start_soon(_prepare_later, installation, access)
            nursery.start_soon(_run_upkeep, reader, writer, state, settings)
            nursery.start_soon(limit_log, catalogue)
            jobs, watched = JobRunner(installation.data.root, *behind), SourceWatch(installation.data, *behind)
            for each in (notices, event_watch, mirrors, monitor, steering, progress, jobs, watched):
                nursery.start_soon(each.run)
            async with AsyncExitStack() as stack:
                if not is_worker():  # else the supervisor does it, once for all workers
                    await stack.enter_async_context(logged_events(event_watch, log))
                announce(state.context.http, state.context.https)
                await _wait_for_end(signals, partial(state.reload, lane, log))
        state.stop()
        log.info("finishing what is being sent, at most %d s", drain_s)
        lane.stop()
        with trio.move_on_after(drain_s):
            await lane.drained.wait()
        await progress.flush()
        nursery.cancel_scope.cancel()


async def _run_upkeep(reader: Reader, writer: Writer, state: ServerState, settings: Settings) -> None:
    """What is done every now and then, for ever. `settings`: those of the start."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_upkeep, reader, writer, settings, log)
        nursery.start_soon(run_groups, reader, writer, log)
        nursery.start_soon(run_rollouts, reader, writer, lambda: state.settings, forecast_rollout_in_child, log)
        nursery.start_soon(run_forecasts, reader, writer, lambda: state.settings, forecast_in_child, log)
        nursery.start_soon(run_progress_events, reader, writer, lambda: state.settings, log)


def _use_keys(state: ServerState, lane: Lane, backend: OriginBackend, mirrors: MirrorStreams) -> None:
    """Keys, certificates or the trust file have changed."""
    if state.reload_keys(lane, log):
        backend.forget_tokens()
        mirrors.tell_all(state.mirror_keys)


async def limit_log(catalogue: Catalogue) -> None:
    """Keep the catalogue's write-ahead log small, for ever."""
    limit = partial(trio.to_thread.run_sync, catalogue.limit_log)
    await repeat(limit, LOG_S, "the log of changes is not shortened", log)


def _prepare(installation: Installation, access: AgentAccess) -> bool:
    """What comes before the first request, where the catalogue answers; gives whether it does."""
    try:
        for package_id in reconcile(installation.catalogue, installation.data).missing:
            log.error("package %s: its folder is gone from the download directory", package_id)
        with installation.catalogue.read() as conn:
            access.read(conn, time.time())
    except Unreachable:
        return False
    return True


async def _prepare_later(installation: Installation, access: AgentAccess) -> None:
    while True:
        await trio.sleep(RETRY_S)
        if await trio.to_thread.run_sync(_prepare, installation, access):
            return


def _file_cache(data: DataDir) -> FileCache:
    ca = pki.load_ca(data.ca_certificate)
    return FileCache(data.download, lambda package_id: package_dirs.read_digests(data, package_id, ca))


async def _wait_for_end(signals: AsyncIterator[int], reload: Callable[[], None]) -> None:
    """Until a signal to end, or the end of the supervisor, which holds the other side of a worker's standard input."""
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
    log.error("the supervisor has ended")
    scope.cancel()
