"""Several serving processes (workers) under one that watches them.

Each worker has its own listening sockets on the shared ports (SO_REUSEPORT), which the supervisor keeps open: while a
worker is replaced, new connections wait in its backlog. A worker's standard input is a pipe from the supervisor, so
that it notices the supervisor's end in any case.

Error handling: a worker that ends is started again, after a pause that doubles each time it ends early. One that ends
before it has ever served ends the supervisor, too.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio
from prometheus_client.multiprocess import mark_process_dead

from distd.catalogue.event_watch import EventWatch
from distd.catalogue.reader import Reader
from distd.domain.backoff import Backoff
from distd.domain.errors import Unavailable
from distd.lane.pacer import make_shared
from distd.lane.sockets import KINDS, LEVELS, VARIABLE
from distd.server.event_lines import logged_events
from distd.server.metrics import FOLDER_VARIABLE
from distd.server.metrics_folder import open_metrics_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from distd.catalogue.engine import Catalogue
    from distd.lane.sockets import Listeners
    from distd.server.metrics_folder import MetricsFolder

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
HEALTHY_S: Final = 60.0  # a worker that ran so long did not fail at its start
GRACE_S: Final = 5.0  # after the drain: then a worker that has not ended is killed

log = logging.getLogger("distd.supervisor")


class Supervisor:
    """Runs `command` once for each of `listeners`, which it closes at the end, and logs the events of `catalogue`.
    `drain_s`: what workers get to end."""

    def __init__(
        self, command: Sequence[str], listeners: Sequence[Listeners], drain_s: float, catalogue: Catalogue
    ) -> None:
        self._command = list(command)
        self._listeners = listeners
        self._drain_s = drain_s
        self._catalogue = catalogue
        self._levels = make_shared()
        self._processes: dict[int, trio.Process] = {}
        self._stopping = trio.Event()

    async def run(self, announce: Callable[[], None]) -> None:
        """Run until SIGTERM or SIGINT; SIGHUP is passed on to the workers. Calls `announce()` when all of them serve.

        Raises `Unavailable` when a worker ends before it serves for the first time.
        """
        with (
            open_metrics_folder() as metrics,
            trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals,
        ):
            async with trio.open_nursery() as nursery:
                for index in range(len(self._listeners)):
                    await nursery.start(self._keep_alive, index, metrics)
                async with self._logged_events():
                    announce()
                    await self._wait_for_end(signals)
                self._stopping.set()
                for listeners in self._listeners:
                    listeners.close()  # else the kernel accepts connections that no worker will answer
                self._signal(signal.SIGTERM)
                nursery.cancel_scope.deadline = trio.current_time() + self._drain_s + GRACE_S

    @asynccontextmanager
    async def _logged_events(self) -> AsyncIterator[None]:
        """Events are followed as long as the block lasts: what follows them has no end of its own."""
        catalogue = self._catalogue
        watch = EventWatch(Reader(catalogue), log, catalogue.listen, catalogue.last_write)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            async with logged_events(watch, log):
                yield
            nursery.cancel_scope.cancel()

    async def _wait_for_end(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            if number != signal.SIGHUP:
                return
            self._signal(signal.SIGHUP)

    async def _keep_alive(self, index: int, metrics: MetricsFolder, *, task_status: trio.TaskStatus[None]) -> None:
        """One worker after the other with the same listeners."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        started = False
        while not self._stopping.is_set():
            begun_s = trio.current_time()
            status = await self._run_once(index, metrics, None if started else task_status)
            started = True
            if self._stopping.is_set():
                return
            if trio.current_time() - begun_s > HEALTHY_S:
                backoff.reset()
            pause_s = backoff.next_s()
            log.error("worker %d ended with status %s; it is started again in %g s", index + 1, status, pause_s)
            await trio.sleep(pause_s)

    async def _run_once(self, index: int, metrics: MetricsFolder, task_status: trio.TaskStatus[None] | None) -> int:
        process = await self._start(index, metrics)
        self._processes[index] = process
        try:
            assert process.stdout is not None
            ready = await process.stdout.receive_some(4096)
            if task_status is not None:
                if not ready:
                    raise Unavailable(f"worker {index + 1}", f"ended with status {await process.wait()}")
                task_status.started()
            return await process.wait()
        finally:
            del self._processes[index]
            mark_process_dead(process.pid, metrics.path)  # type: ignore[no-untyped-call]
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                await _close_pipes(process)

    async def _start(self, index: int, metrics: MetricsFolder) -> trio.Process:
        listeners = self._listeners[index]
        numbers = {kind: getattr(listeners, kind).fileno() for kind in KINDS} | {LEVELS: self._levels}
        environment = {
            **os.environ,
            VARIABLE: " ".join(f"{kind}={number}" for kind, number in numbers.items()),
            FOLDER_VARIABLE: metrics.path,
        }
        return await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(*numbers.values(), metrics.lock),
            env=environment,
        )

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            process.send_signal(number)


async def _close_pipes(process: trio.Process) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await pipe.aclose()
