"""The shards of a fleet on the workers of a Dask cluster, one each.

The messages of a shard come as events through the scheduler. A worker that goes away is not waited for, nor is the
scheduler: the agents are lost, and their work is not done again, for they could not go on where they were.

Dask does not end a running task that is cancelled. So each shard asks its own worker whether it is still wanted: it is
not when the client has cancelled its task or is gone itself, or when the scheduler is.
"""

from __future__ import annotations

import logging
import re
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from uuid import uuid4

import trio

from agentsim.fleet import messages
from agentsim.fleet.shard import run_shard
from distd.domain.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from agentsim.fleet.messages import ShardMessage
    from agentsim.fleet.options import FleetOptions
    from agentsim.fleet.totals import FleetTotals

CONNECT_S: Final = 15
CLOSE_S: Final = 5
CHECK_S: Final = 1.0  # between two looks whether a worker is still there
WANTED_S: Final = 0.25  # between two looks of a shard whether it is wanted, which cost nothing
LATE_EVENTS_S: Final = 5.0  # for those that the end of a task has overtaken
SCHEDULER_GONE: Final = "the scheduler has gone"
_ADDRESS: Final = re.compile(r"(?:tcp|tls)://(?:[^\s/:\[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
_NOT_WANTED: Final = frozenset({"closing", "closed", "failed"})

T = TypeVar("T")


def check_address(address: str) -> None:
    """Raises `BadInput` for an invalid address: Dask would look for it for half a minute."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[1]) < 65_536:
        raise BadInput("--cluster", "tcp://host:port or tls://host:port", address)


# --- on a worker


def run_remote(options: FleetOptions, topic: str) -> None:
    """The shard, from its beginning to its end."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def report(message: ShardMessage) -> None:
        worker.log_event(topic, [options.shard, messages.encode(message)])

    trio.run(_run_while, lambda: _is_wanted(worker, key), options, report)


def _is_wanted(worker: Any, key: Any) -> bool:
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing" and worker.status.value not in _NOT_WANTED


async def _run_while(
    is_wanted: Callable[[], bool], options: FleetOptions, report: Callable[[ShardMessage], None]
) -> None:
    stop = trio.Event()

    async def watch() -> None:
        while is_wanted():  # noqa: ASYNC110 - Dask has no event for it that trio could wait for
            await trio.sleep(WANTED_S)
        stop.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await run_shard(options, report, stop)
        nursery.cancel_scope.cancel()


# --- where the command runs


async def run_cluster(options: FleetOptions, totals: FleetTotals, address: str, stop: trio.Event) -> None:
    """Until all are through, or soon after `stop` is set.

    Raises `BadInput` for an invalid address and where Dask is not installed, `Unavailable` where no scheduler answers
    or there is no worker.
    """
    check_address(address)
    async with _connected(address) as client:
        topic = f"agentsim-{uuid4()}"
        token = trio.lowlevel.current_trio_token()
        events = _Events(totals)

        def take(event: Any) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(events.take, event)

        await _call(partial(client.subscribe_topic, topic, take))
        workers = sorted(await _workers(client))
        if not workers:
            raise Unavailable(address, "the cluster has no workers")
        async with trio.open_nursery() as nursery:
            for worker, part in zip(workers, options.split(len(workers)), strict=False):
                nursery.start_soon(_run_on, client, worker, part, topic, events, stop)


async def _run_on(
    client: Any, worker: str, options: FleetOptions, topic: str, events: _Events, stop: trio.Event
) -> None:
    events.names[options.shard] = worker
    submit = partial(client.submit, run_remote, options, topic, workers=[worker], pure=False, retries=0)
    try:
        future = await _call(submit)
        try:
            await _until_done(client, worker, future, stop)
            if not stop.is_set():
                await _call(partial(future.result, timeout=CONNECT_S))  # which raises what went wrong there
        finally:
            with trio.CancelScope(shield=True), suppress(Exception):  # the scheduler may be gone
                await _call(future.cancel)
        await events.wait_for_end(options.shard)
    except Unavailable as error:
        events.lose(options, error.why)
    except Exception as error:  # whatever it is
        is_there = client.status == "running"
        events.lose(options, f"{type(error).__name__}: {error}"[:200] if is_there else SCHEDULER_GONE)


async def _until_done(client: Any, worker: str, future: Any, stop: trio.Event) -> None:
    """Or until `stop`. Raises `Unavailable` when its worker or the scheduler has gone."""
    while not future.done() and not stop.is_set():
        with trio.move_on_after(CHECK_S):
            await stop.wait()
        if not future.done() and worker not in await _workers(client):
            raise Unavailable(worker, "the worker has gone")


class _Events:
    """Takes the messages of shards, and knows which of them have sent their last one. `names`: of their workers."""

    def __init__(self, totals: FleetTotals) -> None:
        self.names: dict[int, str] = {}
        self._totals = totals
        self._ended: set[int] = set()
        self._has_ended = trio.Event()

    def take(self, event: tuple[float, list[Any]]) -> None:
        shard, data = event[1]
        message = messages.decode(data)
        self._totals.add(self.names[shard], message)
        if message.over:
            self._ended.add(shard)
            self._has_ended.set()
            self._has_ended = trio.Event()

    async def wait_for_end(self, shard: int) -> None:
        """Wait for a shard's last message, which its task's end may overtake. Raises `Unavailable` without one."""
        with trio.move_on_after(LATE_EVENTS_S):
            while shard not in self._ended:
                await self._has_ended.wait()
            return
        raise Unavailable(self.names[shard], "its last message did not come")

    def lose(self, options: FleetOptions, why: str) -> None:
        self._totals.lose(self.names[options.shard], len(options.numbers), why)


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's client logs tracebacks when the scheduler has gone, which the report says anyway. To be used after Dask
    was imported, which sets these levels."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Any]:
    try:
        from distributed import Client, Security
    except ImportError:
        raise BadInput("--cluster", "Dask, which comes with `pip install distd[cluster]`", "none") from None
    security = cast("Any", Security)()  # as Dask's configuration has it
    if address.startswith("tls:") and security.get_connection_args("client").get("ssl_context") is None:
        raise BadInput("--cluster", "certificates in Dask's configuration (distributed.comm.tls) for tls://", "none")
    connect = partial(Client, address, timeout=CONNECT_S, set_as_default=False)
    with _quiet():
        try:
            client = await trio.to_thread.run_sync(connect)  # which ends by itself
        except (OSError, ValueError) as error:
            raise Unavailable(address, f"no Dask scheduler answers: {error}") from None
        try:
            yield client
        finally:
            with trio.CancelScope(shield=True), suppress(OSError, Unavailable):
                await _call(partial(client.close, timeout=CLOSE_S))


async def _workers(client: Any) -> set[str]:
    """Raises `Unavailable` when the scheduler has gone."""
    try:
        known = await _call(partial(client.sync, client.scheduler.identity, n_workers=-1))
    except OSError:
        raise Unavailable("the cluster", SCHEDULER_GONE) from None
    return set(known["workers"])


async def _call(what: Callable[[], T]) -> T:
    """In a thread. Raises `Unavailable` where that takes too long; the call itself may go on."""
    with trio.move_on_after(CONNECT_S):
        return await trio.to_thread.run_sync(what, abandon_on_cancel=True)
    raise Unavailable("the cluster", "the scheduler does not answer")
